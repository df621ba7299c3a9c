import type { Histogram } from "../util/histogram.ts";
import type { Batch, NamedQueue, Position, StoredSegment } from "./batch.ts";

export type StoredQueue = NamedQueue & Position;

/** Bytes but for the pages, which are of `pageSize` bytes. */
export interface Extent {
  database: number;
  log: number;
  pageSize: number;
  freePages: number;
}

/** How thorough a checkpoint is: what can be done without waiting; all of the log; all, and the log file emptied. */
export type Checkpoint = "passive" | "full" | "truncate";

/**
 * Where queues outlive the process. A batch goes in, results come out; everything else about how it is kept is
 * behind this seam. Every function but `close` throws a {@link StoreError} when the store fails.
 */
export interface Store {
  /** All queues. */
  queues(): StoredQueue[];
  /** An id that no queue has, or undefined when there are as many queues as the store can hold. */
  newQueueId(): number | undefined;
  /** Makes the batch true, on disk unless told otherwise at the start. When it throws, nothing of it happened. */
  commit(batch: Batch): void;
  /**
   * The segments of a queue from the one that holds message `from` on, in order: as many as take `bytes` bytes, and
   * at least one. Each takes a little beside its body.
   */
  read(queue: number, from: number, bytes: number): StoredSegment[];
  /** When the message was committed, in milliseconds since 1970; it must be in the store. */
  arrived(queue: number, number: number): number;
  /** Due after each commit: keeps the log from growing long. Costs next to nothing most of the time. */
  relieve(): void;
  /** Does some of the work that can wait, such as clearing up behind deleted queues: true while there is more. */
  tidy(): boolean;
  /** Brings the log into the database file. */
  checkpoint(how: Checkpoint): void;
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

/** The store failed; the message says why, in words for the client. */
export class StoreError extends Error {}

/** Why something failed, in one line, without the path that the runtime adds: who says it names the path. */
export function reasonIn(error: unknown): string {
  const [line = ""] = (error as Error).message.split("\n", 1);
  return line.replace(/, \w+ '.*'$/, "");
}
