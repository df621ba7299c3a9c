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

/** The messages of a queue: numbers from `head` to `tail - 1`, and held messages below `head`. */
export interface Position {
  queue: number;
  head: number;
  tail: number;
  /** Bytes of the bodies of all of them. */
  bytes: number;
}

/** A message below its queue's head that is still in the queue: it is open, or was put back. */
export interface HeldMessage {
  queue: number;
  number: number;
}

export interface NamedQueue {
  queue: number;
  /** A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
}

/** A queue that delivers nothing until then, in milliseconds since 1970: 0 is until it is resumed, undefined not paused. */
export interface Pause {
  queue: number;
  until: number | undefined;
}

/** The changes since the last commit: all of them are committed at once, or none. */
export interface Batch {
  dropped: number[];
  created: NamedQueue[];
  /** New segments. A message that was put back before it was ever stored has one of its own, below the head. */
  segments: StoredSegment[];
  /** Positions of all queues that have changed; a head never goes back. */
  positions: Position[];
  /** Messages that are held from now on, and those that no longer are. */
  held: HeldMessage[];
  released: HeldMessage[];
  /** Undefined when no queue was paused or resumed. */
  paused?: Pause[] | undefined;
}

export function newBatch(): Batch {
  return {
    dropped: [],
    created: [],
    segments: [],
    positions: [],
    held: [],
    released: [],
    paused: undefined,
  };
}
