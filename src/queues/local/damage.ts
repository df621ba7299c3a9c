import { addHeld } from "./held.ts";
import { newMessage, noteGone, type Queue, type Recount } from "./queue.ts";
import { findHeld, type Gap, skip } from "./reading.ts";
import { type Local, touch } from "./state.ts";

/** Rows that are looked at in one portion of the counting. */
const RECOUNT_ROWS = 2000;

/**
 * Moves the queue behind messages that the store has lost, and begins to count its bytes anew: nobody knows how long the
 * lost ones were.
 * @returns what is lost, in words for the client
 */
export function skipLost(local: Local, queue: Queue, gap: Gap): string {
  const { first, end } = gap;
  skip(queue, gap);
  noteGone(queue, end - 1, 0);
  local.lost += end - first;
  queue.recount = undefined;
  local.recounts.add(queue);
  const which = end - first === 1 ? `message ${first}` : `messages ${first} to ${end - 1}`;
  const reason = `the database is damaged: ${which} of this queue cannot be read`;
  local.warn(`queue ${queue.name}: ${reason}, and ${end - first === 1 ? "is" : "are"} skipped`);
  return reason;
}

/** Counts a portion of a damaged queue's bytes. To be called between groups. @returns whether there is more to do */
export function recountPortion(local: Local): boolean {
  const [queue] = local.recounts;
  if (queue === undefined) return false;
  const recount = (queue.recount ??= beginRecount(local, queue));
  if (queue.head > recount.next) countHeld(local, queue, recount);
  if (recount.next < recount.end) {
    const { bytes, next } = local.store.measure(queue.id, recount.next, RECOUNT_ROWS);
    recount.bytes += bytes;
    recount.next = next === 0 ? recount.end : next;
  }
  if (recount.next < recount.end) return true;
  endRecount(local, queue, recount);
  return local.recounts.size > 0;
}

/** All that was set is in the store between groups. */
function beginRecount(local: Local, queue: Queue): Recount {
  const recount = { total: queue.bytes, next: 0, end: queue.tail, bytes: 0, missed: 0 };
  countHeld(local, queue, recount);
  return recount;
}

/** Counts what is held of the messages that the head has passed, and the rest of the segment that it is in. */
function countHeld({ store }: Local, queue: Queue, recount: Recount): void {
  const message = newMessage();
  const numbers: number[] = [];
  addHeld(queue, recount.next, queue.head, numbers);
  for (const number of numbers) {
    const isFound = findHeld(queue, store, number, message);
    if (isFound) recount.bytes += message.end - message.start;
  }
  recount.next = queue.head;
  const [first] = queue.head < queue.tail ? store.read(queue.id, queue.head, 1) : [];
  if (first === undefined || first.first >= queue.head) return;
  for (; recount.next < first.first + first.count; recount.next++) {
    if (findHeld(queue, store, recount.next, message)) {
      recount.bytes += message.end - message.start;
    }
  }
}

function endRecount(local: Local, queue: Queue, { total, bytes, missed }: Recount): void {
  const lost = total - bytes - missed;
  queue.recount = undefined;
  local.recounts.delete(queue);
  queue.bytes -= lost;
  local.bytes -= lost;
  touch(local, queue);
}
