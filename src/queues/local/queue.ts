import { HEAD, type Position, type StoredSegment } from "../../store/batch.ts";
import type { Store } from "../../store/store.ts";
import {
  dropAll,
  dropBack,
  dropSpent,
  holdBack,
  holdFront,
  type Memory,
  NONE,
  own,
  spendFront,
} from "./cache.ts";
import type { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import {
  appendMessage,
  appendPacked,
  bodyAt,
  flagsAt,
  hasRoom,
  LARGE_BODY,
  largeSegment,
  lengthAt,
  newSegment,
  packedSegment,
  part,
  placeOf,
  resetSegment,
  type Segment,
  SEGMENT_BYTES,
  segmentCost,
} from "./segment.ts";

/**
 * One queue. The messages from `head` up to `tail` are in it; those before `loaded` are in memory, at the front of
 * `segments`, and the others in the store. What the current batch set is at the back of `segments` until it is
 * committed, so between the two there may be a gap that only the store knows.
 *
 * Some messages before `head` are in the queue, too: those that a consumer has open, and those that were put back.
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
  /** Segments that the current batch used up: until it is committed, what was taken may come back. */
  spent: Segment[];
  /** Numbers of the messages that were put back, ascending: they are taken before all others. */
  returned: number[];
  open: Map<number, OpenMessage>;
  /** Numbers of the messages that the current batch opened. */
  opened: number[];
  /** The numbers of all that are returned or open, ascending, until that changes: there may be thousands. */
  held: readonly number[] | undefined;
  /** Bytes of the bodies of all messages in the queue, open ones too. */
  bytes: number;
  /** What the store has, as of the last commit. */
  stored: Position;
  /** The current batch changes it. */
  touched: boolean;
}

/** A message that a consumer has taken, and neither closed nor given back. */
export interface OpenMessage {
  consumer: Consumer;
  /** Of the body, in bytes. */
  length: number;
}

/** How much is read from the store at once, in bytes. */
const READ_AHEAD = 256 * 1024;
/** What all queues that have none of them share: most queues, and there may be very many. Nothing is put into it. */
const NOTHING_OPEN = new Map<number, OpenMessage>();

export function newQueue(name: string, stored: Position): Queue {
  const { queue, head, tail, bytes, held } = stored;
  return {
    id: queue,
    name,
    head,
    tail,
    loaded: head,
    segments: NONE,
    spent: NONE,
    returned: held.length === 0 ? NONE : [...held],
    open: NOTHING_OPEN,
    opened: NONE,
    held: undefined,
    bytes,
    stored,
    touched: false,
  };
}

/** How many messages are in the queue, open ones too. */
export function countMessages(queue: Queue): number {
  return queue.tail - queue.head + queue.returned.length + queue.open.size;
}

/** Whether a message can be taken. */
export function isAvailable(queue: Queue): boolean {
  return queue.head < queue.tail || queue.returned.length > 0;
}

/** Number of the oldest message in the queue, an open one too; 0 when it is empty. */
export function oldestNumber(queue: Queue): number {
  const [held = 0] = heldNumbers(queue);
  return held !== 0 || queue.head === queue.tail ? held : queue.head;
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
  queue.bytes += length;
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

/**
 * Finds the oldest message that can be taken, and leaves it; there must be one. What `message` points to is good until
 * the batch is committed.
 */
export function look(queue: Queue, memory: Memory, store: Store, message: Message): void {
  const returned = queue.returned[0];
  if (returned !== undefined) return find(queue, store, returned, message);
  if (queue.segments[0]?.end === queue.head) spendFront(memory, queue);
  if (queue.head >= queue.loaded) load(queue, memory, store);
  const front = queue.segments[0] as Segment;
  pointTo(message, front, front.cursor, queue.head);
}

/** Takes the message that {@link look} found: it is no longer available. */
export function advance(queue: Queue, memory: Memory, message: Message): void {
  if (message.number < queue.head) {
    queue.returned.shift();
    queue.held = undefined;
    return;
  }
  const front = queue.segments[0] as Segment;
  front.cursor = message.end;
  queue.head++;
  // A queue that is drained as fast as it fills goes on using one and the same segment.
  if (queue.head === front.end && queue.head !== queue.tail) spendFront(memory, queue);
}

/** The message that {@link advance} took stays in the queue until its consumer says what becomes of it. */
export function keepOpen(queue: Queue, consumer: Consumer, message: Message): void {
  if (queue.open === NOTHING_OPEN) queue.open = new Map();
  queue.open.set(message.number, { consumer, length: message.end - message.start });
  queue.opened = own(queue.opened);
  queue.opened.push(message.number);
  queue.held = undefined;
  consumer.open.set(queue, message.number);
}

/** The consumer is done with the message that it has open: false when it has none. */
export function closeOpen(queue: Queue, consumer: Consumer): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  consumer.open.delete(queue);
  queue.held = undefined;
  queue.bytes -= queue.open.get(number)?.length ?? 0;
  return queue.open.delete(number);
}

