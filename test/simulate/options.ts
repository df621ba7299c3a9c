import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

import type { Config } from "./plan.ts";
import { MAX_SEED } from "./runs.ts";

export interface Options {
  help: boolean;
  /** The first seed. */
  seed: number;
  /** How many seeds, from the first one on; Infinity when the time says it. */
  seeds: number;
  /** No seed is begun after so many seconds. */
  seconds: number;
  /** Processes that run seeds at a time. */
  jobs: number;
  /** Undefined: the seed says it. */
  store: Config["store"] | undefined;
}

const MAX_JOBS = 1000;
const DEFAULT_SECONDS = 60;

export const HELP = `usage: bun run simulate [flags]

  --seed <n>      the first seed, and the only one without --seeds and --seconds (a new one each time; it is printed)
  --seeds <n>     how many seeds, from the first one on
  --seconds <n>   begins no seed after so many seconds (${DEFAULT_SECONDS}, when nothing else is said)
  --jobs <n>      processes that share the seeds (as many as the machine has processors)
  --store <name>  memory or sqlite (what the seed says: SQLite for one in ten)
  --help          print this

The same seed gives the same run, byte for byte, on any machine: the digest that is printed is of all bytes that clients
were sent. A run that fails is shortened, and printed as a test; it is the last.
`;

/** Reads the command line. Throws an Error whose message tells the user what is wrong. */
export function readOptions(args: string[]): Options {
  const text = { type: "string" } as const;
  const options = {
    help: { type: "boolean" },
    seed: text,
    seeds: text,
    seconds: text,
    jobs: text,
    store: text,
  } as const;
  const { values } = parseArgs({ args, options });
  const { help = false, seed, seeds, seconds, jobs, store } = values;
  if (store !== undefined && store !== "memory" && store !== "sqlite") {
    throw new Error(`--store wants memory or sqlite, not "${store}"`);
  }
  const isOne = seed !== undefined && seeds === undefined && seconds === undefined;
  const isTimed = seconds !== undefined || (seeds === undefined && !isOne);
  return {
    help,
    seed:
      seed === undefined
        ? Math.floor(Math.random() * MAX_SEED)
        : numberIn("--seed", seed, 0, MAX_SEED - 1),
    seeds: isOne ? 1 : seeds === undefined ? Infinity : numberIn("--seeds", seeds, 1, MAX_SEED),
    seconds: isTimed
      ? numberIn("--seconds", seconds ?? `${DEFAULT_SECONDS}`, 1, 1_000_000)
      : Infinity,
    jobs: numberIn("--jobs", jobs ?? `${availableParallelism()}`, 1, MAX_JOBS),
    store,
  };
}

function numberIn(flag: string, text: string, least: number, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
}
