/** `bun run torture`: faults of every kind, for as long as one likes. See --help. */
import { cleanUpAtExit } from "../bench/cleanup.ts";
import { describeMachine } from "../bench/machine.ts";
import { findProgram } from "../bench/program.ts";
import { type Column, header, line } from "../bench/table.ts";
import { newRandom } from "../protocol/random.ts";
import { crash } from "./crash.ts";
import { disk } from "./disk.ts";
import { failing } from "./failing.ts";
import { helpText, readOptions } from "./options.ts";
import type { Part } from "./part.ts";
import { soak } from "./soak.ts";
import { sync } from "./sync.ts";
import { torn } from "./torn.ts";

const PARTS: readonly Part[] = [crash, torn, sync, failing, disk, soak];

const COLUMNS: Column[] = [
  { title: "part", width: 10, right: false },
  { title: "seconds", width: 7, right: true },
  { title: "result", width: 6, right: false },
];

/** What became of a part. */
interface Outcome {
  name: string;
  seconds: number;
  failure: string | undefined;
  counts: Map<string, number>;
  notes: string[];
}

async function attempt(part: Part, budget: number, seed: number): Promise<Outcome> {
  const counts = new Map<string, number>();
  const notes: string[] = [];
  const since = Date.now();
  const outcome = (failure?: string): Outcome => {
    return { name: part.name, seconds: (Date.now() - since) / 1000, failure, counts, notes };
  };
  try {
    await part.run(budget, newRandom(seed), {
      count: (what, times = 1) => void counts.set(what, (counts.get(what) ?? 0) + times),
      note: (text) => void notes.push(text),
    });
    return outcome();
  } catch (error) {
    return outcome((error as Error).message);
  }
}

function row({ name, seconds, failure, counts, notes }: Outcome): string {
  const numbers = [...counts].map(([what, times]) => `${times.toLocaleString("en")} ${what}`);
  const result = failure === undefined ? "passed" : "FAILED";
  return line(COLUMNS, [name, seconds.toFixed(1), result], [...numbers, ...notes].join(", "));
}

async function main(): Promise<number> {
  const names = PARTS.map(({ name }) => name);
  const options = readOptions(process.argv.slice(2), names);
  if (options.help) {
    process.stdout.write(helpText(names));
    return 0;
  }
  cleanUpAtExit();
  const parts = PARTS.filter(
    ({ name }) => options.parts.length === 0 || options.parts.includes(name),
  );
  const shares = parts.reduce((sum, { share }) => sum + share, 0);
  console.log(describeMachine());
  console.log(`${findProgram().name}, seed ${options.seed}, ${options.minutes} minutes\n`);
  const outcomes: Outcome[] = [];
  for (const part of parts) {
    const outcome = await attempt(
      part,
      (options.minutes * 60_000 * part.share) / shares,
      options.seed,
    );
    outcomes.push(outcome);
    if (outcome.failure !== undefined) console.log(`${part.name} FAILED: ${outcome.failure}\n`);
  }
  console.log(header(COLUMNS));
  for (const outcome of outcomes) console.log(row(outcome));
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  console.log(
    `\nseed ${options.seed}: ${failed === 0 ? "nothing went wrong" : `${failed} parts failed`}`,
  );
  return failed === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`torture: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
