import { BAD_FORMAT, BAD_PAUSE, SLASH } from "./errors.ts";

/**
 * What a `get` names: a queue, and options after slashes that say how to take from it. A key never changes, so the keys
 * of the last requests are kept and compared instead of parsed again.
 */
export interface Key {
  /** As the client wrote it: a byte is a character from U+0000 to U+00FF. */
  readonly text: string;
  readonly queue: string;
  /** More queues, in this order, that the message may come from when the ones before have none. */
  readonly others: readonly string[];
  /** Without options. */
  readonly plain: boolean;
  /** What happens first to the message that this client has open. */
  readonly before: "close" | "abort" | "bury" | "pass" | "pause" | "resume" | undefined;
  /** pause: how long; 0 is until the queue is resumed. */
  readonly seconds: number;
  readonly action: Action;
  /** open: also messages that wait for their time. peek: only those that are leased. */
  readonly scope: Scope;
  /** move, move all, pass: the queue that the message goes to; "" otherwise. */
  readonly target: string;
  /** lease: how long it lasts, in milliseconds. */
  readonly lease: number;
  /** abort: milliseconds before the message can be delivered again; -1 is what the settings of the queue say. */
  readonly delay: number;
  /** How long to wait for a message when there is none, in milliseconds; -1 when nothing is waited for. */
  readonly wait: number;
  /** What is wrong with the key, in words for the client. */
  readonly problem: string | undefined;
}

/** What the options of a key say. */
type Options = Pick<
  Key,
  | "target"
  | "others"
  | "lease"
  | "delay"
  | "before"
  | "seconds"
  | "action"
  | "scope"
  | "wait"
  | "problem"
>;

/** What the client wants with a message: have it, keep it open until it says close, lease it, look at it, or nothing. */
export type Action = "take" | "open" | "lease" | "move" | "move all" | "peek" | "none";

/** Which messages are meant. */
export type Scope = "available" | "early" | "leased";

/** Many keys in little memory: the bytes of their line, at most 65,536, and where in them each key starts. */
export interface KeyTable {
  readonly bytes: Buffer;
  readonly starts: Uint16Array;
}

/** The longest queue name, in bytes. */
export const MAX_NAME = 250;

const WAIT = "t=";
const PAUSE = "pause=";
const OR = "or=";
/** With these a key names 16 queues. */
const MOST_OTHERS = 15;
/** The options, as errors tell them. */
const FORMS: readonly string[] = [
  "t=<ms>",
  "open",
  "close",
  "abort",
  "peek",
  "lease=<ms>",
  "delay=<ms>",
  "dead",
  "early",
  "leased",
  "to=<queue>",
  "all",
  "or=<queue>",
  "pause=<seconds>",
  "resume",
];
const NO_OTHERS: readonly string[] = Object.freeze([]);
const TO = "to=";
const LEASE = "lease=";
const DELAY = "delay=";
const SPACE = 32;
/** An error repeats this many bytes of a wrong option. */
const MOST_TOLD = 64;
const LONGEST_WAIT = 2 ** 31 - 1;
/** A longer key can't be a correct one that comes again and again, and would only take memory. */
const LONGEST_KEPT = MAX_NAME + 64;
const SLOTS = 1024;
/** The keys read last, each in the slot of its hash: only a cache, since {@link parseKey} depends on the text alone. */
const recent: (Key | undefined)[] = new Array<Key | undefined>(SLOTS);

/** Options parsed before, by their text; a cache as well, since {@link parseOptions} depends on the text alone. */
const recentOptions = { byText: new Map<string, Options>() };
const MOST_OPTIONS = 64;
const LONGEST_OPTIONS = 64;

/** The key in the bytes of `buffer` from `start` up to `end`. */
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

/**
 * The keys that lie in `buffer`: key `i` from `starts[from + i]` on, the last one up to `end`, with spaces between them.
 * Their bytes are copied, so that the buffer is free afterwards.
 */
