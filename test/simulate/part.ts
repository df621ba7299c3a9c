/** A process that runs a part of the seeds: its parent sends it which, and is sent the outcome. */
import { newTallies, type Outcome, type Range, runAll } from "./runs.ts";

process.once("message", (range: Range) => {
  void outcomeOf(range).then((outcome) => process.send?.(outcome, () => process.exit(0)));
});
// Without its parent there is nobody to tell.
process.once("disconnect", () => process.exit(1));

async function outcomeOf(range: Range): Promise<Outcome> {
  try {
    return await runAll(range);
  } catch (error) {
    return { tallies: newTallies(), failure: String((error as Error).stack) };
  }
}
