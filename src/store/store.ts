import type { Histogram } from "../util/histogram.ts";
import type { Batch, NamedQueue, Position, StoredSegment } from "./batch.ts";

/** A queue as the store has it. */
export interface StoredQueue extends NamedQueue, Position {
  /** Numbers of the held messages, ascending. Queues without any share one empty array. */
  held: number[];
}

/** Bytes but for the pages, which are of `pageSize` bytes. */
export interface Extent {
  database: number;
  log: number;
  pageSize: number;
  freePages: number;
}

/** Bytes of bodies, and the number to go on with: 0 when there is no more. */
export interface Measure {
  bytes: number;
  next: number;
}

/** How thorough a checkpoint is: what can be done without waiting; all of the log; all, and the log file emptied. */
export type Checkpoint = "passive" | "full" | "truncate";

/** What is known of a commit that failed. */
export type Outcome = "nothing happened" | "unknown";

/**
 * Where queues outlive the process. A batch goes in, results come out; everything else about how it is kept is
 * behind this interface. Every function but `close` throws a {@link StoreError} when the store fails.
 */
export interface Store {
  /** All queues. */
  queues(): StoredQueue[];
  /** An id that no queue has, or undefined when there are as many queues as the store can hold. */
  newQueueId(): number | undefined;
  /**
   * Makes the batch true, on disk unless told otherwise at the start. Segments of which every message is gone are
   * removed on the way, but none with a message that this very batch takes.
   * @throws StoreError whose `outcome` tells whether {@link Store.recover} is due
   */
  commit(batch: Batch): void;
  /**
   * Consecutive segments of a queue: from the one that holds message `from` on, or, when that is missing, from the next
   * one that is there. As many as take `bytes` bytes, and at least one; none when there is none. Each takes
   * {@link ROW_BYTES} beside its body. A segment that cannot be decoded is missing.
   */
  read(queue: number, from: number, bytes: number): StoredSegment[];
  /**
   * The bytes of the bodies of at most `rows` segments that begin at message `from` or later, from the rows' headers
   * alone: a segment of which only the body is damaged counts.
   */
  measure(queue: number, from: number, rows: number): Measure;
  /** When the message was committed, in milliseconds since 1970; undefined when it is not in the store. */
  arrived(queue: number, number: number): number | undefined;
  /** Due after each commit: keeps the log from growing long. Costs next to nothing most of the time. */
  autoCheckpoint(): void;
  /**
   * Does some of the work that can wait, such as removing the segments of taken messages: true while there is more.
   * Not to be called between a commit and the one that puts back what it took.
   */
  maintain(): boolean;
  /** Brings the log into the database file. */
  checkpoint(how: Checkpoint): void;
  /**
   * Due after an error whose outcome is unknown, and again until it does not throw; no commit is accepted before.
   * Afterwards the file says what is so: see {@link Store.queues}.
   */
  recover(): void;
  /** How long each wait for the disk at the end of a commit took, in seconds; empty when commits don't wait. */
  syncs: Histogram;
  /** Commits something that changes nothing, to see whether it can. */
  probe(): void;
  /** What it takes on disk. */
  extent(): Extent;
  /** How much of the log is in the database file already, in percent. */
  checkpointed(): number;
  close(): void;
}

/** What a segment takes beside its body when it is read, at least, in bytes: so that empty ones are not all read at once. */
export const ROW_BYTES = 64;

/** The store failed; the message says why, in words for the client. */
export class StoreError extends Error {
  /** Whether what was to be done may be on disk all the same. */
  readonly outcome: Outcome;

  constructor(message: string, outcome: Outcome = "nothing happened") {
    super(outcome === "unknown" ? `${message}, outcome unknown` : message);
    this.outcome = outcome;
  }
}

/** Why something failed, in one line, without the path that the runtime adds: the caller names the path. */
export function reasonIn(error: unknown): string {
  const [line = ""] = (error as Error).message.split("\n", 1);
  return line.replace(/, \w+ '.*'$/, "");
}
