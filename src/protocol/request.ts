import { NOTHING } from "./buffer.ts";
import type { ErrorKind } from "./errors.ts";
import { type Key, keyAt, keyInTable, type KeyTable, nameProblem } from "./key.ts";
import type { Encoder, ReplyContext } from "./reply.ts";
import { parseSetOptions, type SetOptions } from "./set_options.ts";
import { text } from "./text/encoder.ts";

/**
 * What a client asks for. `error` is a request that is answered with an error, and no queue has a part in it;
 * `error set` is one that had begun to send a body which could be stored: the body has a wrong end, or there was no
 * memory for it. No dialect has {@link SingleKind}: the page asks for that.
 */
export type RequestKind =
  | SingleKind
  | "set"
  | "get"
  | "delete"
  | "move all"
  | "acknowledge"
  | "touch"
  | "flush"
  | "flush_all"
  | "pause"
  | "resume"
  | "stats"
  | "stats queue"
  | "stats queues"
  | "stats settings"
  | "stats reset"
  | "dump_stats"
  | "dump_stats queue"
  | "status"
  | "reload"
  | "shutdown"
  | "flush_expired"
  | "flush_all_expired"
  | "version"
  | "verbosity"
  | "noop"
  | "db_checkpoint"
  | "db_archive"
  | "authenticate"
  | "mechanisms"
  | "quit"
  | "error"
  | "error set";

/** What is done to single messages: see the operations of these kinds. */
export type SingleKind = "give back" | "remove" | "return" | "return all";

/** Which replies a client wants: all; messages, errors and what is unusual; or none at all. */
export type Wanted = "all" | "quiet" | "none";

/**
 * One request, in whatever dialect. A decoder fills `input.request`; the engine then takes that record, and puts
 * another one in its place. The record stays valid until the engine uses it again. Only the fields that belong to `kind`
 * mean anything; those that the reply needs as well are in {@link ReplyContext}.
 */
export interface Request extends ReplyContext {
  kind: RequestKind;
  /** The dialect of the request, and so of its reply. */
  encoder: Encoder;
  wanted: Wanted;
  /** get: the keys, when there are too many for `keys`. */
  keyTable: KeyTable | undefined;
  /** set, authenticate: the body is the bytes of `body` from `bodyStart` up to `bodyEnd`; `body` may be a chunk of the input. */
  body: Buffer;
  /** set: `body` holds nothing but this body, and may be kept as it is. */
  bodyAlone: boolean;
  /** set: the time as it was sent, in seconds; 0 is never. */
  exptime: number;
  /** set: what is said after the queue's name, if anything is. */
  options: SetOptions | undefined;
  /** verbosity: the level. */
  level: number;
  /** pause: how long; 0 is until the queue is resumed. */
  seconds: number;
  /** acknowledge, touch: the number of the lease. Of a {@link SingleKind}: that of the message or its delivery. */
  number: number;
  /** get: a lease of so many milliseconds is taken, 0 is none. touch: the same; 0 is back now, -1 to the dead letters. */
  leaseMs: number;
  /** error: what kind of error, and the reason in words for the client. */
  error: ErrorKind;
  reason: string;
  /** The request as it came, without its body; written only if the input keeps lines for the log. */
  line: string;
  /** error: where the next request starts is not known, so the connection ends after the reply. */
  fatal: boolean;
}

/** Up to this many keys are a list; more take less memory as a table. */
export const MOST_LISTED = 16;
const SLASH = 47;

export function newRequest(): Request {
  return {
    kind: "error",
    encoder: text,
    wanted: "all",
    name: "",
    keys: [],
    keyTable: undefined,
    numbered: false,
    withBody: true,
    flags: 0,
    body: NOTHING,
    bodyStart: 0,
    bodyEnd: 0,
    bodyAlone: false,
    exptime: 0,
    options: undefined,
    level: 0,
    seconds: 0,
    number: 0,
    leaseMs: 0,
    tokens: [],
    opcode: 0,
    opaque: 0,
    error: "unknown command",
    reason: "",
    line: "",
    fatal: false,
  };
}

/** How many keys a get has. */
export function keyCount(request: Request): number {
  return request.keyTable === undefined ? request.keys.length : request.keyTable.starts.length;
}

/** Key number `index` of a get, counted from 0. */
export function keyOf(request: Request, index: number): Key {
  const { keyTable } = request;
  return keyTable === undefined ? (request.keys[index] as Key) : keyInTable(keyTable, index);
}

/** How many bytes a long list of keys takes; 0 for a short one. */
export function keyMemory({ keyTable }: Request): number {
  return keyTable === undefined ? 0 : keyTable.bytes.length + keyTable.starts.byteLength;
}

export function accept(request: Request, kind: RequestKind): true {
  request.kind = kind;
  return true;
}

/** Accepts a get of one key. */
export function acceptKey(request: Request, key: Key): true {
  request.keys.length = 1;
  request.keys[0] = key;
  request.keyTable = undefined;
  request.name = key.queue;
  return accept(request, key.action === "move all" ? "move all" : "get");
}

/** Takes the key as the name of a queue. @returns what is wrong with it, in words for the client */
export function setName(request: Request, key: Key): string | undefined {
  const problem = nameProblem(key);
  // A wrong name may be as long as a line.
  request.name = problem === undefined ? key.queue : "";
  return problem;
}

/**
 * Takes the bytes of `buffer` from `start` up to `end` as what a set names: `<queue>[/<option>…]`.
 * @returns what is wrong with it, in words for the client
 */
export function setTarget(
  request: Request,
  buffer: Buffer,
  start: number,
  end: number,
): string | undefined {
  let slash = start;
  while (slash < end && buffer[slash] !== SLASH) slash++;
  request.options = undefined;
  const problem = setName(request, keyAt(buffer, start, slash));
  if (slash === end) return problem;
  const options = parseSetOptions(buffer.toString("latin1", slash + 1, end));
  if (typeof options === "string") return options;
  request.options = options;
  return problem;
}

/** @param reason in words for the client */
export function refuse(request: Request, error: ErrorKind, reason: string, fatal = false): true {
  request.kind = "error";
  request.error = error;
  request.reason = reason;
  request.fatal = fatal;
  // An error repeats no tokens, and a token may be as long as a line.
  if (request.tokens.length > 0) request.tokens = [];
  return true;
}

export function refuseUnknown(request: Request): true {
  return refuse(request, "unknown command", "");
}

/** @param reason in words for the client */
export function refuseBad(request: Request, reason: string): true {
  return refuse(request, "bad request", reason);
}

/** Frees a body once it is stored, so that an idle connection has no memory for it. */
export function forgetBody(request: Request): void {
  request.body = NOTHING;
}
