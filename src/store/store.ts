import type { Histogram } from "../util/histogram.ts";
import type {
  Batch,
  DelayedMessage,
  LeaseTerm,
  NamedQueue,
  Position,
  StoredIds,
  StoredSegment,
} from "./batch.ts";

/** A queue as the store has it. */
export interface StoredQueue extends NamedQueue, Position {
  /** Numbers of the messages that are open or were put back, ascending. Queues without any share one empty array. */
  held: number[];
  /** Until when it is paused: see `Pause` in batch.ts. */
  paused?: number | undefined;
  /** Its bytes are too high, and must be counted again. */
  recount?: true | undefined;
  /** When the message that was set last expires, in milliseconds since 1970; 0 is never, undefined: none ever has. */
  expires?: number | undefined;
  /** Undefined when no message of the queue is leased, waits for its time or was delivered before. */
  delivery?: StoredDelivery | undefined;
}

/** What is known of the deliveries of a queue's messages. */
export interface StoredDelivery {
  /** How often each of the messages in `held` was delivered, where that is not 0. */
  deliveries: Map<number, number>;
  leases: StoredLease[];
  /** How many messages wait for their time, and how many of these are not below the head. */
  delayed: number;
  ahead: number;
}

/** A message that is leased. */
export interface StoredLease extends LeaseTerm {
  number: number;
  /** The lease included. */
  deliveries: number;
}

/** A message that is due; the name is empty when its queue was deleted. */
export interface DueMessage extends DelayedMessage {
  name: string;
}

/** Where a message came from: the queue, its number there, and why. */
export interface Moved {
  origin: string;
  number: number;
  reason: string;
}

/** A delayed message of a queue, whether its time has come or not. */
export interface WaitingMessage {
  number: number;
  /** In milliseconds since 1970. */
  due: number;
  deliveries: number;
}

/** A place in the order of all delayed messages: by due time, then by queue and number. */
export type DuePlace = Pick<DelayedMessage, "due" | "queue" | "number">;

/** The sizes of the files in bytes, and the free pages of the database, each of `pageSize` bytes. */
export interface Extent {
  database: number;
  log: number;
  pageSize: number;
  freePages: number;
  /** What the file system has left. */
  available: number;
}

/** Bytes of bodies, and the number of the message to go on with: 0 when there is no more. */
export interface Measure {
  bytes: number;
  next: number;
}

/** passive: as much of the log as is possible without waiting. full: all. truncate: all, and its file is emptied. */
export type Checkpoint = "passive" | "full" | "truncate";

/** What is known about a commit that failed. */
export type Outcome = "nothing happened" | "unknown";

/**
 * Where queues outlive the process. A batch goes in, results come out; how they are stored is hidden behind this
 * interface. All functions but `close` throw a {@link StoreError} when the store fails.
 */
export interface Store {
  /** All queues. */
  queues(): StoredQueue[];
  /** An id that no queue has, or undefined when there are as many queues as the store can hold. */
  newQueueId(): number | undefined;
  /**
   * Commits the batch; with the option `sync` it is on disk before this returns. It also removes segments whose messages
   * are all gone, but none with a message that this batch takes.
   * @throws StoreError whose `outcome` says whether {@link Store.recover} must be called
   */
  commit(batch: Batch): void;
  /**
   * Consecutive segments of a queue, from the one that holds message `from` on or, when that is missing, from the next
   * one: as many as take `bytes` bytes, and at least one unless there is none. Each takes {@link ROW_BYTES} beside its
   * body. A segment that cannot be decoded counts as missing.
   */
  read(queue: number, from: number, bytes: number): StoredSegment[];
  /**
   * The bytes of the bodies of at most `rows` segments that begin at message `from` or later, from the rows' headers
   * alone: a segment of which only the body is damaged counts.
   */
  measure(queue: number, from: number, rows: number): Measure;
  /** Numbers of leased messages of the queue from `from` on, ascending, at most `most`. */
  leasedFrom(queue: number, from: number, most: number): number[];
  /** Delayed messages of all queues behind `after` that are due up to `until`, the earliest first, at most `most`. */
  due(after: DuePlace, until: number, most: number): DueMessage[];
  /** When the first delayed message behind `after` is due; undefined when there is none. */
  nextDue(after: DuePlace): number | undefined;
  /** Numbers of delayed messages of the queue from `from` on, ascending, at most `most`. */
  delayedFrom(queue: number, from: number, most: number): number[];
  /** The same, with what is known of them. */
  waitingFrom(queue: number, from: number, most: number): WaitingMessage[];
  /**
   * The first number from `from` on that is not a delayed message's. When it is `most` numbers or more behind `from`, it may
   * be any number up to which all are, and that is as far behind.
   */
  firstFree(queue: number, from: number, most?: number): number;
  /** Where the message came from, and why; undefined when it was set in this queue. */
  moved(queue: number, number: number): Moved | undefined;
  /** When the message was committed, in milliseconds since 1970; undefined when it is not in the store. */
  arrived(queue: number, number: number): number | undefined;
  /** When the message expires, in milliseconds since 1970; 0 is never. */
  expires(queue: number, number: number): number;
  /** Visits all rows of ids, in the order in which they were committed. Their bytes are good for the time of the call. */
  eachIds(visit: (row: StoredIds) => void): void;
  /** Keeps the log short. Call it after each commit; most of the time it costs almost nothing. */
  autoCheckpoint(): void;
  /**
   * Does some of the work that can wait, such as removing the segments of taken messages: true while there is more. Do
   * not call it between a commit that takes messages and the next, which may put some of them back.
   */
  maintain(): boolean;
  /** Brings the log into the database file. */
  checkpoint(how: Checkpoint): void;
  /**
   * Call it after an error whose outcome is unknown, again and again until it does not throw: no commit is accepted
   * before. Afterwards {@link Store.queues} says what is in the file.
   */
  recover(): void;
  /** How long each wait for the disk at the end of a commit took, in seconds; empty when commits don't wait. */
  syncs: Histogram;
  /** Tests whether a commit is possible, with one that changes nothing. */
  probe(): void;
  /** The space that it takes on disk. */
  extent(): Extent;
  /** How much of the log is in the database file already, in percent. */
  checkpointed(): number;
  close(): void;
}

/** Bytes that a read segment counts beside its body, so that not all empty ones are read at once. */
export const ROW_BYTES = 64;

/** The store failed; the message says why, in words for the client. */
export class StoreError extends Error {
  /** Whether the changes may be on disk nevertheless. */
  readonly outcome: Outcome;

  constructor(message: string, outcome: Outcome = "nothing happened") {
    super(outcome === "unknown" ? `${message}, outcome unknown` : message);
    this.outcome = outcome;
  }
}
