import type { QueueRule } from "../config/queue_settings.ts";
import type { Histogram } from "../util/histogram.ts";
import type { Consumer, Operation } from "./operation.ts";
import type { FoundSettings } from "./settings.ts";
import type { HeldMessages, MessagePreview, QueueSummary } from "./summary.ts";

/**
 * What keeps the queues. The engine gives it groups of operations to execute. A backend that answers at once (SQLite,
 * in `local/`) returns values, one that answers later promises of them. The engine has the next group executed, or what is
 * due done, only after the answer, and gathers meanwhile. All else may be asked at any time.
 */
export interface Backend {
  /**
   * Makes the consumer of a client: it has no message open.
   * @param client tells the client's address, in words for people
   */
  newConsumer(client?: () => string): Consumer;
  /**
   * Executes operations from number `from` up to `to`, in order, as one transaction: as many as its budget of time and
   * bytes allows, and at least one. Each executed operation then has its outcome, which is on disk (unless `-N`). When
   * the transaction fails, no change happened, and each operation that saw or made a change has failed. (After a failed
   * sync it is unknown what happened, and the error says so.)
   * @returns how many were executed
   */
  execute(operations: readonly Operation[], from: number, to: number): number | Promise<number>;
  /** When {@link Backend.doDue} has something to do next, on the monotonic clock; Infinity when it has nothing. */
  nextDue(): number;
  /** Lets messages be delivered whose time has come. Call it between two groups. @throws BackendError */
  doDue(): Later<void>;
  /**
   * The queues in portions, oldest first, each as it is at the moment when it is read.
   * @param names only these, in this order, as far as they are there
   */
  summaries(names?: readonly string[]): Portions<QueueSummary>;
  /** Undefined when there is no such queue. */
  summary(name: string): Later<QueueSummary | undefined>;
  /**
   * When the oldest message of the queue was committed, in milliseconds since 1970; 0 when there is none. For queues whose
   * summary does not tell it.
   * @throws BackendError when it cannot be read
   */
  oldestArrival(name: string): Later<number>;
  /**
   * The oldest messages of the queue, open, leased and delayed ones too, without taking them; undefined when there is no such queue.
   * @param most how many, and of each body how many bytes
   * @param after only messages with a higher number than this
   * @throws BackendError when they cannot be read
   */
  previews(
    name: string,
    most: { messages: number; bytes: number },
    after?: number,
  ): Later<MessagePreview[] | undefined>;
  /**
   * The open, leased and delayed messages of the queue, up to so many of each: those that were delivered first, or are the
   * oldest. None when there is no such queue.
   * @throws BackendError when delayed ones cannot be read
   */
  heldMessages(name: string, most: number): Later<HeldMessages>;
  /** From now on these rules hold, for queues that are there, too. */
  setRules(rules: readonly QueueRule[]): void;
  /** What holds for a queue of this name, whether there is one or not. */
  settings(name: string): FoundSettings;
  /** As far as it is known without a look. It is exact behind a group with the first part of a survey. */
  usage(): Usage;
  /** Undefined when the messages are not on a disk of this machine. @throws BackendError when the files cannot be examined */
  disk(): DiskUsage | undefined;
  /** What the backend measures of itself. */
  measures(): readonly Measure[];
  /** How long each commit waited for the disk, in seconds; empty when commits don't wait. */
  syncs: Histogram;
  /** Called when the replies of a group were sent: does what would have delayed them, such as a short checkpoint. */
  afterReply(): void;
  /** Commits something that changes nothing. @throws BackendError when that is not possible */
  probe(): Later<void>;
  /**
   * Why all sets are refused at present, in words for the client, although messages may be taken; undefined when they
   * aren't.
   */
  shortage(): string | undefined;
  /** Does a few milliseconds of the work that can wait. @returns whether there is more @throws BackendError */
  maintain(): Later<boolean>;
  /** Called by timers: `full` by -C, `trickle` by -T with -e. @throws BackendError */
  checkpoint(how: "full" | "trickle"): void;
  /** Closes the queues. What was answered is kept. */
  close(): Later<void>;
}

/** A value at once, or a promise of it, which is rejected with what would be thrown. */
export type Later<T> = T | Promise<T>;

/** For `for await`: what comes together is one portion. */
export type Portions<T> = Iterable<Iterable<T>> | AsyncIterable<Iterable<T>>;

/** A metric of the backend, by its name in /metrics. */
export type Measure = { name: string; help: string } & (
  { kind: "counter" | "gauge"; value: number } | { kind: "histogram"; value: Histogram }
);

/** What the backend tells the engine. */
export interface Watcher {
  /** A group was committed, and something was written: the commit took so many milliseconds. */
  committed(milliseconds: number): void;
  /** A commit failed. @param reason in words for the client */
  failed(reason: string): void;
  /** Whether a client waits for a message of the queue. */
  isAwaited(queue: string): boolean;
  /** So many messages of a queue that clients wait for can be taken. May be called at any time. */
  ready(queue: string, messages: number): void;
}

/** What the queues take, in bytes unless said otherwise. */
export interface Usage {
  /** How many queues there are. */
  queues: number;
  /** Bodies of all messages. */
  bytes: number;
  /** How many messages there are, and how many were ever set in these queues. As of the last commit. */
  messages: number;
  sets: number;
  /** Messages in memory, and what they may take. */
  cached: number;
  cacheLimit: number;
  /** Messages that could not be read and were skipped, since the start. */
  lost: number;
}

/** What the queues take on disk, in bytes unless said otherwise. */
export interface DiskUsage {
  database: number;
  log: number;
  pageSize: number;
  /** Pages of the database that are free. */
  freePages: number;
  /** What the file system has left. */
  available: number;
  /** How much of the log is in the database already, in percent. */
  checkpointed: number;
}

/** Why the queues could not do something, in words for the client. */
export class BackendError extends Error {}
