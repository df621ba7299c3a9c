/** One operation as sql/operations.sql reads it. */
export interface Single {
  /** Its kind, and the id of its queue. */
  k: string;
  q: number | null;
  /** The outcome when the queue is gone. */
  absent: string;
  [field: string]: string | number | boolean | null;
}

/** Kinds that bring a message. */
export const DELIVERING: ReadonlySet<string> = new Set(["take", "open", "lease", "move", "peek"]);