export function newKeyTable(
  buffer: Buffer,
  starts: readonly number[],
  from: number,
  count: number,
  end: number,
): KeyTable {
  const first = starts[from] as number;
  const bytes = Buffer.allocUnsafeSlow(end - first);
  buffer.copy(bytes, 0, first, end);
  const places = new Uint16Array(count);
  for (let i = 0; i < count; i++) places[i] = (starts[from + i] as number) - first;
  return { bytes, starts: places };
}

/** Key number `index` of the table, counted from 0. */
export function keyInTable({ bytes, starts }: KeyTable, index: number): Key {
  const start = starts[index] as number;
  let end = start;
  while (end < bytes.length && bytes[end] !== SPACE) end++;
  return keyAt(bytes, start, end);
}

/** What is wrong with the key where only a queue's name is allowed, in words for the client. */
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

/** `<queue>[/<option>…][/]` */
function parseKey(text: string): Key {
  const slash = text.indexOf("/");
  if (slash < 0) return plainKey(text);
  const queue = text.slice(0, slash);
  const options = optionsOf(text.slice(slash + 1));
  const problem = queueProblem(queue) ?? options.problem;
  const { target, others, before, seconds, lease, delay, action, scope, wait } = options;
  return {
    text,
    queue,
    target,
    others,
    plain: false,
    before,
    seconds,
    lease,
    delay,
    action,
    scope,
    wait,
    problem,
  };
}

/** A line can have thousands of keys, and with options that take time to parse; but there are few combinations. */
function optionsOf(text: string): Options {
  const { byText } = recentOptions;
  const known = byText.get(text);
  if (known !== undefined) return known;
  const options = parseOptions(text.split("/"));
  if (text.length > LONGEST_OPTIONS) return options;
  if (byText.size === MOST_OPTIONS) byText.clear();
  byText.set(text, options);
  return options;
}

function parseOptions(options: string[]): Options {
  const has = (option: string) => options.includes(option);
  const wait = options.findLast((option) => option.startsWith("t="))?.slice(2) ?? "-1";
  const pause = options.findLast((option) => option.startsWith(PAUSE))?.slice(PAUSE.length);
  const isPassed = has("close") && options.some((option) => option.startsWith(TO));
  const before = isPassed ? "pass" : beforeOf(has, pause);
  let action: Action = before === undefined ? "take" : "none";
  if (has("open")) action = "open";
  if (has("peek")) action = "peek";
  const lease = valueOf(options, LEASE) ?? 0;
  if (lease > 0) action = "lease";
  const target = options.findLast((option) => option.startsWith(TO))?.slice(TO.length) ?? "";
  if (target !== "" && action === "take") action = has("all") ? "move all" : "move";
  // Some clients add t= to every get, also to one that only closes: there is nothing to wait for.
  const waitMs = action === "none" ? -1 : Number(wait);
  const problem = optionsProblem(options);
  const others = options
    .filter((option) => option.startsWith(OR))
    .map((option) => option.slice(OR.length));
  const delay = valueOf(options, DELAY) ?? -1;
  return {
    target,
    others,
    before,
    seconds: Number(pause ?? 0),
    lease,
    delay,
    action,
    scope: scopeOf(has),
    wait: waitMs,
    problem,
  };
}

function scopeOf(has: (option: string) => boolean): Scope {
  if (has("early")) return "early";
  return has("leased") ? "leased" : "available";
}

/** The value of an option that is a number, the last one given. */
function valueOf(options: string[], name: string): number | undefined {
  const given = options.findLast((option) => option.startsWith(name));
  return given === undefined ? undefined : Number(given.slice(name.length));
}

function beforeOf(has: (option: string) => boolean, pause: string | undefined): Key["before"] {
  if (has("close")) return "close";
  if (has("abort")) return "abort";
  if (has("dead")) return "bury";
  if (has("resume")) return "resume";
  return pause === undefined ? undefined : "pause";
}

