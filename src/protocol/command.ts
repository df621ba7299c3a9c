import type { Dialect } from "./dialect.ts";
import { type Key, nameProblem, unpackKeys } from "./key.ts";
import type { Refusal } from "./refusal.ts";
import { text } from "./text/reply.ts";

/**
 * What a client asks for. `refused` is a request that is answered without asking any queue, `refused set` one whose
 * body arrived and has a wrong end.
 */
export type CommandKind =
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
export type Wanted = "all" | "unusual" | "none";

/**
 * One request, whatever the dialect. Each input has one record of it and fills it anew for every request, so what must
 * outlive the request is copied out. Only the fields that belong to `kind` mean anything.
 */
export interface Command {
  kind: CommandKind;
  /** What the request came in, and is answered in. */
  dialect: Dialect;
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
  refusal: Refusal;
  reason: string;
  /** The request as it came, without a body, kept only for the log. */
  line: string;
  /** refused: the connection is out of step for good, and ends after the answer. */
  fatal: boolean;
}

const NOTHING = Buffer.alloc(0);
/** Keys up to this many are kept as a list by a connection that is idle or stalled. */
export const FEW_KEYS = 16;

export function newCommand(): Command {
  return {
    kind: "refused",
    dialect: text,
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

export function accept(command: Command, kind: CommandKind): true {
  command.kind = kind;
  return true;
}

/** Takes the key as the name of a queue. @returns what speaks against it, in words for the client */
export function setName(command: Command, key: Key): string | undefined {
  const problem = nameProblem(key);
  // What is no name may be as long as a line.
  command.name = problem === undefined ? key.queue : "";
  return problem;
}

/** @param reason in words for the client */
export function refuse(command: Command, refusal: Refusal, reason: string, fatal = false): true {
  command.kind = "refused";
  command.refusal = refusal;
  command.reason = reason;
  command.fatal = fatal;
  // Nothing comes back with an error, and a token may be as long as a line.
  if (command.tokens.length > 0) command.tokens = [];
  return true;
}

export function refuseUnknown(command: Command): true {
  return refuse(command, "unknown command", "");
}

/** @param reason in words for the client */
export function refuseBad(command: Command, reason: string): true {
  return refuse(command, "bad request", reason);
}

/** Lets go of keys that are dealt with, when there are many: an idle connection holds no memory for them. */
export function forgetKeys(command: Command): void {
  if (command.keys.length > FEW_KEYS) command.keys = [];
}

/** The next few of the later keys, as a list; none when all are dealt with. */
export function nextKeys(command: Command): Key[] {
  const keys = unpackKeys(command.later, command.laterAt, FEW_KEYS);
  for (const { text } of keys) command.laterAt += text.length + 1;
  if (command.laterAt >= command.later.length) forgetLater(command);
  return keys;
}

export function forgetLater(command: Command): void {
  command.later = NOTHING;
  command.laterAt = 0;
}

/** Lets go of a body that is dealt with, so that an idle connection holds no memory for it. */
export function forgetBody(command: Command): void {
  command.body = NOTHING;
}
