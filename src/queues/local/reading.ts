import type { StoredSegment } from "../../store/batch.ts";
import type { Store } from "../../store/store.ts";
import { addFront, type Cache, spendFront } from "./cache.ts";
import { firstFree, moveHead, skipDelayed } from "./delays.ts";
import { dropReturned } from "./held.ts";
import { type Message, newMessage, pointTo, type Queue } from "./queue.ts";
import {
  appendMessage,
  appendPacked,
  hasRoom,
  LARGE_BODY,
  largeSegment,
  newSegment,
  packedSegment,
  placeOf,
  type Segment,
  SEGMENT_BYTES,
} from "./segment.ts";

/** How many bytes are read from the store at once. */
export const READ_AHEAD = 256 * 1024;

/** Lost messages, from `first` up to `end`: the store does not have them, or cannot read them. */
export interface Gap {
  first: number;
  end: number;
}

/**
 * Finds the oldest message that can be taken, and leaves it there. There must be one. What `message` points to is good
 * until the next group.
 * @returns the messages in its place that are lost, if there are any; "unfinished" when there are so many delayed ones
 *   before it that the next group must look for it again; then `message` means nothing
 * @throws StoreError when the store cannot be read
 */
export function peekHead(
  queue: Queue,
  cache: Cache,
  store: Store,
  message: Message,
): Gap | "unfinished" | undefined {
  const returned = queue.returned?.[0];
  const isAhead = queue.delivery !== undefined && comesAhead(queue, cache, store, returned);
  if (isAhead === "unfinished") return "unfinished";
  if (returned !== undefined && !isAhead) {
    const isFound = findHeld(queue, store, returned, message);
    return isFound ? undefined : { first: returned, end: returned + 1 };
  }
  if (queue.segments?.[0]?.end === queue.head) spendFront(cache, queue);
  if (queue.head >= queue.loaded) {
    const gap = load(queue, cache, store);
    if (gap !== undefined) return gap;
  }
  const front = frontOf(queue);
  pointTo(message, front, front.cursor, queue.head);
  return undefined;
}

/**
 * Moves the head past delayed messages, if need be. @returns whether the message at the head comes before the first returned
 * one, which stands behind the head if it was delayed
 */
function comesAhead(
  queue: Queue,
  cache: Cache,
  store: Store,
  returned = Infinity,
): boolean | "unfinished" {
  if (returned < queue.head) return false;
  const isFound = skipDelayed(queue, cache, store);
  return returned < queue.head ? false : isFound;
}

/** The segment that the message at the head is in, once it was found. */
function frontOf({ segments }: Queue): Segment {
  return (segments as Segment[])[0] as Segment;
}

/** Takes the message that {@link peekHead} found: it is no longer available. */
export function consumeHead(queue: Queue, cache: Cache, message: Message): void {
  if (message.number === queue.returned?.[0]) return consumeReturned(queue, cache, message.number);
  const front = frontOf(queue);
  front.cursor = message.end;
  queue.head++;
  // A queue that is emptied as fast as it fills goes on using the same segment.
  if (queue.head === front.end && queue.head !== queue.tail) spendFront(cache, queue);
}

/** The first of the returned messages is taken, or lost. */
function consumeReturned(queue: Queue, cache: Cache, number: number): void {
  dropReturned(queue);
  // It was delayed, and so are all between the head and it: otherwise one of them would come first.
  if (number >= queue.head) moveHead(queue, cache, number + 1);
}

/** Finds a held message: false when it is lost. @throws StoreError when the store cannot be read */
export function findHeld(queue: Queue, store: Store, number: number, message: Message): boolean {
  const segment = segmentOf(queue, store, number);
  if (segment === undefined) return false;
  pointTo(message, segment, placeOf(segment, number), number);
  return true;
}

/** Bytes of the message's body; 0 when it is lost. @throws StoreError when the store cannot be read */
export function lengthOf({ store }: { store: Store }, queue: Queue, number: number): number {
  const message = newMessage();
  return findHeld(queue, store, number, message) ? message.end - message.start : 0;
}

