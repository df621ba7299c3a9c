import type { ReplyRoom } from "./room.ts";
import type { QueueDetails, QueueSummary } from "./summary.ts";

/**
 * What is asked of the queues:
 *
 * | kind | what happens | outcomes |
 * | --- | --- | --- |
 * | none | nothing: it has its place in the order | done |
 * | put | appends a message, delayed or not, and makes the queue if there is none | done (number), full, repeated: its id was there |
 * | take | the oldest message leaves the queue | done (message), absent, too large |
 * | open | the same, but it stays in the queue until its consumer closes it | as take, and held |
 * | lease | the same, but it stays in the queue until it is acknowledged, or the lease ends | as take |
 * | move | the oldest message goes to another queue | as take |
 * | move all | all that can be delivered go to another queue, a part at a time | done, more |
 * | pass | the consumer's open message goes to another queue | done, absent |
 * | peek | the oldest message is read, and stays | as take |
 * | check | tells whether the consumer has a message of the queue open | done (it has none), held |
 * | clash | the request itself has a message of the queue open by then | held |
 * | close | the consumer's open message is gone | done, absent |
 * | abort | the consumer's open message goes back to the head | done, absent |
 * | bury | the consumer's open message goes to the dead letters | done, absent |
 * | acknowledge | a leased message is gone | done, absent |
 * | extend | a lease ends later, or now | done, absent |
 * | give back | a message that is open or leased goes back, as if its holder had said so: the number is that of the delivery | done, absent |
 * | remove | the message of that number is gone, held or not | done, absent |
 * | return | the message of that number, which died or expired, goes back to the queue that it came from | done, absent |
 * | return all | the same for all that can be delivered, a part at a time | done, more |
 * | release | the consumer is gone: all messages that it has open go back | done |
 * | restore | a message that was taken, and could not be delivered, goes back | done |
 * | delete | the queue is deleted, with its messages and counters | done, absent |
 * | flush | the queue's messages are deleted, but not open ones | done |
 * | flush all | the same for all queues, a part at a time | done, more |
 * | expire | expired messages of the queue are taken away, the oldest ones, a bounded number | done (number: how many) |
 * | expire all | the same in all queues, a part at a time | done (number), more |
 * | list | the counters of all queues, a part at a time | done, more |
 * | survey | a summary of all queues, a part at a time, unless there are more than a number of them | done, more |
 * | details | everything that is known about one queue | done, absent |
 * | pause | the queue delivers nothing until a time, or until it is resumed | done, absent |
 * | resume | the queue delivers again | done, absent |
 * | checkpoint | the log is copied into the database | done |
 * | archive | the same, and the log is emptied | done |
 *
 * Any of them may instead be failed, postponed (see {@link Taker}) or skipped: it was withdrawn before it was executed,
 * or an earlier operation of the same request was not done.
 */
export type OperationKind =
  | "none"
  | "put"
  | "take"
  | "open"
  | "lease"
  | "move"
  | "move all"
  | "pass"
  | "peek"
  | "check"
  | "clash"
  | "close"
  | "abort"
  | "bury"
  | "acknowledge"
  | "extend"
  | "give back"
  | "remove"
  | "return"
  | "return all"
  | "release"
  | "restore"
  | "delete"
  | "flush"
  | "flush all"
  | "expire"
  | "expire all"
  | "list"
  | "survey"
  | "details"
  | "pause"
  | "resume"
  | "checkpoint"
  | "archive";

export type Outcome =
  | "pending"
  | "done"
  | "absent"
  | "full"
  | "unheld"
  | "repeated"
  | "held"
  | "too large"
  | "more"
  | "skipped"
  | "postponed"
  | "failed";

/** A client as the queues see it: it can have messages open. */
export interface Consumer {
  /** Its open messages: how many there are. */
  readonly open: { readonly size: number };
  /** The names of the queues of its open messages. */
  openQueues(): Iterable<string>;
}

/** Bytes of messages that a session takes in one group; its first message may have any length. */
export const MAX_TAKEN = 256 * 1024;

/** The counters of some queues, in lists side by side: there may be very many. Messages ever set, and gone for good. */
export interface QueueCounts {
  names: string[];
  sets: number[];
  gets: number[];
}

/** The session that an operation belongs to, as the queues see it. */
export interface Taker {
  /** Bytes of messages that it took in this group. The engine sets it to 0. */
  taken: number;
  /** It took {@link MAX_TAKEN}: its other operations in the group are postponed too, so that they keep their order. */
  postponed: boolean;
}

/**
 * One operation. Groups use these records again and again, so that an operation allocates nothing. Only the fields that
 * belong to `kind` mean anything.
 */
