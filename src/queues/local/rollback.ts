import { type Cache, dropAll } from "./cache.ts";
import { rollBackDelivery } from "./delivery.ts";
import { hasNumber, numbersIn } from "./number_set.ts";
import { findOpen, listOpen, removeOpen } from "./open.ts";
import type { Queue } from "./queue.ts";

/**
 * Undoes what the group did: the queue is what the store has. A message stays open if it was open before the group, and
 * the group did not close it.
 */
export function rollBack(queue: Queue, cache: Cache): void {
  const { stored } = queue;
  dropAll(cache, queue);
  for (const number of queue.opened ?? []) {
    removeOpen(queue, number)?.consumer.open.delete(queue);
  }
  queue.opened = undefined;
  queue.unlisted = undefined;
  queue.restored = undefined;
  if (queue.delivery !== undefined) rollBackDelivery(queue.delivery);
  if (queue.expiry !== undefined) {
    queue.expiry.last = queue.expiry.saved;
    queue.expiry.steps = [];
  }
  queue.gone = stored.head - 1;
  queue.tail = stored.tail;
  queue.bytes = stored.bytes;
  queue.touched = false;
  // Messages that were gone are back: the count begins again.
  queue.recount = undefined;
  restoreHeld(queue);
}

/** Sets `head` and `returned` to what the store has: a held message that no consumer has open was returned. */
export function restoreHeld(queue: Queue): void {
  const { stored } = queue;
  queue.head = stored.head;
  for (const { number } of listOpen(queue)) queue.head = Math.max(queue.head, number + 1);
  const returned: number[] = [];
  const { listed, delivery } = queue;
  for (const numbers of [listed, delivery && numbersIn(delivery.brought)]) {
    for (const number of numbers ?? []) {
      if (findOpen(queue, number) === undefined) returned.push(number);
    }
  }
  for (let number = stored.head; number < queue.head; number++) {
    const hasRow =
      listed?.has(number) === true ||
      (delivery !== undefined && hasNumber(delivery.brought, number));
    if (!hasRow && findOpen(queue, number) === undefined) returned.push(number);
  }
  returned.sort((a, b) => a - b);
  queue.returned = returned.length === 0 ? undefined : returned;
  queue.loaded = queue.head;
}