function plainKey(text: string): Key {
  const problem = queueProblem(text);
  const rest = {
    target: "",
    others: NO_OTHERS,
    before: undefined,
    seconds: 0,
    lease: 0,
    delay: -1,
    action: "take",
    scope: "available",
    wait: -1,
  } as const;
  return { text, queue: text, plain: true, ...rest, problem };
}

/** In a line of text a name can't contain a space or a line end; in the other dialects it could. */
function queueProblem(queue: string): string | undefined {
  if (queue.length < 1 || queue.length > MAX_NAME) return BAD_FORMAT;
  return /[ \n]/.test(queue) ? "a queue's name has no space and no line end in it" : undefined;
}

/** An option may be given twice, and one between or behind slashes may be empty: clients put their keys together so. */
function optionsProblem(options: string[]): string | undefined {
  const names = new Set<string>();
  for (const option of options) {
    if (option === "") continue;
    const name = nameOf(option);
    const told = option.slice(0, MOST_TOLD);
    if (!FORMS.some((form) => form.replace(/<.*/, "") === name)) {
      return `unknown option ${told}, known are ${FORMS.join(", ")}`;
    }
    if (name === PAUSE && !isWait(option.slice(PAUSE.length))) return `${told}: ${BAD_PAUSE}`;
    const value = option.slice(name.length);
    const isMs = name === WAIT || name === LEASE || name === DELAY;
    if (isMs && (!isWait(value) || (name === LEASE && Number(value) === 0))) {
      const least = name === LEASE ? 1 : 0;
      return `bad value in ${told}, milliseconds from ${least} to ${LONGEST_WAIT} are accepted`;
    }
    if ((name === OR || name === TO) && queueProblem(option.slice(OR.length)) !== undefined) {
      return `bad value in ${told}, the name of a queue is accepted`;
    }
    names.add(name);
  }
  if (options.filter((option) => option.startsWith(OR)).length > MOST_OTHERS) {
    return `option ${OR} is accepted up to ${MOST_OTHERS} times`;
  }
  // It goes with any other: where nothing is waited for it means nothing.
  names.delete("t=");
  return combinationProblem(names);
}

/** The name of an option, with the = behind it where it has a value. */
function nameOf(option: string): string {
  return [WAIT, PAUSE, OR, LEASE, DELAY, TO].find((name) => option.startsWith(name)) ?? option;
}

function isWait(value: string): boolean {
  return /^[0-9]{1,10}$/.test(value) && Number(value) <= LONGEST_WAIT;
}

function combinationProblem(names: Set<string>): string | undefined {
  const clash = (option: string) =>
    `option ${option} does not go with ${[...names].filter((name) => name !== option).join(", ")}`;
  if (names.has(DELAY) && !names.has("abort")) return "option delay= of a get goes with abort only";
  names.delete(DELAY);
  if (names.has("early") && !names.has("open")) return "option early goes with open only";
  if (names.has("leased") && !names.has("peek")) return "option leased goes with peek only";
  names.delete("early");
  names.delete("leased");
  for (const lonely of ["abort", "dead", PAUSE, "resume"]) {
    if (names.has(lonely) && names.size > 1) return clash(lonely);
  }
  const isTaking = ["open", "peek", LEASE].some((name) => names.has(name)) || !names.has("close");
  if (names.has(OR) && !isTaking) return clash(OR);
  if (names.has("all") && !names.has(TO)) return "option all goes with to= only";
  if (names.has(TO) && ![2, 1].includes(names.size)) return clash(TO);
  if (names.has(TO) && names.size === 2 && !names.has("all") && !names.has("close"))
    return clash(TO);
  if (names.has(LEASE) && names.has("open")) return clash(LEASE);
  const isPeeking = names.has("peek");
  if (isPeeking && ["open", "close", LEASE].some((name) => names.has(name))) return clash("peek");
  return undefined;
}
