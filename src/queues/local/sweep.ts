import { finishGroup } from "./commit.ts";
import { mayExpire, sweepExpired } from "./expiry.ts";
import { countAvailable, isPaused } from "./queue.ts";
import type { Local } from "./state.ts";

/** Queues that one portion looks at. */
const PORTION = 256;

/**
 * Takes expired messages of some queues away, so that they need no client to come and find them. Call it between groups.
 * @returns whether there was any
 */
export function sweepQueues(local: Local): boolean {
  const { sweep, queues, rules, clock } = local;
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
    if (queues.get(queue.name) !== queue || countAvailable(queue) === 0) continue;
    if (isPaused(queue, clock.calendar()) || !mayExpire(local, queue)) continue;
    if (sweepExpired(local, queue)) swept = true;
  }
  if (swept) finishGroup(local, [], 0, 0);
  return swept;
}
