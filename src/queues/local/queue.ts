import { HEAD, type Position } from "../../store/batch.ts";
import type { StoredQueue } from "../../store/store.ts";
import { type Cache, holdBack, NONE, spendFront } from "./cache.ts";
import { countOpen, type OpenMessages } from "./open.ts";
import {
  appendMessage,
  bodyAt,
  flagsAt,
  hasRoom,
  LARGE_BODY,
  largeSegment,
  lengthAt,
  newSegment,
  type Segment,
} from "./segment.ts";

/**
 * One queue. Each message has a number, counted from 1 in the order of the sets:
 *
 *     number    1 . . . . . . . . . . . . . . . . . . . . . . . . .
 *                     |         |            |        |        |
 *               gone, | held    |  cached    | on     | cached |
 *               but   | some    |  segments  | disk   | unsaved|
 *               held  |         |            | only   |        |
 *                     |         |            |        |        |
 *          stored.head        head        loaded  stored.tail  tail
 *
 * - From `head` up to `tail`: not yet taken. In memory are those before `loaded`, at the front of `segments`, and what the
 *   group that is being executed set, at the back of it. What lies between is on disk only.
 * - Below `head`: gone, but for those that are held: `open` by a consumer, or `returned` by one.
 * - The store counts from `stored.head`, which follows `head` only as far as messages are gone: so opening a message
 *   writes nothing. A held message that it moves past gets a row of its own in the store: these are `listed`.
 */
export interface Queue {
  readonly id: number;
  readonly name: string;
  /** Number of the next message to be taken for the first time. */
  head: number;
  /** Number of the next message to be set. */
  tail: number;
  loaded: number;
  segments: Segment[];
  /** Segments that the group used up: until it is committed, what was taken may come back. */
  spent: Segment[];
  /** Numbers of messages that were put back, ascending: they are taken before all others. */
  returned: number[];
  /** See open.ts. */
  open: OpenMessages;
  /** Numbers of the messages that the group opened. */
  opened: number[];
  /** The largest number of a message that is gone, as far as it is not below `stored.head`. */
  gone: number;
  /** Held messages that have a row in the store, and which of these the group has made go. */
  listed: Set<number>;
  unlisted: number[];
  /** Messages that came back after they had gone, until the group is committed. */
  restored: RestoredMessage[];
  /** Bytes of the bodies of all messages in the queue, held ones too. */
  bytes: number;
  /** What the store has, as of the last commit. */
  stored: Position;
  /** The group uses it. */
  touched: boolean;
  /** Its bytes are being counted anew, because messages were lost. */
  recount: Recount | undefined;
}

export interface RestoredMessage {
  number: number;
  /** The message alone, when the store has it no more. */
  segment: Segment | undefined;
}

/** How far the counting of a damaged queue's bytes is. */
export interface Recount {
  /** Bytes that the queue was thought to have when counting began, and of messages that came before they were counted. */
  total: number;
  /** Number of the next message to be counted. */
  next: number;
  /** Bytes counted so far. */
  bytes: number;
  /** Bytes of messages that went before they were counted. */
  missed: number;
}

/** A message where it lies: its body is the bytes of `body` from `start` up to `end`. An operation is one, too. */
export interface Message {
  flags: number;
  number: number;
  body: Buffer;
  start: number;
  end: number;
}

/** What all queues share that have none: most queues, and there may be very many. */
const NOTHING_LISTED = new Set<number>();

export function newMessage(): Message {
  return { flags: 0, number: 0, body: Buffer.alloc(0), start: 0, end: 0 };
}

/** A queue as the store has it. */
export function newQueue({ queue, name, head, tail, bytes, held }: StoredQueue): Queue {
  return {
    id: queue,
    name,
    head,
    tail,
    loaded: head,
    segments: NONE,
    spent: NONE,
    returned: held.length === 0 ? NONE : [...held],
    open: undefined,
    opened: NONE,
    gone: head - 1,
    listed: listedSet(held),
    unlisted: NONE,
    restored: NONE,
    bytes,
    stored: { queue, head, tail, bytes },
    touched: false,
    recount: undefined,
  };
}

/** How many messages are in the queue, open ones too. */
export function countMessages(queue: Queue): number {
  return queue.tail - queue.head + queue.returned.length + countOpen(queue);
}

/** How many messages can be taken. */
export function countAvailable(queue: Queue): number {
  return queue.tail - queue.head + queue.returned.length;
}

/** These numbers as a set, which all queues share that have none. */
export function listedSet(numbers: readonly number[]): Set<number> {
  return numbers.length === 0 ? NOTHING_LISTED : new Set(numbers);
}

/** The listed numbers, in a set of the queue's own. */
export function listedNumbers(queue: Queue): Set<number> {
  if (queue.listed === NOTHING_LISTED) queue.listed = new Set();
  return queue.listed;
}

/** Adds a message: its body is the bytes of `source` from `start` up to `end`, all of `source` when `alone`. */
export function append(
  queue: Queue,
  cache: Cache,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
  alone: boolean,
): void {
  const length = end - start;
  const number = queue.tail;
  if (queue.loaded === number) queue.loaded++;
  queue.tail++;
  noteCome(queue, number, length);
  if (length >= LARGE_BODY) {
    const body = alone ? source : Buffer.from(source.subarray(start, end));
    holdBack(cache, queue, largeSegment(number, flags, body));
    return;
  }
  let last = queue.segments.at(-1);
  if (last === undefined || last.end !== number || !hasRoom(last, length)) {
    last = newSegment(number, HEAD + length);
    holdBack(cache, queue, last);
  }
  const before = last.bytes.length;
  appendMessage(last, flags, source, start, end);
  cache.used += last.bytes.length - before;
}

/** Takes the message that was found at the head: it is no longer available. */
export function consumeHead(queue: Queue, cache: Cache, message: Message): void {
  if (message.number < queue.head) {
    queue.returned.shift();
    return;
  }
  const front = queue.segments[0] as Segment;
  front.cursor = message.end;
  queue.head++;
  // A queue that is drained as fast as it fills goes on using one and the same segment.
  if (queue.head === front.end && queue.head !== queue.tail) spendFront(cache, queue);
}

/** The message has come into the queue, or back into it after it had gone. */
export function noteCome(queue: Queue, number: number, length: number): void {
  queue.bytes += length;
  const { recount } = queue;
  if (recount !== undefined && number >= recount.next) recount.total += length;
}

/** The message has left the queue for good. */
export function noteGone(queue: Queue, number: number, length: number): void {
  queue.bytes -= length;
  if (number >= queue.stored.head) {
    if (number > queue.gone) queue.gone = number;
  } else if (queue.listed.has(number)) {
    if (queue.unlisted === NONE) queue.unlisted = [];
    queue.unlisted.push(number);
  } else if (queue.restored.length > 0) {
    queue.restored = queue.restored.filter((restored) => restored.number !== number);
  }
  const { recount } = queue;
  if (recount !== undefined && number >= recount.next) recount.missed += length;
}

export function pointTo(message: Message, segment: Segment, at: number, number: number): void {
  message.flags = flagsAt(segment, at);
  message.number = number;
  message.body = segment.bytes;
  message.start = bodyAt(segment, at);
  message.end = message.start + lengthAt(segment, at);
}
