import { countWaiting } from "./delivery.ts";
import { empty } from "./held.ts";
import { findOpen, listOpen } from "./open.ts";
import { countAvailable, newMessage, noteGone, type Queue } from "./queue.ts";
import { findHeld } from "./reading.ts";
import { type Local, touch } from "./state.ts";

/** Delayed messages that are dropped at a time: there may be millions. */
const PORTION = 256;

/** How far the flush of a queue is that has many delayed messages. */
export interface Flush {
  queue: Queue;
  /** Delayed messages below this number are dropped, from `next` on. */
  until: number;
  next: number;
  /** Bytes that the queue still counts of messages which are dropped, or will be. */
  rest: number;
}

/**
 * Drops what the queue holds now, but for open and leased messages. Dropped messages count as taken.
 * @param begun what the part before returned
 * @returns undefined when all is done
 */
export function flushQueue(local: Local, queue: Queue, begun?: Flush): Flush | undefined {
  if (begun !== undefined && begun.queue !== queue) return undefined;
  if (begun === undefined && countAvailable(queue) + countWaiting(queue.delivery) === 0)
    return undefined;
  const before = queue.bytes;
  touch(local, queue);
  const flush = begun ?? beginFlush(local, queue);
  const isDone = countWaiting(queue.delivery) === 0 || dropDelayed(local, flush);
  if (isDone) queue.bytes -= flush.rest;
  local.bytes += queue.bytes - before;
  return isDone ? undefined : flush;
}

function beginFlush(local: Local, queue: Queue): Flush {
  const kept = keptBytes(local, queue);
  empty(queue, local.cache);
  return { queue, until: queue.tail, next: 0, rest: queue.bytes - kept };
}

/** Bytes of the messages that a flush keeps. */
function keptBytes(local: Local, queue: Queue): number {
  let bytes = 0;
  for (const { length } of listOpen(queue)) bytes += length;
  for (const { number, bytes: known } of queue.delivery?.leases.values() ?? []) {
    bytes += known >= 0 ? known : lengthOf(local, queue, number);
  }
  return bytes;
}

/** Drops a portion of the delayed messages. @returns whether it was the last one */
function dropDelayed(local: Local, flush: Flush): boolean {
  const { queue, until } = flush;
  const { store, changes } = local;
  const drop = (number: number) => {
    const length = lengthOf(local, queue, number);
    noteGone(queue, number, length, "delayed");
    flush.rest -= length;
  };
  for (const [number, { now }] of queue.delivery?.changes?.rows ?? []) {
    if (number < until && now?.table === "delayed") drop(number);
  }
  const numbers = store.delayedFrom(queue.id, flush.next, PORTION);
  changes.costly++;
  for (const number of numbers) {
    if (number >= until) return true;
    flush.next = number + 1;
    const isKept = findOpen(queue, number) !== undefined;
    const isChanged = queue.delivery?.changes?.rows.has(number) === true;
    if (!isKept && !isChanged) drop(number);
  }
  return numbers.length < PORTION;
}

/** Bytes of the message's body; 0 when it is lost. */
export function lengthOf({ store }: Local, queue: Queue, number: number): number {
  const message = newMessage();
  return findHeld(queue, store, number, message) ? message.end - message.start : 0;
}
