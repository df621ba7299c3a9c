import type { Batch, Position, StoredSegment } from "../../store/batch.ts";
import { type Cache, dropAll, dropBack, dropSpent, NONE } from "./cache.ts";
import { addHeld } from "./held.ts";
import { countOpen, findOpen, listOpen, removeOpen } from "./open.ts";
import { listedNumbers, listedSet, type Queue } from "./queue.ts";
import { inMemory } from "./reading.ts";
import { bodyAt, flagsAt, lengthAt, part, placeOf, resetSegment, type Segment } from "./segment.ts";

/** What the store will have of the queue, and the numbers that get a row because the head has moved past them. */
export interface Saving {
  position: Position;
  listed: readonly number[];
}

/** What the store should have. Held messages behind the last one that is gone need no rows. */
export function savingOf(queue: Queue): Saving {
  const { id, tail, bytes, gone, stored } = queue;
  const head = Math.max(stored.head, gone + 1);
  const position = { queue: id, head, tail, bytes };
  if (queue.returned.length === 0 && queue.open === undefined) return { position, listed: NONE };
  const listed: number[] = [];
  if (head > stored.head) addHeld(queue, stored.head, head, listed);
  for (const { number } of queue.restored) listed.push(number);
  return { position, listed };
}

/** Whether there is nothing to save. */
export function isUnchanged({ stored, unlisted, restored }: Queue, saving: Saving): boolean {
  const { head, tail, bytes } = saving.position;
  return (
    head === stored.head &&
    tail === stored.tail &&
    bytes === stored.bytes &&
    saving.listed.length === 0 &&
    unlisted.length === 0 &&
    restored.length === 0
  );
}

/** Adds what the group changed in the queue to the batch. */
export function addToBatch(queue: Queue, { position, listed }: Saving, batch: Batch): void {
  addUnsaved(queue, batch.segments);
  batch.positions.push(position);
  for (const number of listed) batch.held.push({ queue: queue.id, number });
  for (const number of queue.unlisted) batch.released.push({ queue: queue.id, number });
}

/** Adds what the group set, and is still in the queue. */
function addUnsaved(queue: Queue, into: StoredSegment[]): void {
  const { segments, stored } = queue;
  if (queue.returned.length > 0 || queue.open !== undefined) addHeldUnsaved(queue, into);
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

function addHeldUnsaved(queue: Queue, into: StoredSegment[]): void {
  for (const { segment } of queue.restored) {
    if (segment !== undefined) into.push(slice(queue, segment, segment.first, segment.end, 0));
  }
  if (queue.head <= queue.stored.tail) return;
  const numbers: number[] = [];
  addHeld(queue, queue.stored.tail, queue.head, numbers);
  for (const number of numbers.sort((a, b) => a - b)) {
    const segment = inMemory(queue, number);
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

/** The group is in the store, and `saving` with it. */
export function markSaved(queue: Queue, cache: Cache, { position, listed }: Saving): void {
  for (let i = queue.segments.length - 1; i >= 0; i--) {
    const segment = queue.segments[i] as Segment;
    if (segment.end <= queue.stored.tail) break;
    segment.saved = segment.used;
  }
  if (listed.length > 0 || queue.unlisted.length > 0) changeListed(queue, listed);
  queue.stored = position;
  queue.gone = Math.max(queue.gone, position.head - 1);
  queue.touched = false;
  queue.opened = NONE;
  queue.restored = NONE;
  if (queue.spent.length > 0) dropSpent(cache, queue);
  if (queue.loaded < queue.tail) dropBeyond(queue, cache, queue.loaded);
  else if (queue.head === queue.tail) reuseSegment(queue, cache);
}

function changeListed(queue: Queue, listed: readonly number[]): void {
  const numbers = listedNumbers(queue);
  for (const number of listed) numbers.add(number);
  for (const number of queue.unlisted) numbers.delete(number);
  if (numbers.size === 0) queue.listed = listedSet([]);
  queue.unlisted = NONE;
}

function dropBeyond(queue: Queue, cache: Cache, number: number): void {
  while ((queue.segments.at(-1)?.first ?? 0) >= number) dropBack(cache, queue);
}

function reuseSegment(queue: Queue, cache: Cache): void {
  const last = queue.segments.at(-1);
  if (last === undefined) return;
  if (last.large) dropBack(cache, queue);
  else resetSegment(last, queue.head);
}

/** Nothing of the group happened: back to what the store has. What was open before it, and is not closed, is open still. */
export function rollBack(queue: Queue, cache: Cache): void {
  const { stored } = queue;
  dropAll(cache, queue);
  for (const number of queue.opened) {
    removeOpen(queue, number)?.consumer.open.delete(queue);
  }
  queue.opened = NONE;
  queue.unlisted = NONE;
  queue.restored = NONE;
  queue.gone = stored.head - 1;
  queue.tail = stored.tail;
  queue.bytes = stored.bytes;
  queue.touched = false;
  // What went meanwhile is back: it is counted from the start.
  queue.recount = undefined;
  restoreHeld(queue);
}

/** The held messages by what the store has: those that are open, and all others are returned. */
export function restoreHeld(queue: Queue): void {
  const { stored } = queue;
  queue.head = stored.head;
  for (const { number } of listOpen(queue)) queue.head = Math.max(queue.head, number + 1);
  const returned: number[] = [];
  for (const number of queue.listed)
    if (findOpen(queue, number) === undefined) returned.push(number);
  returned.sort((a, b) => a - b);
  for (let number = stored.head; number < queue.head; number++) {
    if (findOpen(queue, number) === undefined) returned.push(number);
  }
  queue.returned = returned.length === 0 ? NONE : returned;
  queue.loaded = queue.head;
}

/** What is wrong with the books of a queue, if anything is. Cheap enough for each commit. */
export function faultOf(queue: Queue): string | undefined {
  if (queue.head > queue.tail) return `head ${queue.head} beyond tail ${queue.tail}`;
  if (queue.bytes < 0) return `${queue.bytes} bytes`;
  if (countOpen(queue) === 0 && queue.returned.length === 0 && queue.head === queue.tail) {
    if (queue.bytes !== 0 && queue.recount === undefined) return `${queue.bytes} bytes, and empty`;
  }
  return undefined;
}