/** The segment of a held message. Only what the group set or got back is in memory, all else is in the store. */
function segmentOf(queue: Queue, store: Store, number: number): Segment | undefined {
  const holding = ({ first, end }: Segment) => first <= number && number < end;
  const restored = queue.restored?.find((message) => message.number === number);
  if (restored?.segment !== undefined) return restored.segment;
  if (number >= queue.stored.tail) return inMemory(queue, number);
  return unpack(store.read(queue.id, number, 1)).find(holding);
}

/**
 * The stored segment of a message that was never taken, or the next one when it is lost; undefined when there is none.
 */
export function findRow(queue: Queue, store: Store, number: number): Segment | undefined {
  return unpack(store.read(queue.id, number, 1))[0];
}

/** The stored segments from message `number` on, as many as are read at once. They are not kept. */
export function readFrom(queue: Queue, store: Store, number: number): Segment[] {
  return unpack(store.read(queue.id, number, READ_AHEAD));
}

/** The segment in memory of a message that the group set. */
export function inMemory(queue: Queue, number: number): Segment {
  const holding = ({ first, end }: Segment) => first <= number && number < end;
  return (queue.spent?.find(holding) ?? queue.segments?.find(holding)) as Segment;
}

/**
 * Reads the messages from `head` on from the store, when they are on disk only. @returns those that are lost instead
 */
function load(queue: Queue, cache: Cache, store: Store): Gap | undefined {
  const { head, stored } = queue;
  // From `stored.tail` on, messages are in memory: the group set them.
  const read = head < stored.tail ? store.read(queue.id, head, READ_AHEAD) : [];
  const first = read[0]?.first ?? stored.tail;
  if (first > head) return { first: head, end: Math.min(first, stored.tail, endOfClear(queue)) };
  const segments = unpack(read);
  const front = segments[0] as Segment;
  front.cursor = placeOf(front, head);
  addFront(cache, queue, segments);
  queue.loaded = (segments.at(-1) as Segment).end;
  if (queue.loaded >= stored.tail) queue.loaded = queue.tail;
  return undefined;
}

/** The first delayed message behind the head, as far as that is known: no lost message is skipped past it. */
function endOfClear({ delivery }: Queue): number {
  return delivery === undefined || delivery.ahead === 0 ? Infinity : delivery.clear;
}

/** Finds the oldest message that can be taken and is not lost, without skipping lost ones: false when there is none. */
export function findReadable(queue: Queue, store: Store, message: Message): boolean {
  for (const number of queue.returned ?? []) {
    if (findHeld(queue, store, number, message)) return true;
  }
  const { stored, segments } = queue;
  const head = queue.delivery === undefined ? queue.head : firstFree(queue, store, queue.head);
  const [read] = head < stored.tail ? unpack(store.read(queue.id, head, 1)) : [];
  // What the group set is at the back of the segments.
  const segment = read ?? segments?.find(({ end }) => end > Math.max(head, stored.tail));
  if (segment === undefined) return false;
  const number = Math.max(head, segment.first);
  pointTo(message, segment, placeOf(segment, number), number);
  return true;
}

/** Moves the head past messages that are lost. */
export function skip(queue: Queue, cache: Cache, { first, end }: Gap): void {
  if (first === queue.returned?.[0]) return consumeReturned(queue, cache, first);
  queue.head = end;
  queue.loaded = end === queue.stored.tail ? queue.tail : end;
}

/** Segments in memory, made of stored ones. */
function unpack(stored: StoredSegment[]): Segment[] {
  const segments: Segment[] = [];
  for (const { first, count, flags, body } of stored) {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    if (bytes.length < LARGE_BODY) addSmall(segments, first, count, flags, bytes);
    else if (count > 1) segments.push(packedSegment(first, count, bytes));
    else segments.push(largeSegment(first, flags, bytes));
  }
  for (const segment of segments) segment.saved = segment.used;
  return segments;
}

/** Adds a stored segment that is small: it is packed with its neighbours, if it continues them. */
function addSmall(
  segments: Segment[],
  first: number,
  count: number,
  flags: number,
  bytes: Buffer,
): void {
  let last = segments.at(-1);
  if (last === undefined || last.end !== first || !hasRoom(last, bytes.length)) {
    last = newSegment(first, SEGMENT_BYTES / 8);
    segments.push(last);
  }
  if (count > 1) appendPacked(last, count, bytes);
  else appendMessage(last, flags, bytes, 0, bytes.length);
}
