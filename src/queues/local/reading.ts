import type { StoredSegment } from "../../store/batch.ts";
import type { Store } from "../../store/store.ts";
import { type Cache, holdFront, spendFront } from "./cache.ts";
import { type Message, pointTo, type Queue } from "./queue.ts";
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

/** How much is read from the store at once, in bytes. */
const READ_AHEAD = 256 * 1024;

/** Messages that are not in the store any more, or can't be read: from `first` up to `end`. */
export interface Gap {
  first: number;
  end: number;
}

/**
 * Finds the oldest message that can be taken, and leaves it; there must be one. What `message` points to is good until the
 * next group.
 * @returns the messages in its place that are lost, if there are any; `message` means nothing then
 * @throws StoreError when the store cannot be read
 */
export function peekHead(
  queue: Queue,
  cache: Cache,
  store: Store,
  message: Message,
): Gap | undefined {
  const returned = queue.returned[0];
  if (returned !== undefined) {
    const isFound = findHeld(queue, store, returned, message);
    return isFound ? undefined : { first: returned, end: returned + 1 };
  }
  if (queue.segments[0]?.end === queue.head) spendFront(cache, queue);
  if (queue.head >= queue.loaded) {
    const gap = load(queue, cache, store);
    if (gap !== undefined) return gap;
  }
  const front = queue.segments[0] as Segment;
  pointTo(message, front, front.cursor, queue.head);
  return undefined;
}

/** Finds a message that is held: false when the store has lost it. @throws StoreError when the store cannot be read */
export function findHeld(queue: Queue, store: Store, number: number, message: Message): boolean {
  const segment = segmentOf(queue, store, number);
  if (segment === undefined) return false;
  pointTo(message, segment, placeOf(segment, number), number);
  return true;
}

/** In memory is only what the group set, or got back; all else is in the store. */
function segmentOf(queue: Queue, store: Store, number: number): Segment | undefined {
  const holding = ({ first, end }: Segment) => first <= number && number < end;
  if (queue.restored.length > 0) {
    const restored = queue.restored.find((message) => message.number === number);
    if (restored?.segment !== undefined) return restored.segment;
  }
  if (number >= queue.stored.tail) return inMemory(queue, number);
  return unpack(store.read(queue.id, number, 1)).find(holding);
}

/** The row that holds a message which is not taken, or, when that is lost, the next one; undefined: there is none. */
export function findRow(queue: Queue, store: Store, number: number): Segment | undefined {
  return unpack(store.read(queue.id, number, 1))[0];
}

/** The segment in memory that holds the message, which the group set. */
export function inMemory(queue: Queue, number: number): Segment {
  const holding = ({ first, end }: Segment) => first <= number && number < end;
  return (queue.spent.find(holding) ?? queue.segments.find(holding)) as Segment;
}

/** Reads the next messages from the store, when none of them is in memory. */
function load(queue: Queue, cache: Cache, store: Store): Gap | undefined {
  const { head, stored } = queue;
  // Behind what the store has is what the group set, which is in memory.
  const read = head < stored.tail ? store.read(queue.id, head, READ_AHEAD) : [];
  const first = read[0]?.first ?? stored.tail;
  if (first > head) return { first: head, end: Math.min(first, stored.tail) };
  const segments = unpack(read);
  const front = segments[0] as Segment;
  front.cursor = placeOf(front, head);
  holdFront(cache, queue, segments);
  queue.loaded = (segments.at(-1) as Segment).end;
  if (queue.loaded >= stored.tail) queue.loaded = queue.tail;
  return undefined;
}

/** Finds the oldest message that can be taken and is not lost, and changes nothing: false when there is none. */
export function findReadable(queue: Queue, store: Store, message: Message): boolean {
  for (const number of queue.returned) if (findHeld(queue, store, number, message)) return true;
  const { head, stored, segments } = queue;
  const [read] = head < stored.tail ? unpack(store.read(queue.id, head, 1)) : [];
  // What the group set is at the back of the segments.
  const segment = read ?? segments.find(({ end }) => end > Math.max(head, stored.tail));
  if (segment === undefined) return false;
  const number = Math.max(head, segment.first);
  pointTo(message, segment, placeOf(segment, number), number);
  return true;
}

/** Moves the head behind messages that are lost. */
export function skip(queue: Queue, { first, end }: Gap): void {
  if (first < queue.head) {
    queue.returned.shift();
    return;
  }
  queue.head = end;
  queue.loaded = end === queue.stored.tail ? queue.tail : end;
}

/** Brings stored segments into the shape that they have in memory. */
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

/** What was stored in small pieces is packed together again. */
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
