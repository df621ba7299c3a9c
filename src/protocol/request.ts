import type { ErrorKind } from "./errors.ts";
import { type Key, nameProblem, unpackKeys } from "./key.ts";
import type { Encoder } from "./reply.ts";
import { text } from "./text/encoder.ts";

/**
 * What a client asks for. `refused` is a request that is answered without asking any queue, `refused set` one whose
 * body arrived and has a wrong end.
 */
export type RequestKind =
  | "set"
  | "get"
  | "delete"
  | "flush"
  | "flush_all"
  | "stats"
  | "stats queue"
  | "stats queues"
  | "stats reset"
  | "version"
  | "verbosity"
  | "noop"
  | "db_checkpoint"
  | "db_archive"
  | "quit"
  | "refused"
  | "refused set";

/** Which answers a client wants: all; those that tell of something unusual; none, whatever happens. */
export type Wanted = "all" | "quiet" | "none";

/**
 * One request, whatever the dialect. Each input has one record of it and fills it anew for every request, so what must
 * outlive the request is copied out. Only the fields that belong to `kind` mean anything.
 */
export interface Request {
  kind: RequestKind;
  /** What the request came in, and is answered in. */
  encoder: Encoder;
  wanted: Wanted;
  /** set, delete, flush, stats queue: the queue. A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** get: what to take, in the order asked for. */
  keys: Key[];
  /** get: the keys behind those that are being answered, packed, when it goes on in parts; the next is at `laterAt`. */
  later: Buffer;
  laterAt: number;
  /** get, set: the message's own number is asked for. */
  numbered: boolean;
  /** get: the body is asked for, not only what there is to say about the message. */
  withBody: boolean;
  /** set: an unsigned 32-bit number that comes back with the message. */
  flags: number;
  /** set: the body is the bytes of `body` from `bodyStart` up to `bodyEnd`. */
  body: Buffer;
  bodyStart: number;
  bodyEnd: number;
  /** set: `body` holds this body and nothing else, and may be kept as it is. */
  bodyAlone: boolean;
  /** verbosity: the level. */
  level: number;
  /** meta: what is to come back with the answer, in this order: f, s, t, c to be filled in, all else as it is. */
  tokens: string[];
  /** binary: what is to come back with the answer. */
  opcode: number;
  opaque: number;
  /** refused: why, and in words for the client. */
  refusal: ErrorKind;
  reason: string;
  /** The request as it came, without a body, kept only for the log. */
  line: string;
  /** refused: the connection is out of step for good, and ends after the answer. */
  fatal: boolean;
}

const NOTHING = Buffer.alloc(0);
/** Keys up to this many are kept as a list by a connection that is idle or stalled. */
export const FEW_KEYS = 16;

export function newRequest(): Request {
  return {
    kind: "refused",
    encoder: text,
    wanted: "all",
    name: "",
    keys: [],
    later: NOTHING,
    laterAt: 0,
    numbered: false,
    withBody: true,
    flags: 0,
    body: NOTHING,
    bodyStart: 0,
    bodyEnd: 0,
    bodyAlone: false,
    level: 0,
    tokens: [],
    opcode: 0,
    opaque: 0,
    refusal: "unknown command",
    reason: "",
    line: "",
    fatal: false,
  };
}

export function accept(request: Request, kind: RequestKind): true {
  request.kind = kind;
  return true;
}

/** Takes the key as the name of a queue. @returns what speaks against it, in words for the client */
export function setName(request: Request, key: Key): string | undefined {
  const problem = nameProblem(key);
  // What is no name may be as long as a line.
  request.name = problem === undefined ? key.queue : "";
  return problem;
}

/** @param reason in words for the client */
export function refuse(request: Request, refusal: ErrorKind, reason: string, fatal = false): true {
  request.kind = "refused";
  request.refusal = refusal;
  request.reason = reason;
  request.fatal = fatal;
  // Nothing comes back with an error, and a token may be as long as a line.
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

/** Lets go of keys that are dealt with, when there are many: an idle connection holds no memory for them. */
export function forgetKeys(request: Request): void {
  if (request.keys.length > FEW_KEYS) request.keys = [];
}

/** The next few of the later keys, as a list; none when all are dealt with. */
export function nextKeys(request: Request): Key[] {
  const keys = unpackKeys(request.later, request.laterAt, FEW_KEYS);
  for (const { text } of keys) request.laterAt += text.length + 1;
  if (request.laterAt >= request.later.length) forgetLater(request);
  return keys;
}

export function forgetLater(request: Request): void {
  request.later = NOTHING;
  request.laterAt = 0;
}

/** Lets go of a body that is dealt with, so that an idle connection holds no memory for it. */
export function forgetBody(request: Request): void {
  request.body = NOTHING;
}
