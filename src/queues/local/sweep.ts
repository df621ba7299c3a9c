import type { Operation } from "../operation.ts";
import { finishGroup } from "./commit.ts";
import { MAX_EXPIRED, mayExpire, sweepExpired } from "./expiry.ts";
import { find } from "./find.ts";
import { countAvailable, isPaused, type Queue } from "./queue.ts";
import type { Local } from "./state.ts";

/** Queues that one portion looks at. */
const PORTION = 256;

/**
 * Takes expired messages of some queues away, so that they need no client to come and find them. Call it between groups.
 * @returns whether there was any
 */
export function sweepQueues(local: Local): boolean {
  const { sweep, queues, rules } = local;
  const isAged = [...rules.found, rules.defaults].some(({ maxAgeMs }) => maxAgeMs !== Infinity);
  let swept = false;
  for (let n = 0; n < PORTION; n++) {
    sweep.rest ??= queues.values();
    const { value: queue, done } = sweep.rest.next();
    if (done === true || queue === undefined) {
      sweep.rest = undefined;
      break;
    }
    if (!isAged && queue.expiry === undefined) continue;
    if (queues.get(queue.name) === queue && sweepQueue(local, queue) > 0) swept = true;
  }
  if (swept) finishGroup(local, [], 0, 0);
  return swept;
}

/** Takes expired messages of one queue away, the oldest ones. @returns how many */
export function sweepQueue(local: Local, queue: Queue, most = MAX_EXPIRED): number {
  if (countAvailable(queue) === 0 || isPaused(queue, local.clock.calendar())) return 0;
  return mayExpire(local, queue) ? sweepExpired(local, queue, most) : 0;
}

/** The same because a client asks for it. */
export function expire(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  operation.number = queue === undefined ? 0 : sweepQueue(local, queue);
  if (operation.number > 0) operation.provisional = true;
}
