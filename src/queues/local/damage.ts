import type { Batch } from "../../store/batch.ts";
import { addHeld } from "./held.ts";
import { findOpen } from "./open.ts";
import { noteGone, type Queue, type Recount } from "./queue.ts";
import { findRow, type Gap, lengthOf, skip } from "./reading.ts";
import { bodyBytesFrom } from "./segment.ts";
import { type Local, type Loss, touch } from "./state.ts";

/** Rows that are measured in one portion of the counting. */
const RECOUNT_ROWS = 2000;
/** Delayed messages that are counted in one portion: each is read. */
const RECOUNT_DELAYED = 256;

/**
 * Moves the queue past messages that the store has lost. Their length is unknown: once the group is committed, the
 * queue's bytes are counted again.
 * @returns what is lost, in words for the client
 */
export function skipLost(local: Local, queue: Queue, gap: Gap): string {
  const { first, end } = gap;
  const messages = end - first;
  skip(queue, local.cache, gap);
  noteGone(queue, end - 1, 0);
  const which = messages === 1 ? `message ${first}` : `messages ${first} to ${end - 1}`;
  const reason = `the database is damaged: ${which} of this queue cannot be read`;
  const warning = `queue ${queue.name}: ${reason}, and ${messages === 1 ? "is" : "are"} skipped`;
  noteLoss(local, { queue, messages, warning });
  return reason;
}

/** A held message is lost, that is no client's to be told. Its length is unknown: see {@link skipLost}. */
export function loseHeld(local: Local, queue: Queue, number: number): void {
  noteGone(queue, number, 0);
  const warning = `queue ${queue.name}: the database is damaged: message ${number} of this queue cannot be read, and is skipped`;
  noteLoss(local, { queue, messages: 1, warning });
}

function noteLoss({ changes }: Local, loss: Loss): void {
  changes.losses.push(loss);
  changes.miscounted.push(loss.queue);
}

/** The group is committed: the messages that it skipped are lost for good. */
export function noteLosses(local: Local): void {
  for (const { messages, warning } of local.changes.losses) {
    local.lost += messages;
    local.warn(warning);
  }
  for (const queue of local.changes.miscounted) {
    local.recounts.add(queue);
    queue.recount = undefined;
  }
}

/** The file says of which queues the bytes are too high: a server that is killed before they are counted does it later. */
export function addRecounts({ changes, queues }: Local, batch: Batch): void {
  const { miscounted, recounted } = changes;
  if (miscounted.length + recounted.length === 0) return;
  const due = new Set(miscounted);
  const changed = [...new Set([...miscounted, ...recounted])];
  batch.recounts = changed
    .filter((queue) => queues.get(queue.name) === queue)
    .map((queue) => ({ queue: queue.id, isDue: due.has(queue) }));
}

/**
 * Counts a portion of a damaged queue's bytes. Call it between groups; a correction is committed with the next one.
 * @returns whether there is more to do
 */
export function recountPortion(local: Local): boolean {
  const { recounts, queues, store } = local;
  const [queue] = recounts;
  if (queue === undefined) return false;
  if (queues.get(queue.name) !== queue) {
    recounts.delete(queue);
    return recounts.size > 0;
  }
  const recount = (queue.recount ??= { total: queue.bytes, next: 0, bytes: 0, missed: 0 });
  if (recount.next < queue.head) countHeld(local, queue, recount);
  if (recount.next < queue.head) return true;
  countInMemory(local, queue, recount);
  if (recount.next < queue.tail) {
    const { bytes, next } = store.measure(queue.id, recount.next, RECOUNT_ROWS);
    recount.bytes += bytes;
    recount.next = next === 0 ? queue.tail : next;
  }
  if (recount.next < queue.tail) return true;
  endRecount(local, queue, recount);
  return recounts.size > 0;
}

/** Counts a portion of the messages below the head: open, put back, leased and delayed ones. */
function countHeld(local: Local, queue: Queue, recount: Recount): void {
  const { next } = recount;
  const { numbers, end } = heldFrom(local, queue, next);
  let bytes = 0;
  for (const number of numbers) bytes += heldBytes(local, queue, number);
  recount.bytes += bytes;
  recount.next = end;
  if (end === queue.head && queue.segments === undefined) countRest(local, queue, recount);
}

/** Numbers of messages from `from` on that are below the head, each of them once, up to `end`. */
function heldFrom(
  { store }: Local,
  queue: Queue,
  from: number,
): { numbers: Iterable<number>; end: number } {
  const { head, delivery } = queue;
  const held: number[] = [];
  if (delivery === undefined) {
    addHeld(queue, from, head, held);
    return { numbers: held, end: head };
  }
  const stored = store.delayedFrom(queue.id, from, RECOUNT_DELAYED);
  const isLast = stored.length < RECOUNT_DELAYED;
  const end = isLast ? head : Math.min(head, (stored.at(-1) as number) + 1);
  addHeld(queue, from, end, held);
  // A delayed message that is due is among the held ones, too.
  const numbers = new Set(held);
  const rows = delivery.changes?.rows;
  const changed = [...(rows ?? [])].filter(([, { now }]) => now?.table === "delayed");
  const delayed = stored.filter((number) => rows?.has(number) !== true);
  for (const number of [...delayed, ...changed.map(([each]) => each), ...delivery.leases.keys()]) {
    if (number >= from && number < end) numbers.add(number);
  }
  return { numbers, end };
}

/** An open message counts until it is closed, even when it is lost, and so does a leased one whose length is known. */
function heldBytes(local: Local, queue: Queue, number: number): number {
  const known = findOpen(queue, number)?.length ?? queue.delivery?.leases.get(number)?.bytes ?? -1;
  return known >= 0 ? known : lengthOf(local, queue, number);
}

/** Counts messages in memory: clients get them even when the store has lost them. */
function countInMemory(local: Local, queue: Queue, recount: Recount): void {
  const { next } = recount;
  for (const segment of queue.segments ?? []) {
    recount.bytes += bodyBytesFrom(segment, recount.next);
    recount.next = Math.max(recount.next, segment.end);
  }
  if (recount.next > next) countRest(local, queue, recount);
}

/** Counts the rest of a row when the next message is in the middle of it: the store measures whole rows. */
function countRest({ store }: Local, queue: Queue, recount: Recount): void {
  const row = recount.next < queue.tail ? findRow(queue, store, recount.next) : undefined;
  if (row === undefined || row.first >= recount.next) return;
  recount.bytes += bodyBytesFrom(row, recount.next);
  recount.next = row.end;
}

function endRecount(local: Local, queue: Queue, { total, bytes, missed }: Recount): void {
  const lost = total - bytes - missed;
  queue.recount = undefined;
  local.recounts.delete(queue);
  queue.bytes -= lost;
  local.bytes -= lost;
  local.changes.recounted.push(queue);
  touch(local, queue);
}
