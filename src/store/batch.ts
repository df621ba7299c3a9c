/** Bytes before each packed body: its length and the flags, 32 bits each, little-endian. */
export const HEAD = 8;

/** Consecutive messages of one queue, as the store keeps them. */
export interface StoredSegment {
  queue: number;
  /** Number of the first message. */
  first: number;
  count: number;
  /** Of the one message, when there is only one. */
  flags: number;
  /** One message: its body. More: each one's head and body. */
  body: Uint8Array;
}

/** Which messages are in a queue: those from `head` up to, but without, `tail`, and those `held` back. */
export interface Position {
  queue: number;
  head: number;
  tail: number;
  /** Bytes of the bodies of all of them. */
  bytes: number;
  /** Numbers below `head` of messages that are in the queue all the same, ascending: open, or put back. */
  held: readonly number[];
}

export interface NamedQueue {
  queue: number;
  /** A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
}

/** What happened since the last commit: all of it becomes true at once, or none. */
export interface Batch {
  dropped: number[];
  created: NamedQueue[];
  segments: StoredSegment[];
  positions: Position[];
}

export function newBatch(): Batch {
  return { dropped: [], created: [], segments: [], positions: [] };
}