/** The message that the consumer has open goes back to the head: false when it has none. */
export function abortOpen(queue: Queue, consumer: Consumer): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  consumer.open.delete(queue);
  if (queue.open.delete(number)) putBack(queue, number);
  return true;
}

/** The queue is gone for good: nobody has a message of it open any more. */
export function abandon(queue: Queue): void {
  for (const { consumer } of queue.open.values()) consumer.open.delete(queue);
}

/** Makes message `number`, which was taken, available again, before all younger ones. */
export function putBack(queue: Queue, number: number): void {
  const returned = (queue.returned = own(queue.returned));
  queue.held = undefined;
  let at = returned.length;
  while (at > 0 && (returned[at - 1] as number) > number) at--;
  returned.splice(at, 0, number);
}

/** Drops all messages but the open ones. */
export function empty(queue: Queue, memory: Memory): void {
  while (queue.segments.length > 0) spendFront(memory, queue);
  queue.returned = NONE;
  queue.held = undefined;
  queue.head = queue.tail;
  queue.loaded = queue.tail;
  queue.bytes = 0;
  for (const { length } of queue.open.values()) queue.bytes += length;
}

/** Finds a message that was taken already: in the store, or among those that the current batch set. */
export function find(queue: Queue, store: Store, number: number, message: Message): void {
  const holding = ({ first, end }: Segment) => first <= number && number < end;
  const segment =
    number < queue.stored.tail
      ? (unpack(store.read(queue.id, number, 1)).find(holding) as Segment)
      : inMemory(queue, holding);
  pointTo(message, segment, placeOf(segment, number), number);
}

function inMemory(queue: Queue, holding: (segment: Segment) => boolean): Segment {
  return (queue.spent.find(holding) ?? queue.segments.find(holding)) as Segment;
}

function pointTo(message: Message, segment: Segment, at: number, number: number): void {
  message.flags = flagsAt(segment, at);
  message.number = number;
  message.bytes = segment.bytes;
  message.start = bodyAt(segment, at);
  message.end = message.start + lengthAt(segment, at);
}

/** Reads the next messages from the store, when none of them is in memory. */
function load(queue: Queue, memory: Memory, store: Store): void {
  const { head, stored } = queue;
  const segments = unpack(store.read(queue.id, head, READ_AHEAD));
  const front = segments[0] as Segment;
  front.cursor = placeOf(front, head);
  holdFront(memory, queue, segments);
  queue.loaded = (segments.at(-1) as Segment).end;
  if (queue.loaded >= stored.tail) queue.loaded = queue.tail;
}

/** Brings stored segments into the shape they have in memory. */
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
  if (last === undefined || !hasRoom(last, bytes.length)) {
    last = newSegment(first, SEGMENT_BYTES / 8);
    segments.push(last);
  }
  if (count > 1) appendPacked(last, count, bytes);
  else appendMessage(last, flags, bytes, 0, bytes.length);
}

/** Numbers of the messages before `head` that are in the queue, ascending. */
function heldNumbers(queue: Queue): readonly number[] {
  return (queue.held ??= sortHeld(queue));
}

function sortHeld({ returned, open }: Queue): readonly number[] {
  if (open.size === 0) return returned.length === 0 ? NONE : [...returned];
  const numbers = [...returned, ...open.keys()];
  // Messages are mostly opened in their order, and sorting thousands at each commit would be felt.
  const isAscending = numbers.every((number, i) => i === 0 || (numbers[i - 1] as number) < number);
  return isAscending ? numbers : numbers.sort((a, b) => a - b);
}

