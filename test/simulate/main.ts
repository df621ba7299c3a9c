/** `bun run simulate`: a server in simulated time, with clients, faults and crashes that follow from a seed. See --help. */
import { runInJobs } from "./jobs.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import { type Range, runAll, type Tallies, type Tally } from "./runs.ts";
import { FAILED } from "./seeds.ts";

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const since = performance.now();
  const range = rangeOf(options);
  const isOne = options.seeds === 1;
  const { tallies, failure } = await (isOne ? runAll(range) : runInJobs(range, options.jobs));
  if (failure !== undefined) {
    console.log(failure);
    return 1;
  }
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  console.log(`seed ${options.seed}: nothing went wrong, in ${seconds} s`);
  for (const line of linesOf(tallies)) console.log(line);
  return 0;
}

function rangeOf({ seed, seeds, seconds, store }: Options): Range {
  return { first: seed, seeds, step: 1, seconds, store, known: seeds > 1 ? FAILED : [] };
}

function linesOf({ memory, sqlite }: Tallies): string[] {
  const lines = [lineOf("the stand-in", memory), lineOf("SQLite", sqlite)];
  return lines.filter((line) => line !== undefined);
}

function lineOf(name: string, tally: Tally): string | undefined {
  const { seeds, requests, operations, cpuMs, digest } = tally;
  if (seeds === 0) return undefined;
  const rate = Math.round((operations / cpuMs) * 1000);
  const [runs, asked, done, each] = [seeds, requests, operations, rate].map((number) =>
    number.toLocaleString("en"),
  );
  return (
    `over ${name}: ${runs} ${seeds === 1 ? "run" : "runs"}, ${asked} requests, ${done} operations, ${each} a second of the processor; ` +
    `digest ${digest.toString(16)}`
  );
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
