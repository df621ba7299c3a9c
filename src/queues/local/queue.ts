import type { Position } from "../../store/batch.ts";
import type { StoredDelivery, StoredQueue } from "../../store/store.ts";
import type { Consumer } from "../operation.ts";
import { type FoundSettings, UNKNOWN_SETTINGS } from "../settings.ts";
import type { Tally } from "../summary.ts";
import {
  type Delivery,
  newDelivery,
  type Row,
  setCount,
  setLease,
  setRow,
  takeStoredDelivery,
} from "./delivery.ts";
import { hasNumber } from "./number_set.ts";
import { bodyAt, flagsAt, lengthAt, type Segment } from "./segment.ts";

/**
 * One queue. Each message has a number, counted from 1 in the order of the sets:
 *
 *     1               stored.head     head            loaded          stored.tail     tail
 *     |  taken:       |  taken:       |  available:   |  available:   |  available:   |
 *     |  gone         |  gone         |  on disk and  |  on disk      |  in segments  |
 *     |  or listed    |  or held      |  in segments  |  only         |  only         |
 *
 * - Below `head`, each message was taken once. It is gone, or held: a consumer has it `open`, it was `returned` to the
 *   queue and is the next to be taken again, or it is leased or waits for its time (see delivery.ts).
 * - From `head` on, no message was ever taken, and those that are not delayed are available. `segments` has messages from both ends: in front what was read from the
 *   store, at the back what the group being executed has set. When nothing is on disk only, `loaded` is `tail`.
 * - On disk the queue begins at `stored.head`. That moves only when messages are gone, so to open a message writes
 *   nothing. A held message that it has passed has a row of its own in the store: it is `listed`.
 *
 * There may be very many queues, most of them idle: a list with nothing in it is undefined.
 */
export interface Queue {
  readonly id: number;
  readonly name: string;
  /** What holds for it: see `settingsOf` in state.ts, which looks for it again after a reload. */
  settings: FoundSettings;
  /** Number of the next message that was never taken. */
  head: number;
  /** Number that the next set gets. */
  tail: number;
  loaded: number;
  /** Messages in memory, by number. */
  segments: Segment[] | undefined;
  /** Segments whose last message the group has taken: it may come back until the group is committed. */
  spent: Segment[] | undefined;
  /** Numbers of held messages that can be taken, ascending. Those below the head come before all others. */
  returned: number[] | undefined;
  /** Messages that consumers have open: see open.ts. */
  open: OpenMessages;
  /** Numbers of the messages that the group opened. */
  opened: number[] | undefined;
  /** The highest number of a message that is gone, or `stored.head - 1`. */
  gone: number;
  /** Numbers of held messages that have a row in the store; and of those whose row the group's commit removes. */
  listed: Set<number> | undefined;
  unlisted: number[] | undefined;
  /** Messages that came back after they were gone, until the group is committed. */
  restored: RestoredMessage[] | undefined;
  /**
   * It delivers nothing until then, in milliseconds since 1970; 0 is until it is resumed, undefined is not paused. A time
   * that is over stays: see {@link isPaused}.
   */
  paused: number | undefined;
  /** Bytes of the bodies of all messages in the queue, held ones too. */
  bytes: number;
  /** What the store has, as of the last commit. */
  stored: Position;
  /** How many messages it had then. */
  counted: number;
  /** How long the message that was taken last had waited, in milliseconds; 0 when none was. */
  waitedMs: number;
  /** The group uses it. */
  touched: boolean;
  /** Undefined as long as no message was leased, delayed or delivered without success. */
  delivery: Delivery | undefined;
  /** Its bytes are being counted again, because messages were lost. */
  recount: Recount | undefined;
  /** Undefined as long as no message has a time of its own to expire: see expiry.ts. */
  expiry: Expiry | undefined;
  /** Undefined: nothing was counted. */
  tally: Tally | undefined;
}

/** From this number on messages expire at a time in milliseconds since 1970; 0 is never. */
export interface Step {
  number: number;
  expires: number;
}

/** When messages of a queue expire: the last step, as of the last commit and now, and the steps that the group added. */
export interface Expiry {
  saved: number;
  last: number;
  steps: Step[];
  /** Steps below this number were removed. */
  cleaned: number;
}

/**
 * The open messages of a queue: none, one, or a map by number. A hundred thousand queues with one open message each are
 * not unusual, and a map takes several times as much memory as the one message.
 */
export type OpenMessages = undefined | OpenMessage | Map<number, OpenMessage>;

/** A message that a consumer has taken, and neither closed nor given back. */
export interface OpenMessage {
  number: number;
  consumer: LocalConsumer;
  /** Of the body, in bytes. */
  length: number;
  /** When it was opened, in milliseconds on the monotonic clock. */
  openedAt: number;
}

/** A client, and the messages that it has open: at most one of each queue, by its number. */
export interface LocalConsumer extends Consumer {
  readonly open: Map<Queue, number>;
  /** Tells the client's address, in words for people. */
  readonly client: () => string;
  /** The same, once it was asked for. */
  name: string | undefined;
}

export interface RestoredMessage {
  number: number;
  /** The message alone, when the store does not have it any more. */
  segment: Segment | undefined;
}

