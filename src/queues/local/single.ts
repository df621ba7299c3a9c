import type { Operation } from "../operation.ts";
import { BUDGET_BYTES } from "./budget.ts";
import { loseHeld, skipLost } from "./damage.ts";
import { moveHead, skipDelayed } from "./delays.ts";
import { fail, find } from "./find.ts";
import { abortCounted } from "./give_back.ts";
import { takesMoved } from "./hand_over.ts";
import { closeOpen, isReturned, putBackAll, takeReturned } from "./held.ts";
import { acknowledge, extend, findLease, numberOf, toldNumber } from "./leases.ts";
import { movedFrom, moveMessage } from "./moving.ts";
import { findOpen } from "./open.ts";
import { oldestNumbers } from "./previews.ts";
import { type Message, newMessage, noteGone, type Queue } from "./queue.ts";
import { consumeHead, findHeld, type Gap, lengthOf, peekHead } from "./reading.ts";
import { isChanged, type Local, touch } from "./state.ts";

/*
 * What a person does to single messages, which are named by their numbers. From the head on the store has no gaps but for
 * delayed messages. So the head is moved past a message first, and the ones before it are put back, as if clients had
 * opened them and given them back: then they have rows of their own, and the one can go.
 */

/** The head moves past so many messages, and so many bytes of bodies, for one message. */
const MOST_ASIDE = 1000;
const MOST_ASIDE_BYTES = 8 * 1024 * 1024;
/** Messages that were put back are in memory. */
const MOST_RETURNED = 100_000;
/** Messages that are looked at in one part of a return of all, unless they are long. */
const PORTION = 32;

/** How far the return of all messages is: those up to `until` are looked at, behind `after`. */
interface Return {
  queue: Queue;
  after: number;
  until: number;
}

/** The message that a client has open, or that is leased, goes back; the number is that of the delivery. */
export function giveBackHeld(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  const lease = queue && findLease(queue, operation.number);
  const consumer = queue && openDelivery(queue, operation.number)?.consumer;
  if (queue === undefined || (lease === undefined && consumer === undefined)) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.provisional = true;
  if (lease !== undefined) extend(local, queue, lease, 0);
  else if (consumer !== undefined) abortCounted(local, queue, consumer);
}

function openDelivery(queue: Queue, told: number) {
  const number = numberOf(told);
  const earlier = queue.delivery?.counts.get(number) ?? 0;
  return toldNumber(number, earlier) === told ? findOpen(queue, number) : undefined;
}

/** The message is gone, held or not. */
export function removeMessage(local: Local, operation: Operation): void {
  const { number } = operation;
  const queue = find(local, operation);
  if (queue === undefined || number >= queue.tail) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.provisional = true;
  const consumer = findOpen(queue, number)?.consumer;
  const lease = queue.delivery?.leases.get(number);
  if (consumer !== undefined) {
    const before = queue.bytes;
    closeOpen(queue, consumer);
    local.bytes += queue.bytes - before;
  } else if (lease !== undefined) {
    acknowledge(local, queue, lease);
  } else if (reach(local, queue, operation, number, newMessage())) {
    removeReached(local, queue, operation);
  }
}

/** Removes a message below the head, that no client holds. */
function removeReached(local: Local, queue: Queue, operation: Operation): void {
  const { number } = operation;
  const wasReturned = isReturned(queue, number);
  if (!wasReturned && !isDelayed(local, queue, number)) {
    operation.outcome = "absent";
    return;
  }
  const length = lengthOf(local, queue, number);
  takeReturned(queue, number);
  noteGone(queue, number, length, wasReturned ? undefined : "delayed");
  local.bytes -= length;
}

/** Whether the message, which is below the head, waits for its time. */
function isDelayed({ store }: Local, { id, delivery, stored }: Queue, number: number): boolean {
  const row = delivery?.changes?.rows.get(number);
  if (row !== undefined) return row.now?.table === "delayed";
  if (delivery === undefined || number >= stored.tail) return false;
  return store.delayedFrom(id, number, 1)[0] === number;
}

