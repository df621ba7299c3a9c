/** Runs of many seeds, one after the other, and what they came to. */
import { openLog } from "../../src/util/log.ts";
import { type Edition, newPlan } from "./generate.ts";
import type { Config } from "./plan.ts";
import { replay } from "./replay.ts";
import type { Known } from "./seeds.ts";
import { shrink } from "./shrink.ts";
import { transcriptOf } from "./transcript.ts";

type StoreName = Config["store"];

/** Which seeds are run. */
export interface Range {
  /** The first one, how many at most, and from one to the next. */
  first: number;
  seeds: number;
  step: number;
  /** None of them is begun after so many seconds. */
  seconds: number;
  /** Undefined: each seed says it. */
  store: StoreName | undefined;
  /** Seeds that are run before, over the store that they say. */
  known: readonly Known[];
}

/** What the runs over one store came to. */
export interface Tally {
  seeds: number;
  requests: number;
  operations: number;
  /** Time of the processor, of all threads. */
  cpuMs: number;
  /** Of all runs, in whichever order. */
  digest: number;
}

export type Tallies = Record<StoreName, Tally>;

export interface Outcome {
  tallies: Tallies;
  /** The first run that was not as it must be, shortened, in words and as a test. */
  failure: string | undefined;
}

export const MAX_SEED = 2 ** 32;

export function newTallies(): Tallies {
  const none = { seeds: 0, requests: 0, operations: 0, cpuMs: 0, digest: 0 };
  return { memory: { ...none }, sqlite: { ...none } };
}

export function addTallies(to: Tallies, more: Tallies): void {
  for (const store of ["memory", "sqlite"] as const) addTally(to[store], more[store]);
}

function addTally(to: Tally, more: Tally): void {
  to.seeds += more.seeds;
  to.requests += more.requests;
  to.operations += more.operations;
  to.cpuMs += more.cpuMs;
  to.digest = (to.digest + more.digest) >>> 0;
}

/** Runs the seeds, up to the first one that fails. */
export async function runAll({
  first,
  seeds,
  step,
  seconds,
  store,
  known,
}: Range): Promise<Outcome> {
  // What a run finds wrong it keeps; the server logs failures that are meant.
  openLog(() => false);
  process.on("unhandledRejection", () => undefined);
  const until = performance.now() + seconds * 1000;
  const tallies = newTallies();
  for (const { seed, edition, store } of known) {
    const failure = await run(seed, store, tallies, edition);
    if (failure !== undefined) return { tallies, failure };
  }
  for (let n = 0; n < seeds && performance.now() < until; n++) {
    const failure = await run((first + n * step) % MAX_SEED, store, tallies);
    if (failure !== undefined) return { tallies, failure };
  }
  return { tallies, failure: undefined };
}

/** @returns why the run was not as it must be, if it was not */
async function run(
  seed: number,
  store: StoreName | undefined,
  tallies: Tallies,
  edition?: Edition,
): Promise<string | undefined> {
  const before = process.cpuUsage();
  const plan = newPlan(seed, store, edition);
  const { failure, requests, operations, digest } = await replay(plan);
  const { user, system } = process.cpuUsage(before);
  addTally(tallies[plan.config.store], {
    seeds: 1,
    requests,
    operations,
    cpuMs: (user + system) / 1000,
    digest: Bun.hash.xxHash32(`${seed} ${digest}`),
  });
  if (failure === undefined) return undefined;
  const short = await shrink(plan, failure);
  return `seed ${seed} over ${plan.config.store} FAILED: ${failure}\n\n${transcriptOf(short)}`;
}