/** How far the counting of a damaged queue's bytes is. */
export interface Recount {
  /**
   * Bytes that the queue seemed to have at the beginning, and of messages added to the part that was not counted yet.
   */
  total: number;
  /** Number of the next message to be counted. */
  next: number;
  /** Bytes counted so far. */
  bytes: number;
  /** Bytes of messages that went from the part that was not counted yet. */
  missed: number;
}

/** A message in its buffer: its body is the bytes of `body` from `start` up to `end`. An operation is one, too. */
export interface Message {
  flags: number;
  number: number;
  body: Buffer;
  start: number;
  end: number;
}

export function newMessage(): Message {
  return { flags: 0, number: 0, body: Buffer.alloc(0), start: 0, end: 0 };
}

/** A queue as the store has it. */
export function newQueue(stored: StoredQueue): Queue {
  const { queue, name, head, tail, bytes, held, paused, delivery } = stored;
  return {
    id: queue,
    name,
    settings: UNKNOWN_SETTINGS,
    head,
    tail,
    loaded: head,
    segments: undefined,
    spent: undefined,
    returned: held.length === 0 ? undefined : [...held],
    open: undefined,
    opened: undefined,
    gone: head - 1,
    listed: setOf(held),
    unlisted: undefined,
    restored: undefined,
    paused,
    bytes,
    stored: { queue, head, tail, bytes },
    counted: 0,
    waitedMs: 0,
    touched: false,
    delivery: delivery && deliveryOf(delivery),
    recount: undefined,
    expiry: expiryOf(stored),
    tally: undefined,
  };
}

export function expiryOf({ expires }: StoredQueue): Expiry | undefined {
  if (expires === undefined) return undefined;
  return { saved: expires, last: expires, steps: [], cleaned: 0 };
}

/** These numbers as a set; undefined when there are none. */
export function setOf(numbers: readonly number[]): Set<number> | undefined {
  return numbers.length === 0 ? undefined : new Set(numbers);
}

/** A queue that is paused stores messages, and delivers none. @param now milliseconds since 1970 */
export function isPaused({ paused }: Queue, now: number): boolean {
  return paused !== undefined && (paused === 0 || now < paused);
}

function deliveryOf(stored: StoredDelivery): Delivery {
  const delivery = newDelivery();
  takeStoredDelivery(delivery, stored);
  return delivery;
}

/** How many messages can be taken, unless it is paused. */
export function countAvailable(queue: Queue): number {
  const { returned } = queue;
  return countAhead(queue) + (returned === undefined ? 0 : returned.length);
}

/** How many messages from the head on can be taken. */
export function countAhead({ head, tail, delivery }: Queue): number {
  return tail - head - (delivery === undefined ? 0 : delivery.ahead);
}

/** The table in which the store has a row of the message, as of the last commit, if the message is known in memory. */
export function tableOf({ delivery, listed }: Queue, number: number): Row["table"] | undefined {
  if (delivery !== undefined && hasNumber(delivery.brought, number)) return "delayed";
  const isHeld = delivery?.leases.has(number) === true || listed?.has(number) === true;
  return isHeld ? "held" : undefined;
}

/** The message, which is in the queue, has a row in the store: the stored head may pass it. */
export function settle(queue: Queue, number: number): void {
  if (number > queue.gone) queue.gone = number;
}

/** Nothing more is known of the deliveries of a message that is gone. @returns whether it has or had a row in the store */
function forgetDelivery(queue: Queue, number: number, table: Row["table"] | undefined): boolean {
  const { delivery } = queue;
  if (delivery === undefined) return false;
  const isKnown = delivery.changes?.rows.has(number) === true;
  const was = isKnown ? undefined : (table ?? tableOf(queue, number));
  if (!isKnown && was === undefined) return false;
  setRow(delivery, number, was, undefined);
  setCount(delivery, number, 0);
  if (delivery.leases.has(number)) setLease(delivery, number, undefined);
  return true;
}

/** The message was added to the queue, or came back after it was gone. */
export function noteAdded(queue: Queue, number: number, length: number): void {
  queue.bytes += length;
  const { recount } = queue;
  if (recount !== undefined && number >= recount.next) recount.total += length;
}

/** The message has left the queue for good. @param table in which it has a row, unless that is known in memory */
export function noteGone(queue: Queue, number: number, length: number, table?: Row["table"]): void {
  queue.bytes -= length;
  const hadRow = forgetDelivery(queue, number, table);
  if (number >= queue.stored.head) {
    if (number > queue.gone) queue.gone = number;
  } else if (!hadRow && queue.listed?.has(number) === true) {
    (queue.unlisted ??= []).push(number);
  } else if (queue.restored !== undefined) {
    const others = queue.restored.filter((restored) => restored.number !== number);
    queue.restored = others.length === 0 ? undefined : others;
  }
  const { recount } = queue;
  if (recount !== undefined && number >= recount.next) recount.missed += length;
}

/** Makes `message` stand for the message that starts at `at` in the segment. */
export function pointTo(message: Message, segment: Segment, at: number, number: number): void {
  message.flags = flagsAt(segment, at);
  message.number = number;
  message.body = segment.bytes;
  message.start = bodyAt(segment, at);
  message.end = message.start + lengthAt(segment, at);
}
