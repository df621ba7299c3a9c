import { HEAD } from "../../store/batch.ts";
import { addBack, type Cache } from "./cache.ts";
import { noteAdded, type Queue } from "./queue.ts";
import { appendMessage, hasRoom, LARGE_BODY, largeSegment, newSegment } from "./segment.ts";

/**
 * Adds a message at the tail of the queue.
 * @param source its body is the bytes from `start` up to `end`
 * @param arrived when it was committed first, in milliseconds since 1970; 0: with this group
 * @param alone `source` is the body and nothing else: it may be kept without a copy
 */
export function append(
  queue: Queue,
  cache: Cache,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
  alone: boolean,
  arrived = 0,
): void {
  const length = end - start;
  const number = queue.tail;
  if (queue.loaded === number) queue.loaded++;
  queue.tail++;
  noteAdded(queue, number, length);
  if (length >= LARGE_BODY) {
    const body = alone ? source : Buffer.from(source.subarray(start, end));
    const segment = largeSegment(number, flags, body);
    segment.arrived = arrived;
    addBack(cache, queue, segment);
    return;
  }
  let last = queue.segments?.at(-1);
  const isSame = last !== undefined && last.end === number && last.arrived === arrived;
  if (last === undefined || !isSame || !hasRoom(last, length)) {
    last = newSegment(number, HEAD + length);
    last.arrived = arrived;
    addBack(cache, queue, last);
  }
  const before = last.bytes.length;
  appendMessage(last, flags, source, start, end);
  cache.used += last.bytes.length - before;
}
