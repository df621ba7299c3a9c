import { type Store, type StoredQueue, StoreError } from "../../store/store.ts";
import { dropAll } from "./cache.ts";
import { newChildren } from "./children.ts";
import { newDelivery, takeStoredDelivery } from "./delivery.ts";
import { letWait } from "./early.ts";
import { abandonOpen } from "./held.ts";
import { addNumber } from "./number_set.ts";
import { listOpen, removeOpen } from "./open.ts";
import { setPaused } from "./pause.ts";
import { countAvailable, expiryOf, isPaused, newQueue, type Queue, setOf } from "./queue.ts";
import { loadOnce } from "./remembered.ts";
import { restoreHeld } from "./rollback.ts";
import { type Local, now, resumeLeases } from "./state.ts";
import { newTotals } from "./totals.ts";

/** After a failed try to read the file, milliseconds to the next one. */
const RETRY_MS = 100;

/** A sync failed: it is unknown what of the group is on disk until the file was read again. */
export function noteFailedSync(local: Local, reason: string): void {
  local.failedSync = { reason, triedAt: -Infinity };
  isKnown(local);
}

/** Whether it is known what is on disk. When it is not, the file is read again, every RETRY_MS. */
export function isKnown(local: Local): boolean {
  const { failedSync, store, clock } = local;
  if (failedSync === undefined) return true;
  const now = clock.monotonic();
  if (now - failedSync.triedAt < RETRY_MS) return false;
  failedSync.triedAt = now;
  try {
    store.recover();
    takeStored(local, store.queues());
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    failedSync.reason = error.message;
    return false;
  }
  local.failedSync = undefined;
  local.warn("the database was opened anew after a failed sync: the queues are what it has");
  return true;
}

/**
 * Makes the queues what the store has. An open message that is in the store stays open; one that its consumer closed,
 * and that is in the store all the same, goes back to its queue.
 */
function takeStored(local: Local, stored: StoredQueue[]): void {
  const known = new Map([...local.queues.values()].map((queue) => [queue.id, queue]));
  local.queues = new Map();
  local.bytes = 0;
  local.epoch++;
  local.recounts.clear();
  local.once = loadOnce(local.store, local.rules, local.once.ids.limit, now(local));
  local.due.place = { due: 0, queue: 0, number: 0 };
  local.due.nextDelayed = local.store.nextDue(local.due.place) ?? Infinity;
  for (const each of stored) {
    const queue = known.get(each.queue) ?? newQueue(each);
    known.delete(each.queue);
    setPaused(local, queue, each.paused);
    if (each.recount === true) local.recounts.add(queue);
    reset(local, queue, each);
    local.queues.set(queue.name, queue);
    local.bytes += queue.bytes;
  }
  local.fanout.children = newChildren(local.queues.keys());
  local.totals = newTotals(local.queues.values());
  for (const queue of known.values()) {
    dropAll(local.cache, queue);
    abandonOpen(queue);
  }
}

function reset(local: Local, queue: Queue, stored: StoredQueue): void {
  const { cache, store, watcher, clock, due } = local;
  const { head, tail, bytes, held } = stored;
  dropAll(cache, queue);
  queue.stored = { queue: queue.id, head, tail, bytes };
  queue.listed = setOf(held);
  queue.unlisted = undefined;
  queue.opened = undefined;
  queue.restored = undefined;
  queue.recount = undefined;
  queue.expiry = expiryOf(stored);
  const counts = queue.delivery?.counts;
  resetDelivery(queue, stored);
  resumeLeases(due, queue, clock);
  queue.gone = head - 1;
  queue.tail = tail;
  queue.bytes = bytes;
  for (const { number, consumer } of [...listOpen(queue)]) {
    if (isInStore(store, queue, number, counts?.get(number))) continue;
    removeOpen(queue, number);
    consumer.open.delete(queue);
  }
  restoreHeld(queue);
  letWait(local, queue);
  const messages = countAvailable(queue);
  if (isPaused(queue, clock.calendar())) return;
  if (messages > 0 && watcher.isAwaited(queue.name)) watcher.ready(queue.name, messages);
}

/**
 * Whether an open message is in the store. A row among the delayed ones is known from then on.
 * @param count how often it was delivered before
 */
function isInStore(store: Store, queue: Queue, number: number, count = 0): boolean {
  const { stored, listed, delivery } = queue;
  if (delivery !== undefined && store.delayedFrom(queue.id, number, 1)[0] === number) {
    addNumber(delivery.brought, number);
    if (count > 0) delivery.counts.set(number, count);
    return true;
  }
  return (number >= stored.head && number < stored.tail) || listed?.has(number) === true;
}

function resetDelivery(queue: Queue, { delivery: stored }: StoredQueue): void {
  if (queue.delivery === undefined && stored === undefined) return;
  const delivery = (queue.delivery ??= newDelivery());
  takeStoredDelivery(
    delivery,
    stored ?? { deliveries: new Map(), leases: [], delayed: 0, ahead: 0 },
  );
}
