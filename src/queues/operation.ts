import type { QueueDetails, QueueSummary } from "./summary.ts";

/**
 * What is asked of the queues:
 *
 * | kind | what happens | outcomes |
 * | --- | --- | --- |
 * | none | nothing: it keeps its place among the others | done |
 * | put | appends a message, and makes the queue if need be | done (number), full |
 * | take | the oldest message leaves the queue | done (message), absent, too large |
 * | open | the same, but it stays in the queue until its consumer closes it | the same, and held |
 * | peek | the oldest message is looked at | the same as take |
 * | check | whether the consumer has no message of the queue open | done, held |
 * | close | the consumer is done with its open message | done, absent |
 * | abort | the consumer's open message goes back to the head | done, absent |
 * | release | the consumer is gone: all that it has open goes back | done |
 * | restore | a message that was taken, and could not be delivered, goes back | done |
 * | delete | the queue goes, with its messages and counters | done, absent |
 * | flush | the queue's messages go, but for open ones | done |
 * | flush all | the same for all queues, a part at a time | done, more |
 * | list | the counters of all queues, a part at a time | done, more |
 * | details | everything there is to know about one queue | done, absent |
 * | checkpoint, archive | the log is brought into the database; and made empty | done |
 *
 * Each of them may also be skipped (withdrawn before it was executed, or behind one of its request that was not done),
 * postponed, or failed.
 */
export type OperationKind =
  | "none"
  | "put"
  | "take"
  | "open"
  | "peek"
  | "check"
  | "close"
  | "abort"
  | "release"
  | "restore"
  | "delete"
  | "flush"
  | "flush all"
  | "list"
  | "details"
  | "checkpoint"
  | "archive";

export type Outcome =
  | "pending"
  | "done"
  | "absent"
  | "full"
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

/** Bytes of messages that a session takes in one group, beside one message of any length. */
export const MAX_TAKEN = 256 * 1024;

/** What an operation is done for, as far as the queues know it. */
export interface Taker {
  /** Bytes of messages that it took since that was set to 0. */
  taken: number;
  /** It took enough: its further operations are postponed, so that they keep their order. */
  postponed: boolean;
}

/**
 * One operation. Groups keep these records and fill them anew, so that a hot operation allocates nothing. Only the fields
 * that belong to `kind` mean anything.
 */
export interface Operation {
  kind: OperationKind;
  session: Taker;
  /** The name of the queue: a byte is a character from U+0000 to U+00FF. */
  queue: string;
  consumer: Consumer | undefined;
  /** The producer's number, unsigned and 32 bits wide. Asked with put and restore, told by take, open, peek. */
  flags: number;
  /** The body: the bytes of `body` from `start` up to `end`. What is told is good until the group ends. */
  body: Buffer;
  start: number;
  end: number;
  /**
   * It belongs to the same request as the operation before it, and is skipped when that failed, was skipped, found a
   * message that is held or too large.
   */
  chained: boolean;
  /** put: `body` is this body and nothing else, and may be kept as it is. */
  alone: boolean;
  /** take, open, peek: only a message for which this is true; undefined: any. */
  fits: ((flags: number, length: number, number: number) => boolean) | undefined;
  /** flush all, list: where it goes on; undefined at first. Told, and asked again, as it is. */
  cursor: unknown;
  /** The message's own number in its queue, counted from 1. Told by put, take, open, peek; asked with restore. */
  number: number;
  /** The queue's id. Told by take; asked with restore, so that no other queue of that name gets the message. */
  queueId: number;
  /** list: a part of the queues. */
  rows: QueueSummary[];
  details: QueueDetails | undefined;
  outcome: Outcome;
  /** The outcome rests on what the group does: when that fails, so does the operation. */
  rests: boolean;
  /** failed: why, in words for the client. */
  error: string;
}

const NOTHING = Buffer.alloc(0);

/** @param session what it is done for; one of its own when absent */
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
    chained: false,
    alone: false,
    fits: undefined,
    cursor: undefined,
    number: 0,
    queueId: 0,
    rows: [],
    details: undefined,
    outcome: "pending",
    rests: false,
    error: "",
  };
}
