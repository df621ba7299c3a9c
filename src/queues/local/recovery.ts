import { type StoredQueue, StoreError } from "../../store/store.ts";
import { dropAll } from "./cache.ts";
import { abandonOpen } from "./held.ts";
import { listOpen, removeOpen } from "./open.ts";
import { countAvailable, newQueue, type Queue, setOf } from "./queue.ts";
import { restoreHeld } from "./saving.ts";
import type { Local } from "./state.ts";

/** How long after a try that failed the file is asked again, in milliseconds. */
const RETRY_MS = 100;

/** A sync failed: it is unknown what of the group is on disk before the file itself has told. */
export function noteUnknown(local: Local, reason: string): void {
  local.unknown = { reason, triedAt: -Infinity };
  isKnown(local);
}

/** Whether it is known what is on disk; asks the file when it is not, now and then. */
export function isKnown(local: Local): boolean {
  const { unknown, store, clock } = local;
  if (unknown === undefined) return true;
  const now = clock.monotonic();
  if (now - unknown.triedAt < RETRY_MS) return false;
  unknown.triedAt = now;
  try {
    store.recover();
    takeStored(local, store.queues());
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    unknown.reason = error.message;
    return false;
  }
  local.unknown = undefined;
  local.warn("the database was opened anew after a failed sync: the queues are what it has");
  return true;
}

/**
 * The queues are what the store has. An open message that is still there stays with its consumer; one that a consumer
 * closed, and that is still there, goes back to its queue.
 */
function takeStored(local: Local, stored: StoredQueue[]): void {
  const known = new Map([...local.queues.values()].map((queue) => [queue.id, queue]));
  local.queues = new Map();
  local.bytes = 0;
  local.epoch++;
  for (const each of stored) {
    const queue = known.get(each.queue) ?? newQueue(each);
    known.delete(each.queue);
    reset(local, queue, each);
    local.queues.set(queue.name, queue);
    local.bytes += queue.bytes;
  }
  for (const queue of known.values()) {
    dropAll(local.cache, queue);
    abandonOpen(queue);
  }
}

function reset({ cache, watcher }: Local, queue: Queue, stored: StoredQueue): void {
  const { head, tail, bytes, held } = stored;
  dropAll(cache, queue);
  queue.stored = { queue: queue.id, head, tail, bytes };
  queue.listed = setOf(held);
  queue.unlisted = undefined;
  queue.opened = undefined;
  queue.restored = undefined;
  queue.recount = undefined;
  queue.gone = head - 1;
  queue.tail = tail;
  queue.bytes = bytes;
  for (const { number, consumer } of [...listOpen(queue)]) {
    const isThere = (number >= head && number < tail) || queue.listed?.has(number) === true;
    if (isThere) continue;
    removeOpen(queue, number);
    consumer.open.delete(queue);
  }
  restoreHeld(queue);
  const messages = countAvailable(queue);
  if (messages > 0 && watcher.isAwaited(queue.name)) watcher.ready(queue.name, messages);
}
