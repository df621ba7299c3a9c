import type { Operation } from "../operation.ts";
import { BUDGET_BYTES } from "./budget.ts";
import { skipLost } from "./damage.ts";
import type { Lease } from "./delivery.ts";
import { endOf, expireOldest, mayExpire } from "./expiry.ts";
import { fail, find } from "./find.ts";
import { closeOpen, removeFromOpen } from "./held.ts";
import { acknowledge, findLease } from "./leases.ts";
import { moveMessage } from "./moving.ts";
import {
  countAvailable,
  isPaused,
  type LocalConsumer,
  newMessage,
  noteGone,
  type Queue,
} from "./queue.ts";
import { consumeHead, findHeld, peekHead } from "./reading.ts";
import { hasRoom } from "./room.ts";
import { isChanged, type Local, now, settingsFor, settingsOf, touch } from "./state.ts";

/* Messages that go from one queue to another, or are done when another is set: both in one commit, or neither. */

/** Messages that are moved at a time, unless they are long: there may be millions. */
const PORTION = 64;

/** What a set closes: an open message, or a leased one. */
export type Source = { queue: Queue; lease: Lease | undefined };

/** The message that the set closes; undefined when it is held no longer, or another consumer has it. */
export function findSource(local: Local, operation: Operation): Source | undefined {
  const { source, sourceNumber, consumer } = operation;
  const queue = local.queues.get(source);
  if (queue === undefined) return undefined;
  if (sourceNumber > 0) {
    const lease = findLease(queue, sourceNumber);
    return lease && { queue, lease };
  }
  const isOpen = (consumer as LocalConsumer | undefined)?.open.has(queue) === true;
  return isOpen ? { queue, lease: undefined } : undefined;
}

export function closeSource(local: Local, { queue, lease }: Source, operation: Operation): void {
  touch(local, queue);
  if (lease !== undefined) return acknowledge(local, queue, lease);
  const before = queue.bytes;
  closeOpen(queue, operation.consumer as LocalConsumer);
  local.bytes += queue.bytes - before;
}

/** Whether the queue takes a message of another one; otherwise the operation has failed. */
export function takesMoved(local: Local, operation: Operation, length: number): boolean {
  const { target } = operation;
  const queue = local.queues.get(target);
  const settings = queue === undefined ? settingsFor(local, target) : settingsOf(local, queue);
  if (target === operation.queue || hasRoom(queue, settings, length)) return true;
  if (queue?.touched === true) operation.provisional = true;
  fail(operation, `a limit of queue ${target} is reached, and nothing was moved`);
  return false;
}

/** Moves the message that the consumer has open to the target. */
export function passOpen(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  const consumer = operation.consumer as LocalConsumer;
  const number = queue === undefined ? undefined : consumer.open.get(queue);
  if (queue === undefined || number === undefined) {
    operation.outcome = "absent";
    return;
  }
  const message = newMessage();
  if (!findHeld(queue, local.store, number, message)) {
    fail(operation, `the database is damaged: message ${number} of this queue cannot be read`);
    return;
  }
  const length = message.end - message.start;
  if (!takesMoved(local, operation, length)) return;
  touch(local, queue);
  operation.provisional = true;
  moveMessage(local, queue, message, operation.target, "to");
  removeFromOpen(queue, consumer, number);
  noteGone(queue, number, length);
  local.bytes -= length;
}

/** Moves what could be delivered when it began, a portion at a time. */
export function moveAll(local: Local, operation: Operation): void {
  const { changes } = local;
  const queue = find(local, operation);
  const begun = operation.cursor as { queue: Queue; left: number } | undefined;
  if (queue === undefined || (begun !== undefined && begun.queue !== queue)) return;
  if (queue.paused !== undefined && isPaused(queue, local.clock.calendar())) return;
  const cursor = begun ?? { queue, left: countAvailable(queue) };
  operation.cursor = cursor;
  operation.provisional = isChanged(local);
  const message = newMessage();
  const bytes = changes.bytes + BUDGET_BYTES;
  for (let n = 0; n < PORTION && cursor.left > 0 && countAvailable(queue) > 0; n++) {
    if (changes.bytes >= bytes) break;
    touch(local, queue);
    operation.provisional = true;
    const gap = peekHead(queue, local.cache, local.store, message);
    if (gap === "unfinished") break;
    if (gap !== undefined) return fail(operation, skipLost(local, queue, gap));
    const { number, start, end } = message;
    if (mayExpire(local, queue) && endOf(local, queue, number) <= now(local)) {
      cursor.left--;
      expireOldest(local, queue, message);
      continue;
    }
    if (!takesMoved(local, operation, end - start)) return;
    cursor.left--;
    moveMessage(local, queue, message, operation.target, "to");
    consumeHead(queue, local.cache, message);
    noteGone(queue, number, end - start);
    local.bytes -= end - start;
  }
  if (cursor.left > 0 && countAvailable(queue) > 0) operation.outcome = "more";
}
