export const HIT = 1;
export const MISS = 2;
export const UNEXPECTED = 3;

/** One answer. Every read overwrites the same object, so that no answer allocates. */
export type Answer = { outcome: typeof HIT | typeof MISS | typeof UNEXPECTED };

/**
 * Reads the answer that begins at `from`, in `bytes` filled up to `to`.
 * Returns its length in bytes, 0 when it is not complete yet.
 */
export type ReadAnswer = (answer: Answer, bytes: Buffer, from: number, to: number) => number;

/** How one protocol appends a message to a queue, takes one, and drops the queue. */
export type Dialect = {
  set: Buffer;
  get: Buffer;
  clear: Buffer;
  /** The line that answers `clear`. */
  cleared: RegExp;
  readSet: ReadAnswer;
  readGet: ReadAnswer;
};
