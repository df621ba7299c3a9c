import type { Key } from "./key.ts";

/**
 * What a client asks for. `refused` is a request that is answered without asking any queue, `refused set` one whose
 * body arrived and has a wrong end.
 */
export type CommandKind =
  | "set"
  | "get"
  | "gets"
  | "delete"
  | "flush"
  | "flush_all"
  | "stats"
  | "stats queue"
  | "stats queues"
  | "stats reset"
  | "version"
  | "verbosity"
  | "db_checkpoint"
  | "db_archive"
  | "quit"
  | "refused"
  | "refused set";

/**
 * One request. Each parser has one record of it and fills it anew for every request, so what must outlive the
 * request is copied out. Only the fields that belong to `kind` mean anything.
 */
export interface Command {
  kind: CommandKind;
  /** set, delete, flush, stats queue: the queue. A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** get, gets: what to take, in the order asked for. */
  keys: Key[];
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
  /** No answer is wanted. */
  noreply: boolean;
  /** refused: the line to answer with, without its end. */
  answer: string;
  /** The line as it came, kept only for the log. */
  line: string;
  /** refused: the connection is out of step for good, and ends after the answer. */
  fatal: boolean;
}

const NOTHING = Buffer.alloc(0);
const FEW_KEYS = 16;

export function newCommand(): Command {
  return {
    kind: "refused",
    name: "",
    keys: [],
    flags: 0,
    body: NOTHING,
    bodyStart: 0,
    bodyEnd: 0,
    bodyAlone: false,
    level: 0,
    noreply: false,
    answer: "",
    line: "",
    fatal: false,
  };
}

/** Lets go of keys that are dealt with, when there are many: an idle connection holds no memory for them. */
export function forgetKeys(command: Command): void {
  if (command.keys.length > FEW_KEYS) command.keys = [];
}

/** Lets go of a body that is dealt with, so that an idle connection holds no memory for it. */
export function forgetBody(command: Command): void {
  command.body = NOTHING;
}
