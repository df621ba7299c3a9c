import { countMessages } from "./held.ts";
import { countOpen, listOpen } from "./open.ts";
import { countAvailable, type Queue } from "./queue.ts";
import { lengthOf, READ_AHEAD, readFrom } from "./reading.ts";
import { bodyAt, lengthAt, placeOf, type Segment } from "./segment.ts";
import type { Local } from "./state.ts";

/*
 * How many bytes the messages of a queue have that can be taken. Leased and delayed ones are on disk only, and how long
 * they are is not in memory: where there are such, those that can be taken are counted instead, until it is enough.
 */

/** Reads from the store for one look, beside those for the bytes that are needed, which may be small bodies. */
const MOST_READS = 16;
const READS_FOR_NEEDED = 4;
/** Delayed messages that are asked for at a time. */
const DELAYED_PORTION = 1000;

/** What is left to count, and how often the store may still be read. */
interface Count {
  bytes: number;
  reads: number;
}

/**
 * Whether the messages that can be taken have at least `missing` bytes. In a queue that is far above its limits, since
 * these were lowered, only `length` bytes are looked for where that takes reading: what is above the limit goes anyway.
 * @throws StoreError
 */
export function canFree(local: Local, queue: Queue, missing: number, length: number): boolean {
  const { delivery } = queue;
  if (delivery === undefined || countMessages(queue) === countAvailable(queue) + countOpen(queue)) {
    let openBytes = 0;
    for (const open of listOpen(queue)) openBytes += open.length;
    return queue.bytes - openBytes >= missing;
  }
  const needed = missing - length <= READ_AHEAD ? missing : length;
  const reads = MOST_READS + READS_FOR_NEEDED * Math.ceil(needed / READ_AHEAD);
  const count = { bytes: needed, reads };
  countReturned(local, queue, count);
  if (count.bytes > 0) countFromHead(local, queue, count);
  return count.bytes <= 0;
}

/** Counts messages that were put back. */
function countReturned(local: Local, queue: Queue, count: Count): void {
  const { stored, restored, returned = [] } = queue;
  let at = 0;
  while (at < returned.length && count.bytes > 0 && count.reads > 0) {
    const number = returned[at] as number;
    if (number >= stored.tail || restored !== undefined) {
      if (number < stored.tail) count.reads--;
      count.bytes -= lengthOf(local, queue, number);
      at++;
      continue;
    }
    count.reads--;
    const end = visit(readFrom(queue, local.store, number), number, (each, length) => {
      while ((returned[at] ?? Infinity) < each) at++;
      if (returned[at] !== each) return true;
      at++;
      count.bytes -= length;
      return count.bytes > 0;
    });
    // What the store has not is lost.
    while ((returned[at] ?? Infinity) < Math.max(end, number + 1)) at++;
  }
}

/** Counts messages from the head on that are not delayed. */
function countFromHead({ store }: Local, queue: Queue, count: Count): void {
  const { id, tail, stored, segments = [] } = queue;
  const skipped = new Set(queue.delivery?.changes?.set);
  let number = queue.head;
  while (number < tail && count.bytes > 0 && count.reads-- > 0) {
    const delayed = number < stored.tail ? store.delayedFrom(id, number, DELAYED_PORTION) : [];
    for (const each of delayed) skipped.add(each);
    const known = delayed.length === DELAYED_PORTION ? (delayed.at(-1) as number) + 1 : tail;
    const found = number < stored.tail ? readFrom(queue, store, number) : segments;
    const end = visit(found, number, (each, length) => {
      if (each >= known) return false;
      if (!skipped.has(each)) count.bytes -= length;
      return count.bytes > 0;
    });
    number = Math.max(Math.min(end, known), number + 1);
    if (found.length === 0) number = Math.max(number, stored.tail);
  }
}

/** Visits the messages of segments from number `from` on, until one is the last. @returns the number behind all of them */
function visit(
  segments: readonly Segment[],
  from: number,
  each: (number: number, length: number) => boolean,
): number {
  for (const segment of segments) {
    const first = Math.max(from, segment.first);
    if (first >= segment.end) continue;
    let at = placeOf(segment, first);
    for (let number = first; number < segment.end; number++) {
      const length = lengthAt(segment, at);
      if (!each(number, length)) return number;
      at = bodyAt(segment, at) + length;
    }
  }
  return segments.at(-1)?.end ?? from;
}
