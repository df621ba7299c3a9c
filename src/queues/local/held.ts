import { type Cache, spendFront } from "./cache.ts";
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

/** The first of the returned messages is taken, or lost. */
export function dropReturned(queue: Queue): void {
  queue.returned?.shift();
  if (queue.returned?.length === 0) queue.returned = undefined;
}

/** Drops all messages but the open ones. */
export function empty(queue: Queue, cache: Cache): void {
  while (queue.segments !== undefined) spendFront(cache, queue);
  for (const number of queue.returned ?? []) noteGone(queue, number, 0);
  if (queue.head < queue.tail) noteGone(queue, queue.tail - 1, 0);
  queue.returned = undefined;
  queue.head = queue.tail;
  queue.loaded = queue.tail;
  queue.bytes = 0;
  for (const { length } of listOpen(queue)) queue.bytes += length;
  queue.recount = undefined;
}

/** How many messages are in the queue, open ones too. */
export function countMessages(queue: Queue): number {
  return countAvailable(queue) + countOpen(queue);
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
  const returned = queue.returned ?? [];
  for (let i = lowerBound(returned, from); i < returned.length; i++) {
    const number = returned[i] as number;
    if (number >= to) break;
    numbers.push(number);
  }
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
