/** `bun run torture`: faults of every kind, for as long as one likes. See --help. */
import { cleanUpAtExit } from "../bench/cleanup.ts";
import { describeMachine } from "../bench/machine.ts";
import { type Column, header, line } from "../bench/matrix/table.ts";
import { findProgram } from "../bench/program.ts";
import { fuzz } from "../hostile/fuzz.ts";
import { memory } from "../hostile/memory.ts";
import { parser } from "../hostile/parser.ts";
import { newRandom } from "../protocol/random.ts";
import { crash } from "./crash.ts";
import { delivery } from "./delivery.ts";
import { disk } from "./disk.ts";
import { failing } from "./failing.ts";
import { helpText, readOptions } from "./options.ts";
import { newTally, type Part, reportTo, type Tally } from "./part.ts";
import { killAll } from "./server.ts";
import { soak } from "./soak.ts";
import { sync } from "./sync.ts";
import { torn } from "./torn.ts";

const PARTS: readonly Part[] = [
  ...[crash, delivery, torn, sync, failing, disk, parser, fuzz, memory, soak],
];

const COLUMNS: Column[] = [
  { title: "part", width: 10, right: false },
  { title: "seconds", width: 7, right: true },
  { title: "result", width: 6, right: false },
];

/** What became of a part. */
interface Outcome extends Tally {
  name: string;
  seconds: number;
  failure: string | undefined;
}

async function attempt(part: Part, budget: number, seed: number): Promise<Outcome> {
  const tally = newTally();
  const since = Date.now();
  let failure: string | undefined;
  try {
    await part.run(budget, newRandom(seed), reportTo(tally));
  } catch (error) {
    failure = (error as Error).message;
    console.log(`${part.name} FAILED: ${failure}\n`);
  }
  await killAll();
  return { ...tally, name: part.name, seconds: (Date.now() - since) / 1000, failure };
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
    const budget = (options.minutes * 60_000 * part.share) / shares;
    outcomes.push(await attempt(part, budget, options.seed));
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
