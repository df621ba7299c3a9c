/** Processes that share the seeds. */
import { join } from "node:path";

import { addTallies, newTallies, type Outcome, type Range } from "./runs.ts";

const PART = join(import.meta.dir, "part.ts");

/**
 * The code of a run is often new and rarely repeats itself: the compiler that optimizes most takes a fifth of the time of
 * the processor, and what it makes is not faster by that much.
 */
const ENV = { ...process.env, BUN_JSC_useFTLJIT: "0" };

interface Job {
  /** Undefined: it was ended before. */
  outcome: Promise<Outcome | undefined>;
  end: () => void;
}

/** Runs the seeds in so many processes. @returns the first failure, if there is one */
export async function runInJobs(range: Range, count: number): Promise<Outcome> {
  const all: Outcome = { tallies: newTallies(), failure: undefined };
  const jobs = Array.from({ length: count }, (_, n) => newJob(partOf(range, n, count)));
  const done = jobs.map(async ({ outcome }) => {
    const each = await outcome;
    if (each === undefined) return;
    addTallies(all.tallies, each.tallies);
    all.failure ??= each.failure;
    if (each.failure !== undefined) for (const { end } of jobs) end();
  });
  await Promise.all(done);
  return all;
}

/** Of `count` jobs the n-th has the n-th seed, and every so many-th after it. */
function partOf({ first, seeds, step, known, ...rest }: Range, n: number, count: number): Range {
  return {
    ...rest,
    first: first + n * step,
    seeds: Math.ceil((seeds - n) / count),
    step: step * count,
    known: known.filter((_, at) => at % count === n),
  };
}

function newJob(range: Range): Job {
  let outcome: Outcome | undefined;
  let isEnded = false;
  const child = Bun.spawn([process.execPath, PART], {
    env: ENV,
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (message: Outcome) => void (outcome = message),
  });
  child.send(range);
  const end = () => {
    isEnded = true;
    child.kill();
  };
  const failed = async () => {
    const code = await child.exited;
    if (outcome !== undefined || isEnded) return outcome;
    return { tallies: newTallies(), failure: `a process of the simulator ended: ${code}` };
  };
  return { outcome: failed(), end };
}
