import type { Store } from "../../store/store.ts";
import { type Cache, spendFront } from "./cache.ts";
import { changesOf, newDelivery, setRow } from "./delivery.ts";
import { countAhead, type Queue } from "./queue.ts";
import { placeFrom, type Segment } from "./segment.ts";

/*
 * Delayed messages: they have their number and place like all others, and the head skips them. How the ones that are due
 * are brought into memory is in due.ts.
 */

/**
 * The message that the group has just set is not delivered before it is due.
 * @param due in milliseconds since 1970
 * @param deliveries how often it was delivered before it came here
 */
export function delayNew(queue: Queue, number: number, due: number, deliveries: number): void {
  const delivery = (queue.delivery ??= newDelivery());
  setRow(delivery, number, undefined, { table: "delayed", deliveries, due });
  changesOf(delivery).set.push(number);
  delivery.ahead++;
  if (delivery.clear > number) delivery.clear = number;
}

/** The head is moved past so many delayed messages at a time, which takes milliseconds: there may be millions. */
const MOST_SKIPPED = 30_000;

/**
 * Moves the head past delayed messages.
 * @returns whether there is a message from the head on that can be taken; "unfinished": there is, but before it are so
 *   many delayed ones that it is looked for from there on in the next group
 */
export function skipDelayed(queue: Queue, cache: Cache, store: Store): boolean | "unfinished" {
  if (countAhead(queue) === 0) return false;
  const { delivery } = queue;
  if (delivery === undefined || delivery.ahead === 0) return true;
  const end = queue.head + MOST_SKIPPED;
  while (queue.head >= delivery.clear) {
    const next = nextDelayed(queue, store, queue.head);
    if (next > queue.head) delivery.clear = next;
    else moveHead(queue, cache, firstFree(queue, store, next, MOST_SKIPPED));
    if (queue.head >= end) return "unfinished";
  }
  return true;
}

/** All messages from the head up to `to` are delayed ones: the head skips them. */
export function moveHead(queue: Queue, cache: Cache, to: number): void {
  const { delivery, stored, head } = queue;
  if (delivery !== undefined) delivery.ahead -= to - head;
  // What is below the stored head and in the queue has a row: these have one.
  if (to - 1 > queue.gone) queue.gone = to - 1;
  queue.head = to;
  for (
    let front = frontOf(queue);
    front !== undefined && front.first < to;
    front = frontOf(queue)
  ) {
    if (front.end > to) {
      front.cursor = placeFrom(front, Math.max(front.first, head), to);
      break;
    }
    spendFront(cache, queue);
  }
  if (queue.loaded < to) queue.loaded = to >= stored.tail ? queue.tail : to;
}

function frontOf({ segments }: Queue): Segment | undefined {
  return segments?.[0];
}

/** The first number of a delayed message from `from` on; Infinity when there is none. */
function nextDelayed(queue: Queue, store: Store, from: number): number {
  if (from < queue.stored.tail) {
    const [next] = store.delayedFrom(queue.id, from, 1);
    if (next !== undefined) return next;
  }
  return queue.delivery?.changes?.set.find((number) => number >= from) ?? Infinity;
}

/**
 * The first number from `from` on that is no delayed message's; of one that is `most` numbers or more behind it, any number
 * up to which all are.
 */
export function firstFree(queue: Queue, store: Store, from: number, most = Infinity): number {
  const { stored, delivery } = queue;
  let free = from < stored.tail ? store.firstFree(queue.id, from, most) : from;
  if (free < stored.tail || free - from >= most) return Math.min(free, queue.tail);
  const set = delivery?.changes?.set ?? [];
  for (let at = set.indexOf(free); at >= 0 && set[at] === free; at++) free++;
  return free;
}
