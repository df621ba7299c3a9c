import { type Cache, NONE, own, spendFront } from "./cache.ts";
import type { LocalConsumer } from "./consumer.ts";
import { addOpen, countOpen, findOpen, listOpen, removeOpen } from "./open.ts";
import { type Message, noteGone, type Queue } from "./queue.ts";

/** The taken message stays in the queue until its consumer says what becomes of it. */
export function keepOpen(queue: Queue, consumer: LocalConsumer, message: Message): void {
  const { number, start, end } = message;
  addOpen(queue, { number, consumer, length: end - start });
  queue.opened = own(queue.opened);
  queue.opened.push(number);
  consumer.open.set(queue, number);
}

/** The consumer is done with the message that it has open: false when it has none. */
export function closeOpen(queue: Queue, consumer: LocalConsumer): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  consumer.open.delete(queue);
  noteGone(queue, number, removeOpen(queue, number)?.length ?? 0);
  return true;
}

/** The message that the consumer has open goes back to the head: false when it has none. */
export function abortOpen(queue: Queue, consumer: LocalConsumer): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  consumer.open.delete(queue);
  removeOpen(queue, number);
  putBack(queue, number);
  return true;
}

/** The queue is gone for good: no consumer has a message of it open any more. */
export function abandonOpen(queue: Queue): void {
  for (const { consumer } of listOpen(queue)) consumer.open.delete(queue);
  queue.open = undefined;
}

/** Makes message `number`, which was taken, available again, before all younger ones. */
export function putBack(queue: Queue, number: number): void {
  const returned = (queue.returned = own(queue.returned));
  let at = returned.length;
  while (at > 0 && (returned[at - 1] as number) > number) at--;
  returned.splice(at, 0, number);
}

/** Drops all messages but the open ones. */
export function empty(queue: Queue, cache: Cache): void {
  while (queue.segments.length > 0) spendFront(cache, queue);
  for (const number of queue.returned) noteGone(queue, number, 0);
  if (queue.head < queue.tail) noteGone(queue, queue.tail - 1, 0);
  queue.returned = NONE;
  queue.head = queue.tail;
  queue.loaded = queue.tail;
  queue.bytes = 0;
  for (const { length } of listOpen(queue)) queue.bytes += length;
  queue.recount = undefined;
}

/** Number of the oldest message in the queue, an open one too; 0 when it is empty. */
export function oldestNumber(queue: Queue): number {
  let oldest = queue.returned[0] ?? (queue.head < queue.tail ? queue.head : 0);
  for (const { number } of listOpen(queue)) {
    if (oldest === 0 || number < oldest) oldest = number;
  }
  return oldest;
}

/** Adds the held numbers from `from` up to `to` to a list, ascending among the returned ones only. */
export function addHeld(queue: Queue, from: number, to: number, numbers: number[]): void {
  const { returned } = queue;
  for (let i = lowerBound(returned, from); i < returned.length; i++) {
    const number = returned[i] as number;
    if (number >= to) break;
    numbers.push(number);
  }
  // A commit may move past a few messages while thousands are open, or past millions while one is.
  if (to - from < countOpen(queue)) {
    for (let number = from; number < to; number++) {
      if (findOpen(queue, number) !== undefined) numbers.push(number);
    }
  } else {
    for (const { number } of listOpen(queue))
      if (number >= from && number < to) numbers.push(number);
  }
}

/** Where in the ascending list the first number is that is not below `number`. */
function lowerBound(numbers: readonly number[], number: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
