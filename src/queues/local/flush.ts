import { countWaiting } from "./delivery.ts";
import { empty } from "./held.ts";
import { hasNumber } from "./number_set.ts";
import { findOpen, listOpen } from "./open.ts";
import { countAvailable, noteGone, type Queue } from "./queue.ts";
import { lengthOf } from "./reading.ts";
import { type Local, touch } from "./state.ts";

/** Delayed messages that are dropped at a time: there may be millions. */
const PORTION = 256;

/**
 * How far the flush of a queue is that has many delayed messages. The first part drops messages that were not read: with
 * more parts to come it is unknown how many bytes are left, and so they are counted again.
 */
export interface Flush {
  queue: Queue;
  /** Delayed messages below this number are dropped, from `next` on. */
  until: number;
  next: number;
  /**
   * Bytes that the queue still counts of messages which are dropped, or will be. It is about right: those that fall due
   * between two parts are delivered.
   */
  rest: number;
}

/** Delayed messages that are dropped next. */
interface Portion {
  numbers: number[];
  lengths: number[];
  next: number;
  isLast: boolean;
}

/**
 * Drops what the queue holds now, but for open and leased messages. Dropped messages count as taken.
 * @param begun what the part before returned
 * @returns undefined when all is done
 * @throws StoreError when the store cannot be read: this part has dropped nothing then
 */
export function flushQueue(local: Local, queue: Queue, begun?: Flush): Flush | undefined {
  if (begun !== undefined && begun.queue !== queue) return undefined;
  if (begun === undefined && countAvailable(queue) + countWaiting(queue.delivery) === 0)
    return undefined;
  const flush = begun ?? { queue, until: queue.tail, next: 0, rest: 0 };
  // All is read before anything is dropped.
  const kept = begun === undefined ? keptBytes(local, queue) : 0;
  const portion = nextPortion(local, flush);
  const before = queue.bytes;
  touch(local, queue);
  if (begun === undefined) {
    empty(queue, local.cache);
    flush.rest = queue.bytes - kept;
    if (!portion.isLast) local.changes.miscounted.push(queue);
  }
  drop(flush, portion);
  if (portion.isLast && (begun === undefined || local.recounts.has(queue))) {
    queue.bytes -= flush.rest;
    queue.recount = undefined;
  }
  local.bytes += queue.bytes - before;
  return portion.isLast ? undefined : flush;
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

/** Those that are due are available, or open: the beginning of the flush drops the first. */
function nextPortion(local: Local, { queue, until, next }: Flush): Portion {
  const { store, changes } = local;
  const { delivery } = queue;
  if (countWaiting(delivery) === 0) return { numbers: [], lengths: [], next, isLast: true };
  const rows = delivery?.changes?.rows;
  const isWaiting = (number: number) =>
    number < until &&
    (delivery === undefined || !hasNumber(delivery.brought, number)) &&
    findOpen(queue, number) === undefined;
  const numbers: number[] = [];
  for (const [number, { now }] of rows ?? []) {
    if (now?.table === "delayed" && isWaiting(number)) numbers.push(number);
  }
  const stored = store.delayedFrom(queue.id, next, PORTION);
  changes.costly++;
  for (const number of stored) {
    if (isWaiting(number) && rows?.has(number) !== true) numbers.push(number);
  }
  const lengths = numbers.map((number) => lengthOf(local, queue, number));
  const last = stored.at(-1) ?? until;
  return { numbers, lengths, next: last + 1, isLast: stored.length < PORTION || last >= until };
}

function drop(flush: Flush, { numbers, lengths, next }: Portion): void {
  for (let n = 0; n < numbers.length; n++) {
    const length = lengths[n] as number;
    noteGone(flush.queue, numbers[n] as number, length, "delayed");
    flush.rest -= length;
  }
  flush.next = next;
}
