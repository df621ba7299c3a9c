import type { Operation } from "../operation.ts";
import { BUDGET_BYTES } from "./budget.ts";
import { skipLost } from "./damage.ts";
import { endOf, expireOldest, MAX_EXPIRED } from "./expiry.ts";
import { fail, postpone } from "./find.ts";
import { countAvailable, type Queue } from "./queue.ts";
import { findReadable, peekHead } from "./reading.ts";
import { type Local, now } from "./state.ts";

/** Finds the oldest message: false when it is lost, or, for a peek, when all are. */
export function findOldest(local: Local, queue: Queue, operation: Operation): boolean {
  const { cache, store, changes } = local;
  const before = cache.used;
  const isReturned = queue.returned !== undefined;
  const gap = peekHead(queue, cache, store, operation);
  if (isReturned || cache.used > before) {
    changes.costly++;
    changes.bytes += Math.max(0, cache.used - before);
  }
  if (gap === undefined) return true;
  changes.costly++;
  if (gap === "unfinished") {
    postpone(operation);
    return false;
  }
  if (operation.kind === "peek") {
    if (findReadable(queue, store, operation)) return true;
    operation.outcome = "absent";
  } else {
    fail(operation, skipLost(local, queue, gap));
  }
  return false;
}

/**
 * Takes expired messages out of the way of the operation, which has found the oldest one.
 * @returns whether it has found one that has not expired
 */
export function findFresh(local: Local, queue: Queue, operation: Operation): boolean {
  const time = now(local);
  const { changes } = local;
  const bytes = changes.bytes + BUDGET_BYTES;
  for (let n = 0; n < MAX_EXPIRED && changes.bytes < bytes; n++) {
    const end = endOf(local, queue, operation.number);
    if (end > time) {
      if (end !== Infinity) operation.ttl = Math.floor((end - time) / 1000);
      return true;
    }
    expireOldest(local, queue, operation);
    if (countAvailable(queue) === 0) {
      operation.outcome = "absent";
      return false;
    }
    if (!findOldest(local, queue, operation)) return false;
  }
  // There may be very many: the operation goes on in the next group.
  postpone(operation);
  return false;
}
