import { BAD_FORMAT, SLASH } from "./errors.ts";

/**
 * What a `get` names: a queue, and options after slashes that say how to take from it. Keys are made once and never
 * changed, so that the same few that come again and again are compared and not made anew.
 */
export interface Key {
  /** As the client wrote it: a byte is a character from U+0000 to U+00FF. */
  readonly text: string;
  readonly queue: string;
  /** There are no options. */
  readonly plain: boolean;
  /** What is done with the message that this client has open, before anything else. */
  readonly before: "close" | "abort" | undefined;
  readonly action: Action;
  /** Milliseconds to wait for a message when there is none; -1 when that isn't asked for. */
  readonly wait: number;
  /** What is wrong with the key, in words for the client. */
  readonly problem: string | undefined;
}

/** How a message is asked for: to have it, to keep it until it is closed, to look at it, or not at all. */
export type Action = "take" | "open" | "peek" | "none";

/** The longest queue name, in bytes. */
export const MAX_NAME = 250;

const SPACE = 32;
/** Of an option that is wrong, so many bytes are told. */
const MOST_TOLD = 64;
const LONGEST_WAIT = 2 ** 31 - 1;
/** A longer key is none that comes again and again, and would only take memory. */
const LONGEST_KEPT = MAX_NAME + 64;
const SLOTS = 1024;
const recent: (Key | undefined)[] = new Array<Key | undefined>(SLOTS);

/** The key that the bytes of `buffer` from `start` up to `end` are. */
export function keyAt(buffer: Buffer, start: number, end: number): Key {
  const length = end - start;
  let hash = length;
  for (let i = start; i < end; i++) hash = (hash * 31 + (buffer[i] as number)) | 0;
  const slot = hash & (SLOTS - 1);
  const known = recent[slot];
  if (known !== undefined && known.text.length === length && isAt(buffer, start, known.text)) {
    return known;
  }
  const key = parseKey(buffer.toString("latin1", start, end));
  if (length <= LONGEST_KEPT) recent[slot] = key;
  return key;
}

/** The keys from number `from` on, spaces between them: as a list they would take many times as much memory. */
export function packKeys(keys: readonly Key[], from: number): Buffer {
  const texts = keys.slice(from).map(({ text }) => text);
  return Buffer.from(texts.join(" "), "latin1");
}

/** The next keys, up to `most`, of those that are packed; one begins at `from`. */
export function unpackKeys(packed: Buffer, from: number, most: number): Key[] {
  const keys: Key[] = [];
  for (let start = from; start < packed.length && keys.length < most;) {
    const space = packed.indexOf(SPACE, start);
    const end = space < 0 ? packed.length : space;
    keys.push(keyAt(packed, start, end));
    start = end + 1;
  }
  return keys;
}

/** What speaks against the key where only a queue's name may be, in words for the client. */
export function nameProblem({ text, plain, problem }: Key): string | undefined {
  if (text.length > MAX_NAME) return BAD_FORMAT;
  return plain ? problem : SLASH;
}

function isAt(buffer: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (buffer[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** `<queue>[/<option>…]` */
function parseKey(text: string): Key {
  if (!text.includes("/")) return plainKey(text);
  const [queue = "", ...options] = text.split("/");
  const problem = queueProblem(queue) ?? optionsProblem(options);
  const has = (option: string) => options.includes(option);
  const wait = options.find((option) => option.startsWith("t="))?.slice(2) ?? "-1";
  const before = has("close") ? "close" : has("abort") ? "abort" : undefined;
  let action: Action = before === undefined ? "take" : "none";
  if (has("open")) action = "open";
  if (has("peek")) action = "peek";
  return { text, queue, plain: false, before, action, wait: Number(wait), problem };
}

function plainKey(text: string): Key {
  const problem = queueProblem(text);
  return { text, queue: text, plain: true, before: undefined, action: "take", wait: -1, problem };
}

/** A line of text has room for neither spaces nor line ends in a name; other dialects can bring them. */
function queueProblem(queue: string): string | undefined {
  if (queue.length < 1 || queue.length > MAX_NAME) return BAD_FORMAT;
  return /[ \n]/.test(queue) ? "a queue's name has no space and no line end in it" : undefined;
}

function optionsProblem(options: string[]): string | undefined {
  const names = options.map((option) => (option.startsWith("t=") ? "t=" : option));
  for (const [i, option] of options.entries()) {
    const name = names[i] as string;
    const told = option.slice(0, MOST_TOLD);
    if (!["t=", "open", "close", "abort", "peek"].includes(name)) {
      return `unknown option ${told}, known are t=<ms>, open, close, abort, peek`;
    }
    if (name === "t=" && !isWait(option.slice(2))) {
      return `bad value in ${told}, milliseconds from 0 to ${LONGEST_WAIT} are accepted`;
    }
    if (names.indexOf(name) < i) return `option ${name} is given twice`;
  }
  return combinationProblem(new Set(names));
}

function isWait(value: string): boolean {
  return /^[0-9]{1,10}$/.test(value) && Number(value) <= LONGEST_WAIT;
}

function combinationProblem(names: Set<string>): string | undefined {
  const clash = (option: string) =>
    `option ${option} does not go with ${[...names].filter((name) => name !== option).join(", ")}`;
  if (names.has("abort") && names.size > 1) return clash("abort");
  if (names.has("peek") && (names.has("open") || names.has("close"))) return clash("peek");
  if (names.has("close") && names.has("t=") && !names.has("open")) return clash("close");
  return undefined;
}
