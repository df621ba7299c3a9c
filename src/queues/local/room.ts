import type { FoundSettings } from "../settings.ts";
import { skipLost } from "./damage.ts";
import { firstFree } from "./delays.ts";
import { lengthOf } from "./flush.ts";
import { countMessages } from "./held.ts";
import { countOpen, listOpen } from "./open.ts";
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

/**
 * Drops the oldest messages of the queue, as far as they can be taken, until there is room for one of `length` bytes.
 * @returns false when that is not enough: then none is dropped, as far as that is known before
 * @throws StoreError when the store cannot be read
 */
export function dropOldest(local: Local, queue: Queue, length: number): boolean {
  const { limits } = local;
  const { maxMessages, maxBytes } = queue.settings;
  const missing = Math.max(queue.bytes + length - maxBytes, local.bytes + length - limits.bytes);
  const isEnough =
    countMessages(queue) - countAvailable(queue) < maxMessages && canFree(local, queue, missing);
  if (!isEnough) return false;
  touch(local, queue);
  const fits = () => hasRoom(queue, queue.settings, length) && local.bytes + length <= limits.bytes;
  while (!fits() && countAvailable(queue) > 0) dropOne(local, queue);
  // Messages that wait for their time take room, too, and how much is not known before.
  return fits();
}

/** Whether the messages that can be taken have at least so many bytes. */
function canFree(local: Local, queue: Queue, missing: number): boolean {
  const { delivery } = queue;
  if (delivery === undefined || countMessages(queue) === countAvailable(queue) + countOpen(queue)) {
    let openBytes = 0;
    for (const open of listOpen(queue)) openBytes += open.length;
    return queue.bytes - openBytes >= missing;
  }
  // Leased and delayed messages are not in memory: so those that can be taken are counted, until it is enough.
  let left = missing;
  for (const number of queue.returned ?? []) {
    if (left <= 0) return true;
    left -= lengthOf(local, queue, number);
  }
  const { store } = local;
  for (let number = queue.head; left > 0; number++) {
    number = firstFree(queue, store, number);
    if (number >= queue.tail) return false;
    left -= lengthOf(local, queue, number);
  }
  return true;
}

function dropOne(local: Local, queue: Queue): void {
  const message = newMessage();
  const gap = peekHead(queue, local.cache, local.store, message);
  local.changes.costly++;
  if (gap !== undefined) {
    skipLost(local, queue, gap);
    return;
  }
  const { number, start, end } = message;
  consumeHead(queue, local.cache, message);
  noteGone(queue, number, end - start);
  local.bytes -= end - start;
  local.changes.bytes += end - start;
  tally(local, queue, "dropped");
}
