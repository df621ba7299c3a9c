import type { Bytes } from "../protocol/buffer.ts";
import type { Input } from "../protocol/input.ts";
import type { Key } from "../protocol/key.ts";
import type { Request } from "../protocol/request.ts";
import type { Backend } from "../queues/backend.ts";
import type { Consumer, Operation, Taker } from "../queues/operation.ts";
import type { Runtime, Settings } from "./runtime.ts";
import type { Stats } from "./stats.ts";

/*
 * All structures of the engine. What happens to a request:
 *
 *     bytes --> session.input --gather--> engine.gathering --close--> engine.closed --backend--> outcomes --reply--> sink
 *
 *   gather   (gather.ts)  a session's requests become operations of the group that gathers, in order of arrival
 *   close    (turn.ts)    the group is closed, and the backend executes it as one transaction
 *   reply    (turn.ts)    each outcome becomes bytes, in order, then one write a client
 *
 * What each kind of request adds to the group, and how its outcome is told, is in commands.ts. What a client's end does to
 * its operations and its open messages is in disconnect.ts, and how a wait for a message ends in waiters.ts.
 */

export interface Engine {
  settings: Settings;
  runtime: Runtime;
  backend: Backend;
  stats: Stats;
  sessions: Set<Session>;
  /** Sessions that wait for a message, by the names of the queues. */
  waiters: Map<string, Line>;
  /** The group that operations are added to. */
  gathering: Group;
  /** The group that is being executed; a part of it may be done. */
  closed: Group;
  /** The backend has not answered yet. */
  executing: boolean;
  /** Sessions that have more to add than a group takes of one session, or at all. */
  runnable: Set<Session>;
  /** Awaited queues that have messages, and how many. */
  ready: Map<string, number>;
  /** Replies are written here, a group's at a time. */
  output: Bytes;
  run: Run;
  /** Requests that are answered, to be filled anew. */
  records: Request[];
  /** The end of the turn is asked for. */
  scheduled: boolean;
  /** When the group that gathers began, and how long the last commit took, in milliseconds. */
  begunAt: number;
  commitMs: number;
  /** What the last execution wrote: a commit took so long; undefined: nothing was written. */
  wroteMs: number | undefined;
  /** When a failure was last logged, on the monotonic clock. */
  failureLoggedAt: number;
  /** Asks for a turn: what was gathered is closed soon. */
  requestTurn: () => void;
}

/** One client's state. */
export interface Session extends Taker {
  /** For the log; 0 for a client without a connection. */
  id: number;
  engine: Engine;
  sink: Sink;
  input: Input;
  consumer: Consumer;
  /** Only over a connection a client can wait, and have messages open. */
  hasConnection: boolean;
  /**
   * Requests are read; no more are read, and the replies to earlier ones are still to come; all are made; the client is
   * gone.
   */
  phase: "open" | "ending" | "answered" | "closed";
  /** The client sends nothing more: it is not kept waiting. */
  inputEnded: boolean;
  /** Without a connection: bytes of the request that was read last, and those that count to the next one beside it. */
  requestBytes: number;
  headerBytes: number;
  /** Work of its operations that are not replied to yet, as commands.ts weighs it, and how many there are. */
  load: number;
  pending: number;
  /** The request that goes on in parts, or waits; nothing further is read before it is answered. */
  current: Request | undefined;
  /** A part of it is on its way. */
  stepping: boolean;
  /** Requests that were read, and come before what is read next. */
  deferred: Deferred[];
  /** How many of these were postponed since all its operations were replied to. */
  postponedNow: number;
  /** get: the next key to be asked for. */
  nextKey: number;
  /** list, flush all: where it goes on. */
  cursor: unknown;
  /** list, without a connection: what was written of the reply so far. */
  draft: Buffer | undefined;
  /** get: a message was found for the request that is being replied to. */
  found: boolean;
  /** get: what the request that is being replied to came to, when it does not go on to its end. */
  verdict: "" | "over" | "no room" | "wait";
  wait: Wait | undefined;
}

/** A request that was postponed, from its key number `from` on. */
export interface Deferred {
  request: Request;
  from: number;
}

/** A session waits for a message of a queue. */
export interface Wait {
  key: Key;
  /** On the monotonic clock. */
  until: number;
  /** An operation that may serve it is on its way. */
  offered: boolean;
  /** Its time is over: the next reply is the last. */
  expired: boolean;
  cancelTimer: () => void;
}

/** The sessions that wait for messages of one queue, the one that came first in front. */
export interface Line {
  sessions: Set<Session>;
  /** Goes through those that nothing is offered to; undefined: from the start. */
  unoffered: Iterator<Session> | undefined;
}

/** Where a session's replies go. */
export interface Sink {
  /**
   * Sends bytes, now or as soon as it can. Unless they are `stable`, they change after the call.
   * @returns false when it is certain that none of them will arrive
   */
  send(bytes: Buffer, start: number, end: number, stable: boolean): boolean;
  /** Bytes that a reply may have; Infinity where any length is fine. */
  room(): number;
  /** The session adds nothing before it is resumed. */
  blocked: boolean;
  /** Room for replies is short, so that {@link room} counts. All clients of a kind share it. */
  pressure: Pressure;
  /** The next part of the reply is larger than the room: the session is to be resumed when there is more. */
  awaitRoom(): void;
  /** The session has looked at its input as far as it can for now. */
  gathered(): void;
  /** All replies were sent, and there will be no more. */
  end(): void;
}

export interface Pressure {
  outputFull: boolean;
}

/** Replies to one client that lie together in the output, and are one write. */
export interface Run {
  session: Session | undefined;
  /** Where in the output they start. */
  start: number;
  /** Number of their first entry in the group. */
  first: number;
}

/** Operations in order of arrival; the records are kept and filled anew. */
export interface Group {
  entries: Entry[];
  count: number;
  /** So many of them are executed and replied to. */
  done: number;
  /** Bytes of bodies in it. */
  bytes: number;
  /** How many of its operations may change something. */
  changes: number;
  /** Queues that its gets ask for which wait when there is no message: messages may come behind them in the group. */
  sought: Set<string>;
  /** Received bytes that its bodies lie in, to be given back when it is done. */
  spent: Buffer[];
}

/** An operation, and the request that it is done for. */
export interface Entry extends Operation {
  session: Session;
  request: Request;
  /** get: the place of the key in the request. */
  keyIndex: number;
  /** The last of its request, or of the part of it that is in the group. */
  last: boolean;
  /** Its share of the session's load. */
  weight: number;
}
