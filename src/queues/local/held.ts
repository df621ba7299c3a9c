import { type Cache, spendFront } from "./cache.ts";
import { countWaiting } from "./delivery.ts";
import { addOpen, countOpen, findOpen, listOpen, removeOpen } from "./open.ts";
import { countAvailable, type LocalConsumer, type Message, noteGone, type Queue } from "./queue.ts";

/*
 * Held messages of a queue: those that were taken, and are not gone. A consumer has them open, or they were returned.
 */

/** The taken message stays in the queue until its consumer closes it or gives it back. */
export function keepOpen(
  queue: Queue,
  consumer: LocalConsumer,
  message: Message,
  openedAt: number,
): void {
  const { number, start, end } = message;
  addOpen(queue, { number, consumer, length: end - start, openedAt });
  (queue.opened ??= []).push(number);
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

/** The consumer has the message open no longer. What becomes of it is the caller's. */
export function removeFromOpen(queue: Queue, consumer: LocalConsumer, number: number): void {
  consumer.open.delete(queue);
  removeOpen(queue, number);
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

/** All messages that the consumer has open go back. @returns their queues */
export function abortAll(consumer: LocalConsumer): Queue[] {
  const queues = [...consumer.open.keys()];
  for (const queue of queues) abortOpen(queue, consumer);
  return queues;
}

/** The queue is deleted for good: no consumer has a message of it open any more. */
export function abandonOpen(queue: Queue): void {
  for (const { consumer } of listOpen(queue)) consumer.open.delete(queue);
  queue.open = undefined;
}

/** Makes message `number`, which was taken, available again, before all younger ones. */
export function putBack(queue: Queue, number: number): void {
  const returned = (queue.returned ??= []);
  let at = returned.length;
  while (at > 0 && (returned[at - 1] as number) > number) at--;
  returned.splice(at, 0, number);
}

/** Makes many messages available again. @param numbers in any order, none of them available */
export function putBackAll(queue: Queue, numbers: number[]): void {
  numbers.sort((a, b) => a - b);
  const returned = (queue.returned ??= []);
  const before = returned.length;
  returned.length += numbers.length;
  // From the back: most of them are younger than all that are there.
  let old = before - 1;
  let next = numbers.length - 1;
  for (let at = returned.length - 1; next >= 0; at--) {
    const isOldLater = old >= 0 && (returned[old] as number) > (numbers[next] as number);
    returned[at] = (isOldLater ? returned[old--] : numbers[next--]) as number;
  }
}

/** The first of the returned messages is taken, or lost. */
export function dropReturned(queue: Queue): void {
  queue.returned?.shift();
  if (queue.returned?.length === 0) queue.returned = undefined;
}

/** The message is no longer among those that were put back. @returns false when it was not */
export function takeReturned(queue: Queue, number: number): boolean {
  const { returned } = queue;
  const at = returned === undefined ? -1 : lowerBound(returned, number);
  if (returned?.[at] !== number) return false;
  returned.splice(at, 1);
  if (returned.length === 0) queue.returned = undefined;
  return true;
}

/** Whether the message was put back, and can be taken. */
export function isReturned({ returned }: Queue, number: number): boolean {
  return returned?.[lowerBound(returned, number)] === number;
}

/**
 * Drops all messages that can be taken. Delayed ones are below the head then. Where there are such or leased ones, `bytes`
 * still counts what was dropped.
 */
export function empty(queue: Queue, cache: Cache): void {
  while (queue.segments !== undefined) spendFront(cache, queue);
  for (const number of queue.returned ?? []) noteGone(queue, number, 0);
  // Below the head, what is in the queue has a row.
  if (queue.head < queue.tail && queue.gone < queue.tail - 1) queue.gone = queue.tail - 1;
  queue.returned = undefined;
  queue.head = queue.tail;
  queue.loaded = queue.tail;
  queue.recount = undefined;
  if (queue.delivery !== undefined) {
    queue.delivery.ahead = 0;
    return;
  }
  queue.bytes = 0;
  for (const { length } of listOpen(queue)) queue.bytes += length;
}

/** How many messages are in the queue, also those that are open, leased or wait for their time. */
export function countMessages(queue: Queue): number {
  const { delivery } = queue;
  const leased = delivery === undefined ? 0 : delivery.leases.size;
  return countAvailable(queue) + countOpen(queue) + leased + countWaiting(delivery);
}

/** Number of the oldest message in the queue, open ones too; 0 when it is empty. */
export function oldestNumber(queue: Queue): number {
  let oldest = queue.returned?.[0] ?? (queue.head < queue.tail ? queue.head : 0);
  for (const { number } of listOpen(queue)) {
    if (oldest === 0 || number < oldest) oldest = number;
  }
  return oldest;
}

/**
 * Adds the held numbers from `from` up to `to` to a list: the returned ones, ascending, then open ones in any order.
 */
export function addHeld(queue: Queue, from: number, to: number, numbers: number[]): void {
  addReturned(queue, from, to, numbers, Infinity);
  // The head may pass a few messages while thousands are open, or millions while one is.
  if (to - from < countOpen(queue)) {
    for (let number = from; number < to; number++) {
      if (findOpen(queue, number) !== undefined) numbers.push(number);
    }
  } else {
    for (const { number } of listOpen(queue))
      if (number >= from && number < to) numbers.push(number);
  }
}

/** Adds the returned numbers from `from` up to `to`, at most `most`, ascending. */
export function addReturned(
  queue: Queue,
  from: number,
  to: number,
  numbers: number[],
  most: number,
): void {
  const returned = queue.returned ?? [];
  const first = lowerBound(returned, from);
  for (let i = first; i < returned.length && i - first < most; i++) {
    const number = returned[i] as number;
    if (number >= to) break;
    numbers.push(number);
  }
}

/** The index of the first number in the ascending list that is not below `number`. */
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
