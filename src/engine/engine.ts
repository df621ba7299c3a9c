import type { Bytes } from "../protocol/buffer.ts";
import type { Input } from "../protocol/input.ts";
import type { Request } from "../protocol/request.ts";
import type { Backend } from "../queues/backend.ts";
import type { Consumer, Operation, Taker } from "../queues/operation.ts";
import type { Access } from "./access/access.ts";
import type { Account } from "./access/account.ts";
import type { Target } from "./either.ts";
import type { Runtime, Settings } from "./runtime.ts";
import type { Stats } from "./stats.ts";
import type { Traffic, TrafficTable } from "./traffic.ts";

/*
 * All structures of the engine. What happens to a request:
 *
 *     bytes --> session.input --gather--> engine.gathering --close--> engine.closed --backend--> outcomes --reply--> sink
 *
 *   gather   (gather.ts)  a session's requests become operations of the gathering group, in order of arrival
 *   close    (turn.ts)    the group is closed, and the backend executes it as one transaction
 *   reply    (turn.ts)    each outcome becomes bytes, in order, then one write a client
 *
 * Where to find the rest, in this folder:
 *
 *   commands.ts        what each kind of request adds to the group, and how its outcome is replied
 *   group_closing.ts   the decision when a group is closed, and so committed
 *   disconnect.ts      what a disconnect does to a client's operations and open messages
 *   authenticate.ts    how a client proves a name; access/ has the accounts, their checks, and the rights of requests
 *   waiters.ts         how a wait for a message begins and ends
 *   commits.ts         the histograms of commits
 *   clockwork.ts       when delayed messages and leases are due
 *
 * and in others, by their names in src/:
 *
 *   queues/local/failed_commit.ts   what a failed commit answers
 *   store/vacuum.ts                 giving disk space back (store/removal.ts removes the rows of taken messages)
 *   store/directory.ts              the lock of a data directory
 *   net/backpressure.ts             the bound on unsent replies of all clients
 *   protocol/meta/decoder.ts        the parsing of `ms` and the other meta commands
 *   config/environment.ts           the names of environment variables
 */

export interface Engine {
  settings: Settings;
  runtime: Runtime;
  backend: Backend;
  stats: Stats;
  /** What single clients have set and got. */
  traffic: TrafficTable;
  /** Undefined where all clients may do everything. */
  access: Access | undefined;
  sessions: Set<Session>;
  /** Sessions that wait for a message, by the names of the queues. */
  waiters: Map<string, Line>;
  /** The group that operations are added to. */
  gathering: Group;
  /** The group that is being executed; a part of it may be done. */
  closed: Group;
  /** The backend has not answered yet. */
  executing: boolean;
  /** Sessions that have more to add than the group took. */
  runnable: Set<Session>;
  /** Queues that sessions wait for and that have messages again, and how many. */
  ready: Map<string, number>;
  /** Sessions whose clients are gone, and of which the operations that were executed last have been postponed. */
  gone: Set<Session>;
  /** Replies are written here, a group's at a time. */
  output: Bytes;
  run: Run;
  /** Records of answered requests, for later ones: see records.ts. */
  records: Request[];
  due: DueTimer;
  operator: Operator;
  /** The server is about to end: messages that go back now were not delivered in vain. */
  stopping: boolean;
  /** A turn was asked for. */
  scheduled: boolean;
  /** When the gathering group began, and how long the last commit took, in milliseconds. */
  begunAt: number;
  /** A full group was closed since the turn was asked for. */
  closedFull: boolean;
  commitMs: number;
  /** How long the commit of the last execution took, in milliseconds; undefined when it wrote nothing. */
  wroteMs: number | undefined;
  /** Asks for a turn: the gathering group is closed soon. */
  requestTurn: () => void;
}

/** The timer for what the queues do by the clock: see clockwork.ts. */
export interface DueTimer {
  /** When it fires, on the monotonic clock; Infinity when it is not set. */
  at: number;
  cancel: () => void;
  /** It has fired. */
  isAsked: boolean;
}

/** What clients may ask of the process; undefined is nothing. */
export interface Operator {
  /** Reads its files again. */
  reload: (() => void) | undefined;
  /** Ends it. */
  shutdown: (() => void) | undefined;
}