/** What the store should have; messages held right before the head need not be listed. */
export function positionOf(queue: Queue): Position {
  const { id, tail, bytes } = queue;
  let { head } = queue;
  if (queue.returned.length + queue.open.size === 0) {
    return { queue: id, head, tail, bytes, held: NONE };
  }
  const held = heldNumbers(queue);
  let listed = held.length;
  while (listed > 0 && held[listed - 1] === head - 1) {
    listed--;
    head--;
  }
  // As long as nothing changes it is the very same list, which spares others a look at it.
  const all = listed === held.length;
  return { queue: id, head, tail, bytes, held: all ? held : held.slice(0, listed) };
}

/** Adds what the current batch set, and is still in the queue, to `into`. */
export function collectUnsaved(queue: Queue, into: StoredSegment[]): void {
  const { segments, stored } = queue;
  if (queue.returned.length + queue.open.size > 0) collectHeld(queue, into);
  let index = segments.length;
  while (index > 0 && (segments[index - 1] as Segment).end > stored.tail) index--;
  for (; index < segments.length; index++) {
    const segment = segments[index] as Segment;
    const first = Math.max(segment.first, queue.head, stored.tail);
    if (first === segment.end) continue;
    const taken = queue.head > segment.first && queue.head >= stored.tail;
    into.push(slice(queue, segment, first, segment.end, taken ? segment.cursor : segment.saved));
  }
}

function collectHeld(queue: Queue, into: StoredSegment[]): void {
  for (const number of heldNumbers(queue)) {
    if (number < queue.stored.tail) continue;
    const segment = inMemory(queue, ({ first, end }) => first <= number && number < end);
    into.push(slice(queue, segment, number, number + 1, placeOf(segment, number)));
  }
}

/** The messages from `first` up to `end` of a segment, the first of which starts at `at`, as the store keeps them. */
function slice(
  queue: Queue,
  segment: Segment,
  first: number,
  end: number,
  at: number,
): StoredSegment {
  const count = end - first;
  const start = count === 1 ? bodyAt(segment, at) : at;
  const stop = count === 1 ? start + lengthAt(segment, at) : segment.used;
  const flags = count === 1 ? flagsAt(segment, at) : 0;
  return { queue: queue.id, first, count, flags, body: part(segment, start, stop) };
}

/** The current batch is in the store, and `position` with it. */
export function markSaved(queue: Queue, memory: Memory, position: Position): void {
  for (let i = queue.segments.length - 1; i >= 0; i--) {
    const segment = queue.segments[i] as Segment;
    if (segment.end <= queue.stored.tail) break;
    segment.saved = segment.used;
  }
  queue.stored = position;
  queue.touched = false;
  queue.opened = NONE;
  if (queue.spent.length > 0) dropSpent(memory, queue);
  if (queue.loaded < queue.tail) dropBeyond(queue, memory, queue.loaded);
  else if (queue.head === queue.tail) reuseSegment(queue, memory);
}

function dropBeyond(queue: Queue, memory: Memory, number: number): void {
  while ((queue.segments.at(-1)?.first ?? 0) >= number) dropBack(memory, queue);
}

function reuseSegment(queue: Queue, memory: Memory): void {
  const last = queue.segments.at(-1);
  if (last === undefined) return;
  if (last.large) dropBack(memory, queue);
  else resetSegment(last, queue.head);
}

/** Nothing of the current batch happened: back to what the store has. What was open before it is open still. */
export function rollBack(queue: Queue, memory: Memory): void {
  const { stored, open, opened } = queue;
  dropAll(memory, queue);
  for (const number of opened) {
    open.get(number)?.consumer.open.delete(queue);
    open.delete(number);
  }
  queue.opened = NONE;
  queue.held = undefined;
  queue.head = stored.head;
  for (const number of open.keys()) queue.head = Math.max(queue.head, number + 1);
  queue.returned = stored.held.filter((number) => !open.has(number));
  for (let number = stored.head; number < queue.head; number++) {
    if (!open.has(number)) queue.returned.push(number);
  }
  queue.tail = stored.tail;
  queue.bytes = stored.bytes;
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
