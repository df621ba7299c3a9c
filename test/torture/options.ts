import { parseArgs } from "node:util";

export interface Options {
  help: boolean;
  minutes: number;
  /** 32 bits. */
  seed: number;
  /** The parts that are asked for; all when empty. */
  parts: string[];
}

const DEFAULT_MINUTES = 2;

export function helpText(parts: readonly string[]): string {
  return `usage: bun run torture [flags]

  --minutes <n>   how long all parts take together (${DEFAULT_MINUTES})
  --seed <n>      what the random choices follow from (a new one each time; it is printed)
  --part <name>   only this part: ${parts.join(", ")} (may be repeated)
  --help          print this

With a minute or more for itself, the part memory takes the measures that are promised: 10 million messages, 100,000
queues, 2,000 clients that stall. With less it takes a part of them, and says how much.

The seed repeats the choices, not the moments: what depends on those may take several runs to be seen again.
`;
}

/** Reads the command line. Throws an Error whose message tells the user what is wrong. */
export function readOptions(args: string[], known: readonly string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean" },
      minutes: { type: "string" },
      seed: { type: "string" },
      part: { type: "string", multiple: true },
    },
  });
  const { help = false, minutes = `${DEFAULT_MINUTES}`, seed, part: parts = [] } = values;
  for (const name of parts) {
    if (!known.includes(name))
      throw new Error(`--part wants one of ${known.join(", ")}, not "${name}"`);
  }
  return { help, minutes: minutesIn(minutes), seed: seedIn(seed), parts };
}

function minutesIn(text: string): number {
  const minutes = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (minutes >= 0.1 && minutes <= 10_000) return minutes;
  throw new Error(`--minutes wants a number from 0.1 to 10000, not "${text}"`);
}

function seedIn(text: string | undefined): number {
  if (text === undefined) return Math.floor(Math.random() * 2 ** 32);
  const seed = /^\d+$/.test(text) ? Number(text) : NaN;
  if (seed < 2 ** 32) return seed;
  throw new Error(`--seed wants a whole number from 0 to 4294967295, not "${text}"`);
}