export interface Operation {
  kind: OperationKind;
  session: Taker;
  /** The name of the queue: a byte is a character from U+0000 to U+00FF. */
  queue: string;
  consumer: Consumer | undefined;
  /** The producer's number, unsigned, of 32 bits. In: put, restore. Out: take, open, peek. */
  flags: number;
  /** The bytes of `body` from `start` up to `end`. In and out like flags; what is out is valid until the group ends. */
  body: Buffer;
  start: number;
  end: number;
  /**
   * put, abort: so many milliseconds pass before the message can be delivered. abort: below 0 is what the settings of the
   * queue say.
   */
  delay: number;
  /** put: the message's id, by which a second one of the same is known; "" without. */
  id: string;
  /** put: when the message expires, in milliseconds since 1970, where its queue's settings read that; 0 is never. */
  expires: number;
  /** Seconds until the message expires; -1: never. Out: take, open, peek. */
  ttl: number;
  /** put: the queue of a message that is closed in the same commit; "" when there is none. */
  source: string;
  /** put: the number of the lease of that message, or 0: the one that the consumer has open. */
  sourceNumber: number;
  /** move, move all, pass: the other queue. */
  target: string;
  /** lease, extend: its length in milliseconds. extend: 0 is back now, and below 0 to the dead letters. */
  lease: number;
  /** How often the message was delivered by open or lease. Out: open, lease (this time included), take, peek. In: restore. */
  deliveries: number;
  /** open: also messages that wait for their time. peek: only those that are leased. */
  scope: "available" | "early" | "leased";
  /** open, peek: milliseconds until the message's time has come, or its lease ends; 0: it can be taken. Out. */
  dueIn: number;
  /** put: how often the message was delivered before it came here. Only a drain sets it. */
  broughtDeliveries: number;
  /** release: the deliveries count, as they do unless the server is stopped. */
  inVain: boolean;
  /**
   * It belongs to the same request as the operation before it, and is skipped when the outcome of that is failed,
   * skipped, held or too large.
   */
  chained: boolean;
  /** take, open, peek: it is also skipped when the operation before it brought a message: one of them is enough. */
  alternative: boolean;
  /**
   * take, open, lease, move, peek: it is an offer to a client that waits for a message of these queues. Where an earlier
   * offer of the group came to nothing, to a client that waits for the same queue, this one does, too, and the queues tell
   * of their messages behind the commit: so clients are served in the order in which they wait.
   */
  offered: readonly string[] | undefined;
  /** put: the buffer `body` has nothing but this body, and may be kept without a copy. */
  alone: boolean;
  /**
   * take, open, lease, move, peek: the outcome is too large unless the message fits, see {@link takesRoom}; undefined when
   * every message fits. Operations of one request share it.
   */
  room: ReplyRoom | undefined;
  /** With room: bytes of the reply beside the body and the digits of flags, length and number. */
  besides: number;
  /** flush all, list, survey: where the next part begins; undefined for the first. Out, then in again, unchanged. */
  cursor: unknown;
  /**
   * The message's number in its queue, counted from 1. Out: put, take, open, peek. In: restore. Or the number of a lease:
   * out of lease, in for acknowledge, extend and give back. Or that of the message, in for remove and return.
   */
  number: number;
  /** The queue's id. Out: take. In: restore, so that no later queue of the same name gets the message. */
  queueId: number;
  /** pause: when it ends, in milliseconds since 1970; 0: when the queue is resumed. */
  until: number;
  /** list: a part of the queues. */
  counts: QueueCounts | undefined;
  /** survey: a part of the queues; undefined when there are more than `most` of them. */
  summaries: QueueSummary[] | undefined;
  /** survey: with more queues than this it only brings up to date what the backend's `usage` tells. */
  most: number;
  details: QueueDetails | undefined;
  outcome: Outcome;
  /** The outcome depends on changes of the group: when its commit fails, the operation fails too. */
  provisional: boolean;
  /** failed: why, in words for the client. */
  error: string;
}

const NOTHING = Buffer.alloc(0);

/** @param session a new one when absent */
export function newOperation(session: Taker = { taken: 0, postponed: false }): Operation {
  return {
    kind: "none",
    session,
    queue: "",
    consumer: undefined,
    flags: 0,
    body: NOTHING,
    start: 0,
    end: 0,
    delay: 0,
    id: "",
    expires: 0,
    ttl: -1,
    source: "",
    sourceNumber: 0,
    target: "",
    lease: 0,
    deliveries: 0,
    scope: "available",
    dueIn: 0,
    broughtDeliveries: 0,
    inVain: false,
    chained: false,
    alternative: false,
    offered: undefined,
    alone: false,
    room: undefined,
    besides: 0,
    cursor: undefined,
    number: 0,
    queueId: 0,
    until: 0,
    counts: undefined,
    summaries: undefined,
    most: Infinity,
    details: undefined,
    outcome: "pending",
    provisional: false,
    error: "",
  };
}