/** The message, which died or expired, goes back to the queue that it came from. What a client moved does not. */
export function returnMessage(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  if (queue === undefined || !returnOne(local, queue, operation, operation.number)) {
    if (operation.outcome === "done") operation.outcome = "absent";
  }
}

/** The same for all that can be delivered, a part at a time. */
export function returnAll(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  const begun = operation.cursor as Return | undefined;
  if (queue === undefined || (begun !== undefined && begun.queue !== queue)) return;
  const cursor = begun ?? { queue, after: 0, until: queue.tail };
  operation.cursor = cursor;
  operation.provisional = isChanged(local);
  const { changes } = local;
  const bytes = changes.bytes + BUDGET_BYTES;
  const numbers = oldestNumbers(local, queue, PORTION, cursor.after);
  for (const number of numbers) {
    if (number >= cursor.until) return;
    if (changes.bytes >= bytes) break;
    cursor.after = number;
    returnOne(local, queue, operation, number);
    if (operation.outcome === "failed") return;
  }
  changes.costly++;
  if (numbers.length > 0) operation.outcome = "more";
}

/** @returns false when the message was not moved here by the server, or cannot be taken */
function returnOne(local: Local, queue: Queue, operation: Operation, number: number): boolean {
  const isHeld = findOpen(queue, number) !== undefined || queue.delivery?.leases.has(number);
  if (number >= queue.tail || isHeld === true) return false;
  const moved = movedFrom(queue, local.store, number);
  if (moved === undefined || moved.reason === "to" || moved.origin === queue.name) return false;
  touch(local, queue);
  operation.provisional = true;
  operation.target = moved.origin;
  const message = newMessage();
  if (!reach(local, queue, operation, number, message) || !isReturned(queue, number)) return false;
  // The head was moved past it just now, or it is held.
  const isFound = message.number === number || findHeld(queue, local.store, number, message);
  if (isFound && !takesMoved(local, operation, message.end - message.start)) return false;
  if (isFound) moveMessage(local, queue, message, moved.origin, "to");
  takeReturned(queue, number);
  if (!isFound) {
    loseHeld(local, queue, number);
    return false;
  }
  noteGone(queue, number, message.end - message.start);
  local.bytes -= message.end - message.start;
  return true;
}

/**
 * Moves the head past message `number`, which is in front of the tail.
 * @param last becomes the last message that the head was moved past, if it was
 * @returns false when the operation has failed
 */
function reach(
  local: Local,
  queue: Queue,
  operation: Operation,
  number: number,
  last: Message,
): boolean {
  const { returned, head } = queue;
  const ahead = number - head + 1;
  if (ahead > MOST_ASIDE || (ahead > 0 && (returned?.length ?? 0) + ahead > MOST_RETURNED)) {
    fail(operation, `message ${number} is behind too many others`);
    return false;
  }
  const aside: number[] = [];
  let gap: Gap | undefined;
  queue.returned = undefined;
  try {
    gap = putAside(local, queue, number, aside, last);
  } finally {
    queue.returned = returned;
    if (aside.length > 0) putBackAll(queue, aside);
  }
  if (gap !== undefined) fail(operation, skipLost(local, queue, gap));
  else if (queue.head <= number) fail(operation, `message ${number} is behind too many bytes`);
  return queue.head > number && gap === undefined;
}

/** Takes messages from the head on, as far as the bounds go, without those that were put back. @returns what is lost */
function putAside(
  local: Local,
  queue: Queue,
  number: number,
  aside: number[],
  message: Message,
): Gap | undefined {
  const { cache, store, changes } = local;
  for (let bytes = 0; queue.head <= number && bytes < MOST_ASIDE_BYTES;) {
    // All from the head on are delayed ones.
    if (skipDelayed(queue, cache, store) === false) moveHead(queue, cache, number + 1);
    if (queue.head > number) break;
    const gap = peekHead(queue, cache, store, message);
    if (gap === "unfinished") continue;
    if (gap !== undefined) return gap;
    bytes += message.end - message.start;
    aside.push(message.number);
    consumeHead(queue, cache, message);
    changes.costly++;
  }
  return undefined;
}
