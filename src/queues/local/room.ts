import type { FoundSettings } from "../settings.ts";
import { BUDGET_BYTES } from "./budget.ts";
import { skipLost } from "./damage.ts";
import { canFree } from "./freeable.ts";
import { countMessages } from "./held.ts";
import { countAvailable, newMessage, noteGone, type Queue } from "./queue.ts";
import { consumeHead, peekHead } from "./reading.ts";
import { type Local, touch } from "./state.ts";
import { tally } from "./tally.ts";

/** Whether a message of `length` bytes is within the limits that hold for its queue, which is undefined when it is new. */
export function hasRoom(
  queue: Queue | undefined,
  settings: FoundSettings,
  length: number,
): boolean {
  const { maxMessages, maxBytes } = settings;
  // Most queues have no limits, and need not count.
  if (maxBytes !== Infinity && (queue?.bytes ?? 0) + length > maxBytes) return false;
  return maxMessages === Infinity || queue === undefined || countMessages(queue) < maxMessages;
}

/** There is room now; there will be, but a group has dropped enough; or there is none. */
export type Room = "made" | "partly" | "none";

/**
 * Messages that make room in one group, beside the one that each set drops, and milliseconds for it: a limit that was lowered
 * may leave millions to drop, and a long body among short ones needs many.
 */
const MOST_DROPPED = 1000;
const MOST_MS = 1;

/** Whether the group has dropped so many messages that what needs more waits for the next one. */
export function hasDroppedMuch({ changes }: Local): boolean {
  return changes.crowdedOut >= MOST_DROPPED;
}

/**
 * Drops the oldest messages of the queue, as far as they can be taken, until there is room for one of `length` bytes, or
 * the group has dropped enough; one at least. When all of them are not enough none is dropped, unless the limits were
 * lowered below what is in the queue.
 * @throws StoreError when the store cannot be read
 */
export function dropOldest(local: Local, queue: Queue, length: number): Room {
  const { limits, changes, clock } = local;
  const { maxMessages, maxBytes } = queue.settings;
  const missing = Math.max(queue.bytes + length - maxBytes, local.bytes + length - limits.bytes);
  const isEnough =
    countMessages(queue) - countAvailable(queue) < maxMessages &&
    canFree(local, queue, missing, length);
  if (!isEnough) return "none";
  touch(local, queue);
  const until = clock.monotonic() + MOST_MS;
  for (let n = 0; ; n++) {
    if (hasRoom(queue, queue.settings, length) && local.bytes + length <= limits.bytes)
      return "made";
    if (countAvailable(queue) === 0) return "none";
    if (n > 0) {
      const isTooMuch = changes.bytes >= BUDGET_BYTES || clock.monotonic() >= until;
      changes.crowdedOut = isTooMuch ? MOST_DROPPED : changes.crowdedOut + 1;
      if (hasDroppedMuch(local)) return "partly";
    }
    if (!isOneDropped(local, queue)) {
      changes.crowdedOut = MOST_DROPPED;
      return "partly";
    }
  }
}

/** Drops the oldest message. @returns false when the next group must look for it again */
function isOneDropped(local: Local, queue: Queue): boolean {
  const message = newMessage();
  const gap = peekHead(queue, local.cache, local.store, message);
  local.changes.costly++;
  if (gap === "unfinished") return false;
  if (gap !== undefined) {
    skipLost(local, queue, gap);
    return true;
  }
  const { number, start, end } = message;
  consumeHead(queue, local.cache, message);
  noteGone(queue, number, end - start);
  local.bytes -= end - start;
  local.changes.bytes += end - start;
  tally(local, queue, "dropped");
  return true;
}
