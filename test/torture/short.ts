/** The short form of a part, for `bun test`. */
import { afterAll, setDefaultTimeout } from "bun:test";

import { newRandom } from "../protocol/random.ts";
import { newTally, type Part, reportTo, type Tally } from "./part.ts";
import { killAll, useSources } from "./server.ts";

/** New in each run, and in the name of each test. */
export const seed = Math.floor(Math.random() * 2 ** 32);

/** To be called once at the top of each test file. */
export function suite(): void {
  useSources();
  // A test ends by what it waits for; this is for one that never does, also on a busy machine.
  setDefaultTimeout(300_000);
  afterAll(killAll);
}

/** Runs the part for about so many milliseconds. Rejects with what went wrong. */
export async function runShort(part: Part, budget: number): Promise<Tally> {
  const tally = newTally();
  await part.run(budget, newRandom(seed), reportTo(tally));
  return tally;
}
