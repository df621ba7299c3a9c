import type { Delivery } from "../../job.ts";

export const HIT = 1;
export const MISS = 2;
export const UNEXPECTED = 3;
/** The message came, and the operation is over when `next` was sent and answered. */
export const MORE = 4;

/** One answer. Every read overwrites the same object, so that no answer allocates. */
export type Answer = {
  outcome: typeof HIT | typeof MISS | typeof UNEXPECTED | typeof MORE;
  /** Only with MORE: the command that ends the operation. */
  next: Buffer;
};

/**
 * Reads the answer that begins at `from`, in `bytes` filled up to `to`.
 * Returns its length in bytes, 0 when it is not complete yet.
 */
export type ReadAnswer = (answer: Answer, bytes: Buffer, from: number, to: number) => number;

/** What a connection says before it begins, and how the answer is read: as {@link ReadAnswer}, without an outcome. */
export type Greeting = {
  request: Buffer;
  read: (bytes: Buffer, from: number, to: number) => number;
};

/** An operation that this server alone has, and that may take two trips. */
export type Longer = {
  request: Buffer;
  read: ReadAnswer;
  readNext: ReadAnswer | null;
  /** Makes requests, one behind the other, into new ones; null where all are the same. */
  renew: ((requests: Buffer) => void) | null;
};

/** How one protocol appends a message to a queue, takes one, and drops the queue. */
export type Encoder = {
  /** In order; empty where a connection may begin at once. */
  greetings: readonly Greeting[];
  set: Buffer;
  get: Buffer;
  readSet: ReadAnswer;
  readGet: ReadAnswer;
  /** Reads what answers the `next` of a MORE; null where no answer is one. */
  readNext: ReadAnswer | null;
  /** Null where the protocol has none. */
  longer: Record<Delivery, Longer> | null;
  /** Drops the queue, answered by a line; null where only a new server has an empty one. */
  clear: { command: Buffer; answered: RegExp } | null;
};
