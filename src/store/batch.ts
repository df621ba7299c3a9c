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

/** Which messages are in a queue: those from `head` up to, but without, `tail`, and those that are held below `head`. */
export interface Position {
  queue: number;
  head: number;
  tail: number;
  /** Bytes of the bodies of all of them. */
  bytes: number;
}

/** A message below its queue's head that is in the queue all the same: it is open, or was put back. */
export interface HeldMessage {
  queue: number;
  number: number;
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
  /** New ones. A message that was put back before the store ever had it is one of its own, below the head. */
  segments: StoredSegment[];
  /** Of each queue in which anything changed; a head never goes back. */
  positions: Position[];
  /** Messages that are held from now on, and those that no longer are. */
  held: HeldMessage[];
  released: HeldMessage[];
}

export function newBatch(): Batch {
  return { dropped: [], created: [], segments: [], positions: [], held: [], released: [] };
}