/** One client's state. */
export interface Session extends Taker {
  /** For the log; 0 for a client without a connection. */
  id: number;
  engine: Engine;
  sink: Sink;
  input: Input;
  consumer: Consumer;
  /** What it has authenticated as; undefined where everything is allowed without. */
  account: Account | undefined;
  /** Where its messages are counted. */
  traffic: Traffic;
  /** Set while its name and secret are checked: nothing more is read. Called to give that up. */
  cancelCheck: (() => void) | undefined;
  /** Where the client is, in words for the log. */
  address: () => string;
  /** Only a client with a connection can wait for messages, and have messages open. */
  hasConnection: boolean;
  /**
   * open: requests are read. ending: no more are read, and replies to earlier ones are still to come. answered: all
   * replies were made. closed: the client has disconnected.
   */
  phase: "open" | "ending" | "answered" | "closed";
  /** The client sends nothing more: its gets do not wait. */
  inputEnded: boolean;
  /** Without a connection: bytes of the last request that was read, and those before the next that count with it. */
  requestBytes: number;
  headerBytes: number;
  /** Work of its operations that are not replied to yet, see weights.ts, and how many there are. */
  load: number;
  pending: number;
  /** The request that is executed in parts, or waits for a message; nothing more is read before it is answered. */
  current: Request | undefined;
  /** A part of it is in a group. */
  stepping: boolean;
  /** Requests that were read and postponed: they come before all that is read next. */
  deferred: Deferred[];
  /** How many of these were postponed since all its operations were replied to. */
  postponedNow: number;
  /** get: the place of the next key to add. */
  nextKey: number;
  /** list, flush all: where the next part begins. */
  cursor: unknown;
  /** list, without a connection: the reply so far. */
  draft: Buffer | undefined;
  /** get: a message was found for the request that is being replied to. */
  found: boolean;
  /** get: why the request that is being replied to does not go on to its end. */
  verdict: "" | "over" | "no room" | "wait";
  wait: Wait | undefined;
  /** get: when its wait ends, while the message that it waited for waits for room. */
  waitEnds: number | undefined;
}

/** A request that was postponed, from its key number `from` on. */
export interface Deferred {
  request: Request;
  from: number;
}

/** A session waits for a message of a queue, or of any of several. */
export interface Wait {
  targets: readonly Target[];
  /** Their names. */
  queues: readonly string[];
  /** On the monotonic clock. */
  until: number;
  /** An operation that may bring it a message is in this group; undefined: in none. */
  offered: Group | undefined;
  /** Its time is over: the next reply is the last. */
  expired: boolean;
  cancelTimer: () => void;
}

/** The sessions that wait for messages of one queue, the first one in front. */
export interface Line {
  sessions: Set<Session>;
  /** Goes through sessions without an offer; undefined: from the start. */
  unoffered: Iterator<Session> | undefined;
}

/** Where a session's replies go. */
export interface Sink {
  /** The client's address, in words for people. */
  client(): string;
  /**
   * Sends bytes, now or as soon as it can. Unless they are `stable`, they change after the call.
   * @returns false when it is certain that none of them will arrive
   */
  send(bytes: Buffer, start: number, end: number, stable: boolean): boolean;
  /** How many bytes a reply may have; Infinity where any length is fine. */
  room(): number;
  /** The session adds nothing before it is resumed. */
  blocked: boolean;
  /** Room for replies is short, so that {@link room} counts. All clients of a kind share it. */
  pressure: Pressure;
  /** The next part of the reply is larger than the room: the sink resumes the session when there is more. */
  awaitRoom(): void;
  /** The session has decoded its input as far as it can for now. */
  gathered(): void;
  /** All replies were sent, and there will be no more. */
  end(): void;
}

export interface Pressure {
  outputFull: boolean;
}

/** Consecutive replies to one client in the output: they are one write. */
export interface Run {
  session: Session | undefined;
  /** Where in the output they start. */
  start: number;
  /** Number of their first entry in the group. */
  first: number;
}

/** Operations in order of arrival; the records of operations are used again. */
export interface Group {
  entries: Entry[];
  count: number;
  /** So many of them are executed and replied to. */
  done: number;
  /** Bytes of bodies in it. */
  bytes: number;
  /** How many of its operations may change something. */
  changes: number;
  /** Queues of its gets that wait when there is no message: messages may come behind them in the group. */
  sought: Set<string>;
  /** Received bytes that its bodies lie in, which are released when it is done. */
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
