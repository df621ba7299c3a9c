import type { WaitingMessage } from "../../store/store.ts";
import { skipDelayed } from "./delays.ts";
import { countWaiting, type Delivery } from "./delivery.ts";
import { putBack } from "./held.ts";
import { addNumber, hasNumber, removeNumber } from "./number_set.ts";
import { findOpen } from "./open.ts";
import type { Queue } from "./queue.ts";
import { type Local, now } from "./state.ts";

/*
 * Messages that are opened before their time (`open/early`): they are brought into memory as those that are due are, see
 * due.ts, and when they are not open any more, and still there, they wait for their time again. Nothing is written for it.
 */

/** Delayed messages that are looked at together. */
const PORTION = 64;

/**
 * Brings the oldest message that waits for its time, when it comes before all that can be taken.
 * @returns false when that cannot be told before the group is committed
 */
export function bringEarly(local: Local, queue: Queue): boolean {
  const { delivery } = queue;
  if (delivery === undefined || countWaiting(delivery) === 0) return true;
  local.changes.costly++;
  const end = oldestAvailable(local, queue);
  if (end === undefined) return false;
  for (const [number, { now: row }] of delivery.changes?.rows ?? []) {
    if (row?.table === "delayed" && number < end) return false;
  }
  const found = findWaiting(local, queue, delivery, end);
  if (found === undefined) return true;
  const { number, due, deliveries } = found;
  addNumber(delivery.brought, number);
  // One whose time has come is delivered like any other.
  if (due > now(local)) delivery.early.set(number, due);
  if (deliveries > 0) delivery.counts.set(number, deliveries);
  putBack(queue, number);
  return true;
}

/** The number of the oldest message that can be taken; Infinity when there is none, undefined when it is unknown yet. */
function oldestAvailable({ cache, store }: Local, queue: Queue): number | undefined {
  const isAhead = skipDelayed(queue, cache, store);
  if (isAhead === "unfinished") return undefined;
  return Math.min(queue.returned?.[0] ?? Infinity, isAhead ? queue.head : Infinity);
}

/** The first message that waits, of those below number `end`. Those that are brought are open, or available. */
function findWaiting(
  { store }: Local,
  { id }: Queue,
  { brought, changes }: Delivery,
  end: number,
): WaitingMessage | undefined {
  for (let from = 0; ;) {
    const rows = store.waitingFrom(id, from, PORTION);
    const found = rows.find(
      ({ number }) => !hasNumber(brought, number) && !changes?.rows.has(number),
    );
    if (found !== undefined) return found.number < end ? found : undefined;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PORTION || last.number >= end) return undefined;
    from = last.number + 1;
  }
}

/** Whether the message was brought before its time. One that the group gave back has another time since, or none. */
export function isEarly({ delivery }: Queue, number: number): boolean {
  return delivery?.early.has(number) === true && delivery.changes?.rows.has(number) !== true;
}

/** Milliseconds until the time of a message that was brought before it; 0 for all others. */
export function dueIn(local: Local, queue: Queue, number: number): number {
  const due = isEarly(queue, number) ? queue.delivery?.early.get(number) : undefined;
  return due === undefined ? 0 : Math.max(0, due - now(local));
}

/** Messages that were brought before their time, and are not open, wait for it again. */
export function letWait(local: Local, queue: Queue): void {
  const { delivery } = queue;
  if (delivery === undefined || delivery.early.size === 0) return;
  const time = now(local);
  for (const [number, due] of delivery.early) {
    // What the group has changed is decided by its commit.
    if (findOpen(queue, number) !== undefined || delivery.changes?.rows.has(number)) continue;
    delivery.early.delete(number);
    if (due > time && removeNumber(delivery.brought, number)) takeBack(queue, delivery, number);
  }
}

/** The message cannot be taken. */
function takeBack(queue: Queue, { counts }: Delivery, number: number): void {
  counts.delete(number);
  const left = queue.returned?.filter((other) => other !== number);
  queue.returned = left?.length === 0 ? undefined : left;
}
