import { type Words, wordText } from "./words.ts";

/* The names of the commands in lines. */

/** Commands that clients send all the time, and meta commands. */
const FREQUENT = ["set", "get", "gets", "mg", "ms", "md", "mn", "me", "ma"] as const;
const RARE = [
  "add",
  "replace",
  "append",
  "prepend",
  "cas",
  "delete",
  "gat",
  "gats",
  "flush",
  "flush_all",
  "pause",
  "resume",
  "stats",
  "verbosity",
  "incr",
  "decr",
  "touch",
  "dump_stats",
  "status",
  "reload",
  "shutdown",
  "flush_expired",
  "flush_all_expired",
  "version",
  "db_checkpoint",
  "db_archive",
  "quit",
] as const;

export type RareCommand = (typeof RARE)[number];

const rare: ReadonlyMap<string, RareCommand> = new Map(RARE.map((name) => [name, name]));
const all: ReadonlySet<string> = new Set([...FREQUENT, ...RARE]);
const SPACE = 32;

/** The commands whose lines have the size of a body as their fifth word. */
export const STORAGE: ReadonlySet<string> = new Set([
  "set",
  "add",
  "replace",
  "append",
  "prepend",
  "cas",
]);

export function isCommand(name: string): boolean {
  return all.has(name);
}

/** The rare command that the first of the words names; undefined when it names none. */
export function rareCommand(words: Words): RareCommand | undefined {
  return rare.get(wordText(words, 0));
}

/**
 * Whether the first word of the bytes from `start` on names a command. No reply begins so: its first letter is a capital,
 * and the first byte of a binary one is no letter.
 */
export function beginsWithCommand(bytes: Buffer, start: number): boolean {
  let from = start;
  while (bytes[from] === SPACE) from++;
  let end = from;
  while (end < bytes.length && (bytes[end] as number) > SPACE) end++;
  return all.has(bytes.toString("latin1", from, end));
}
