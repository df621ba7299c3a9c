/** `bun run simulate`: a server in simulated time, with clients, faults and crashes that follow from a seed. See --help. */
import { openLog } from "../../src/util/log.ts";
import { type Edition, newPlan } from "./generate.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import { replay } from "./replay.ts";
import { FAILED } from "./seeds.ts";
import { shrink } from "./shrink.ts";
import { transcriptOf } from "./transcript.ts";

const MAX_SEED = 2 ** 32;

interface Tally {
  seeds: number;
  requests: number;
  operations: number;
  /** Of all runs. */
  digest: number;
}

/** @returns whether the run was as it must be */
async function run(
  seed: number,
  store: Options["store"],
  tally: Tally,
  edition?: Edition,
): Promise<boolean> {
  const plan = newPlan(seed, store, edition);
  const { failure, requests, operations, digest } = await replay(plan);
  tally.seeds++;
  tally.requests += requests;
  tally.operations += operations;
  tally.digest = Bun.hash.xxHash32(`${digest}`, tally.digest);
  if (failure === undefined) return true;
  console.log(`seed ${seed} over ${plan.config.store} FAILED: ${failure}\n`);
  const short = await shrink(plan, failure);
  console.log(transcriptOf(short));
  return false;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  // What a run finds wrong it keeps; the server logs failures that are meant.
  openLog(() => false);
  process.on("unhandledRejection", () => undefined);
  const { seed: first, seeds, seconds, store } = options;
  const since = performance.now();
  const tally: Tally = { seeds: 0, requests: 0, operations: 0, digest: 0 };
  for (const { seed, edition } of seeds > 1 ? FAILED : []) {
    if (!(await run(seed, store, tally, edition))) return 1;
  }
  for (let n = 0; n < seeds && performance.now() - since < seconds * 1000; n++) {
    if (!(await run((first + n) % MAX_SEED, store, tally))) return 1;
  }
  console.log(summary(first, tally, since));
  return 0;
}

function summary(
  first: number,
  { seeds, requests, operations, digest }: Tally,
  since: number,
): string {
  const { user, system } = process.cpuUsage();
  const rate = Math.round(operations / ((user + system) / 1e6));
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  const numbers = [seeds, requests, operations, rate].map((number) => number.toLocaleString("en"));
  return (
    `seed ${first}: nothing went wrong in ${numbers[0]} runs, ${numbers[1]} requests, ${numbers[2]} operations; ` +
    `${seconds} s, ${numbers[3]} operations a second of the processor; digest ${digest.toString(16)}`
  );
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
