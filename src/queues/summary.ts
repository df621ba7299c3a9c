/** A queue at a glance. `sets` counts all messages ever set, `gets` those that are gone for good. */
export interface QueueSummary extends Readonly<Tally> {
  /** Unique. The id of a deleted queue is not used again before all other ids were. */
  id: number;
  /** A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** Messages in the queue, open ones too, and bytes of their bodies. */
  messages: number;
  bytes: number;
  open: number;
  /** When the message that is open the longest was opened, in milliseconds on the monotonic clock; undefined: none is open. */
  openedAt: number | undefined;
  /** Messages that wait for their time, and that are leased. */
  delayed: number;
  /**
   * When the oldest message was committed, in milliseconds since 1970, as far as that is known without the disk; 0 when
   * there is none.
   */
  arrived: number | undefined;
  leased: number;
  sets: number;
  gets: number;
  /**
   * Nothing is delivered until then, in milliseconds since 1970, which may be over; 0 is until it is resumed, undefined
   * is not paused.
   */
  paused: number | undefined;
  /** How long the message that was taken last had waited, in milliseconds; 0 when the queue is empty. */
  waitedMs: number;
}

/** What became of messages, but for those that went to a client at once, since the start of the server. */
export interface Tally {
  /** Gone because newer ones needed their room. */
  dropped: number;
  /** Gone, or moved to another queue, because their time was over. */
  expired: number;
  /** Not stored, because a message with the same id was. */
  duplicates: number;
  /** Deliveries of messages that were delivered before. */
  redelivered: number;
  /** Moved to the dead letters. */
  dead: number;
  /** Copies of another queue's messages that there was no room for. */
  missed: number;
}

/** Everything that the backend knows about one queue. */
export interface QueueDetails extends QueueSummary {
  /** Of the oldest message, in milliseconds; 0 when there is none. */
  age: number;
  /** How long the ids of its messages are remembered in fact, in milliseconds. */
  onceMs: number;
  /** Bytes that its messages take in memory. */
  memory: number;
  /** How long a message has been open at most, in milliseconds; 0 when none is. */
  openAge: number;
}

/** A message that was delivered, and is neither done with nor back. */
export interface HeldDelivery {
  number: number;
  /** The number of this delivery: no other one of the message has it, as far as 1,024 of them go. A lease is told by it. */
  told: number;
  /** How often it was delivered, this time included. */
  deliveries: number;
  /** Length of the body, in bytes; undefined for a lease from before the start. */
  length: number | undefined;
}

/** A message that a consumer has open. */
export interface OpenMessage extends HeldDelivery {
  /** The client's address, in words for people. */
  client: string;
  /** When it was opened, in milliseconds on the monotonic clock. */
  openedAt: number;
}

/** A message that is leased. */
export interface LeasedMessage extends HeldDelivery {
  /** The address of the client that it was delivered to, in words for people; undefined for a lease from before the start. */
  client: string | undefined;
  /** When the lease ends, in milliseconds on the monotonic clock. */
  until: number;
}

/** A message that waits for its time. */
export interface DelayedMessage {
  number: number;
  /** How often it was delivered before. */
  deliveries: number;
  /** When it can be delivered, in milliseconds on the monotonic clock. */
  due: number;
}

/** Messages of a queue that are held, those that were delivered first in front, and those that are delayed, the oldest in front. */
export interface HeldMessages {
  open: OpenMessage[];
  leased: LeasedMessage[];
  delayed: DelayedMessage[];
}

/** A message shown without taking it. */
export interface MessagePreview {
  number: number;
  flags: number;
  /** Length of the whole body, in bytes; `body` is its beginning. */
  length: number;
  body: Buffer;
  /** When it was committed, in milliseconds since 1970. */
  arrived: number;
  /** A consumer has it open, or it is leased. */
  open: boolean;
  leased: boolean;
  /** When it can be delivered, in milliseconds on the monotonic clock; undefined when it does not wait for its time. */
  due: number | undefined;
  /** How often it was delivered by open or lease, as far as that is known in memory. */
  deliveries: number;
  /** The queue that it came from, its number there, and why it was moved; undefined when it was set in this queue. */
  moved: { origin: string; number: number; reason: string } | undefined;
}
