import { BUDGET_BYTES } from "./budget.ts";
import { moveMessage } from "./moving.ts";
import { countAvailable, type Message, newMessage, noteGone, type Queue } from "./queue.ts";
import { consumeHead, peekHead } from "./reading.ts";
import { type Local, now, settingsOf, touch } from "./state.ts";
import { tally } from "./tally.ts";

/*
 * When messages expire. Most never do. Their times are kept as steps: from message number `number` on they expire at
 * `expires`, up to the next step. So messages that are set in the same second with the same exptime cost nothing.
 *
 *     number     1              6                9
 *     expires    |  never       |  at 12:00:05   |  never          the last one holds at the tail
 */

/** Expired messages that one request takes out of its way. */
export const MAX_EXPIRED = 256;

/** When a message expires by its own time, in milliseconds since 1970; 0 is never. @throws StoreError */
export function expiresAt({ store }: Local, queue: Queue, number: number): number {
  const { expiry, id } = queue;
  if (expiry === undefined) return 0;
  const step = expiry.steps.findLast((each) => each.number <= number);
  return step === undefined ? store.expires(id, number) : step.expires;
}

/** Whether messages of the queue may expire: where a pattern makes it the queue for its own expired ones, they stay. */
export function mayExpire(local: Local, queue: Queue): boolean {
  const { maxAgeMs, expireTo } = settingsOf(local, queue);
  return (queue.expiry !== undefined || maxAgeMs !== Infinity) && expireTo !== queue.name;
}

/** When a message expires, by its own time or by its age; Infinity when it never does. @throws StoreError */
export function endOf(local: Local, queue: Queue, number: number): number {
  const { maxAgeMs } = settingsOf(local, queue);
  const own = expiresAt(local, queue, number);
  const end = own === 0 ? Infinity : own;
  if (maxAgeMs === Infinity || number >= queue.stored.tail) return end;
  const arrived = local.store.arrived(queue.id, number);
  return arrived === undefined ? end : Math.min(end, arrived + maxAgeMs);
}

/** Takes an expired message, which was found as the oldest one, out of the queue: it is gone, or in the queue for them. */
export function expireOldest(local: Local, queue: Queue, message: Message): void {
  const { number, start, end } = message;
  const { expireTo } = settingsOf(local, queue);
  touch(local, queue);
  if (expireTo !== "") moveMessage(local, queue, message, expireTo, "expired");
  consumeHead(queue, local.cache, message);
  noteGone(queue, number, end - start);
  local.bytes -= end - start;
  local.changes.costly++;
  local.changes.bytes += end - start;
  tally(local, queue, "expired");
}

/** Whether the oldest message that can be taken has surely not expired: it is told without reading the message. */
function isFirstFresh(local: Local, queue: Queue): boolean {
  const { head, returned, delivery } = queue;
  // A delayed message may stand at the head.
  if (delivery !== undefined && delivery.ahead > 0) return false;
  return endOf(local, queue, Math.min(head, returned?.[0] ?? head)) > now(local);
}

/**
 * Takes expired messages away, from the oldest one on, as many as one request does.
 * @returns how many
 * @throws StoreError
 */
export function sweepExpired(local: Local, queue: Queue, most = MAX_EXPIRED): number {
  const message = newMessage();
  let swept = 0;
  const { changes } = local;
  const bytes = changes.bytes + BUDGET_BYTES;
  while (swept < most && changes.bytes < bytes && countAvailable(queue) > 0) {
    if (swept === 0 && isFirstFresh(local, queue)) return 0;
    if (peekHead(queue, local.cache, local.store, message) !== undefined) break;
    if (endOf(local, queue, message.number) > now(local)) break;
    expireOldest(local, queue, message);
    swept++;
  }
  return swept;
}
