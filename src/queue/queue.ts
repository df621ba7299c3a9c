import type { Store } from "../store/store.ts";
import type { StoredSegment } from "./batch.ts";
import { dropAll, dropBack, dropFront, holdBack, holdFront, type Memory } from "./memory.ts";
import type { Message } from "./message.ts";
import {
  appendMessage,
  appendPacked,
  bodyAt,
  flagsAt,
  HEAD,
  hasRoom,
  LARGE_BODY,
  largeSegment,
  lengthAt,
  newSegment,
  packedSegment,
  resetSegment,
  type Segment,
  segmentCost,
  SEGMENT_BYTES,
  skipTo,
} from "./segment.ts";

/**
 * One queue. The messages from `head` up to `tail` are in it; those before `loaded` are in memory, at the front of
 * `segments`, and the others in the store. What the current batch set is at the back of `segments` until it is
 * committed, so between the two there may be a gap that only the store knows.
 */
export interface Queue {
  readonly id: number;
  readonly name: string;
  /** Number of the next message to be taken. */
  head: number;
  /** Number of the next message to be set. */
  tail: number;
  loaded: number;
  segments: Segment[];
  /** Head and tail as of the last commit. */
  storedHead: number;
  storedTail: number;
  /** The current batch changes it. */
  touched: boolean;
}

/** How much is read from the store at once, in bytes. */
const READ_AHEAD = 256 * 1024;

export function newQueue(id: number, name: string, head: number, tail: number): Queue {
  return {
    id,
    name,
    head,
    tail,
    loaded: head,
    segments: [],
    storedHead: head,
    storedTail: tail,
    touched: false,
  };
}

/** Adds a message: its body is the bytes of `source` from `start` up to `end`, all of `source` when `alone`. */
export function append(
  queue: Queue,
  memory: Memory,
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
  if (length >= LARGE_BODY) {
    const body = alone ? source : Buffer.from(source.subarray(start, end));
    holdBack(memory, queue, largeSegment(number, flags, body));
    return;
  }
  let last = queue.segments.at(-1);
  if (last === undefined || last.end !== number || !hasRoom(last, length)) {
    last = newSegment(number, HEAD + length);
    holdBack(memory, queue, last);
  }
  const before = last.bytes.length;
  appendMessage(last, flags, source, start, end);
  memory.used += last.bytes.length - before;
}

/** Takes the oldest message, into `message`: false when there is none. What it points to is good until the next append. */
export function take(queue: Queue, memory: Memory, store: Store, message: Message): boolean {
  if (queue.head === queue.tail) return false;
  if (queue.head >= queue.loaded) load(queue, memory, store);
  const front = queue.segments[0] as Segment;
  const at = front.cursor;
  message.flags = flagsAt(front, at);
  message.number = queue.head;
  message.bytes = front.bytes;
  message.start = bodyAt(front, at);
  message.end = message.start + lengthAt(front, at);
  front.cursor = message.end;
  queue.head++;
  if (queue.head === front.end) retireFront(queue, memory, front);
  return true;
}

/** A queue that is drained as fast as it fills goes on using one and the same segment. */
function retireFront(queue: Queue, memory: Memory, front: Segment): void {
  if (front.large || queue.head !== queue.tail) dropFront(memory, queue);
  else resetSegment(front, queue.head);
}

/** Reads the next messages from the store, when none of them is in memory. */
function load(queue: Queue, memory: Memory, store: Store): void {
  if (queue.head >= queue.storedTail) throw new Error(`queue ${queue.id} lost its memory`);
  const segments = unpack(store.read(queue.id, queue.head, READ_AHEAD), queue.head);
  holdFront(memory, queue, segments);
  queue.loaded = (segments.at(-1) as Segment).end;
  if (queue.loaded >= queue.storedTail) queue.loaded = queue.tail;
}

/** Brings stored segments into the shape they have in memory; `head` is the first message that is wanted. */
function unpack(stored: StoredSegment[], head: number): Segment[] {
  const segments: Segment[] = [];
  for (const { first, count, flags, body } of stored) {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    if (bytes.length < LARGE_BODY) addSmall(segments, first, count, flags, bytes);
    else if (count > 1) segments.push(packedSegment(first, count, bytes));
    else segments.push(largeSegment(first, flags, bytes));
  }
  skipTo(segments[0] as Segment, head);
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
  if (last === undefined || !hasRoom(last, bytes.length)) {
    last = newSegment(first, SEGMENT_BYTES / 8);
    segments.push(last);
  }
  if (count > 1) appendPacked(last, count, bytes);
  else appendMessage(last, flags, bytes, 0, bytes.length);
}

/** Adds what the current batch set, and nobody took yet, to `into`. */
export function collectUnsaved(queue: Queue, into: StoredSegment[]): void {
  const { segments, storedTail } = queue;
  let index = segments.length;
  while (index > 0 && (segments[index - 1] as Segment).end > storedTail) index--;
  for (; index < segments.length; index++) {
    const stored = unsaved(queue, segments[index] as Segment);
    if (stored !== undefined) into.push(stored);
  }
}

function unsaved(queue: Queue, segment: Segment): StoredSegment | undefined {
  const taken = queue.head > segment.first && queue.head >= queue.storedTail;
  const at = taken ? segment.cursor : segment.saved;
  const first = Math.max(segment.first, queue.head, queue.storedTail);
  const count = segment.end - first;
  if (count === 0) return undefined;
  const start = count === 1 ? bodyAt(segment, at) : at;
  return {
    queue: queue.id,
    first,
    count,
    flags: count === 1 ? flagsAt(segment, at) : 0,
    body: segment.bytes.subarray(start, segment.used),
  };
}

/** The current batch is in the store. */
export function markSaved(queue: Queue, memory: Memory): void {
  for (let i = queue.segments.length - 1; i >= 0; i--) {
    const segment = queue.segments[i] as Segment;
    if (segment.end <= queue.storedTail) break;
    segment.saved = segment.used;
  }
  queue.storedHead = queue.head;
  queue.storedTail = queue.tail;
  queue.touched = false;
  if (queue.loaded < queue.tail) dropBeyond(queue, memory, queue.loaded);
}

function dropBeyond(queue: Queue, memory: Memory, number: number): void {
  while ((queue.segments.at(-1)?.first ?? 0) >= number) dropBack(memory, queue);
}

/** Nothing of the current batch happened: back to what the store has. */
export function rollBack(queue: Queue, memory: Memory): void {
  dropAll(memory, queue);
  queue.head = queue.storedHead;
  queue.tail = queue.storedTail;
  queue.loaded = queue.head;
  queue.touched = false;
}

/** Lets go of messages in memory, the newest first, until `bytes` are free. All must be in the store. */
export function letGo(queue: Queue, memory: Memory, bytes: number): void {
  let freed = 0;
  while (queue.segments.length > 0 && freed < bytes) {
    const last = queue.segments.at(-1) as Segment;
    freed += segmentCost(last);
    dropBack(memory, queue);
    queue.loaded = Math.max(queue.head, Math.min(queue.loaded, last.first));
  }
}
