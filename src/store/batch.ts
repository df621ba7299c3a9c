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

/** A segment to be stored. */
export interface NewSegment extends StoredSegment {
  /** When its messages were committed first, in milliseconds since 1970; undefined: with this commit. */
  arrived?: number;
}

/** The messages of a queue: numbers from `head` to `tail - 1`, and held messages below `head`. */
export interface Position {
  queue: number;
  head: number;
  tail: number;
  /** Bytes of the bodies of all of them. */
  bytes: number;
}

/** A message of a queue. */
export interface MessageKey {
  queue: number;
  number: number;
}

/** A message below its queue's head that is still in the queue: it is open, leased, or was put back. */
export interface HeldMessage extends MessageKey {
  /** How often it was delivered, a lease included; 0 when absent. */
  deliveries?: number;
  lease?: LeaseTerm;
}

/** A message that came from another queue, and why. */
export interface MovedMessage extends MessageKey {
  origin: string;
  originNumber: number;
  reason: string;
}

/** When a lease ends, in milliseconds since 1970, and how many milliseconds it lasts. */
export interface LeaseTerm {
  due: number;
  length: number;
}

/** A message that waits until it is due, in milliseconds since 1970. */
export interface DelayedMessage extends MessageKey {
  due: number;
  deliveries: number;
}

/** How many rows `delayed` has of a queue, and how many of these are not below its head. */
export interface DelayedCount {
  queue: number;
  delayed: number;
  ahead: number;
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

/** Whether the bytes of a queue are too high from this commit on, until they are counted again. */
export interface RecountMark {
  queue: number;
  isDue: boolean;
}

/** The ids that one commit brought to a queue, as hashes of 64 bits each, little-endian. */
export interface StoredIds {
  queue: number;
  /** Number of the first message that has one of them. */
  first: number;
  /** In milliseconds since 1970. */
  arrived: number;
  hashes: Uint8Array;
}

/** From message `number` on, messages of the queue expire then, in milliseconds since 1970; 0 is never. */
export interface ExpiryStep {
  queue: number;
  number: number;
  expires: number;
}

/** New steps, and first messages of queues below which the steps are not needed any more. */
export interface ExpiryBatch {
  steps: ExpiryStep[];
  needed: { queue: number; number: number }[];
}

/** Rows of ids that are new, and rows that are not needed any more. */
export interface IdBatch {
  added: StoredIds[];
  forgotten: { queue: number; first: number }[];
}

/** The changes since the last commit: all of them are committed at once, or none. */
export interface Batch {
  dropped: number[];
  created: NamedQueue[];
  /** New segments. A message that was put back before it was ever stored has one of its own, below the head. */
  segments: NewSegment[];
  /** Positions of all queues that have changed; a head never goes back. */
  positions: Position[];
  /** Messages that are held from now on, or in another way than before, and those that no longer are. */
  held: HeldMessage[];
  released: MessageKey[];
  /** Undefined when no queue was paused or resumed. */
  paused?: Pause[] | undefined;
  /** Undefined when no queue must be counted again from now on, or has been. */
  recounts?: RecountMark[] | undefined;
  /** Messages that came from other queues; undefined when there are none. */
  moved?: MovedMessage[] | undefined;
  /** Undefined when no message waits for its time from now on, or waits no longer. */
  delays?: Delays | undefined;
  /** Undefined when no message with an id was set. */
  ids?: IdBatch | undefined;
  /** Undefined when all messages that were set expire as those before them. */
  expiry?: ExpiryBatch | undefined;
}

/** Messages that wait for their time from now on, those that no longer do, and the counts that change with them. */
export interface Delays {
  delayed: DelayedMessage[];
  undelayed: MessageKey[];
  counts: DelayedCount[];
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
    recounts: undefined,
    moved: undefined,
    delays: undefined,
    ids: undefined,
    expiry: undefined,
  };
}
