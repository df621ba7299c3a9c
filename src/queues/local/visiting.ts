import { StoreError } from "../../store/store.ts";
import type { Operation, QueueCounts } from "../operation.ts";
import type { QueueSummary } from "../summary.ts";
import { MAX_EXPIRED } from "./expiry.ts";
import { type Flush, flushQueue } from "./flush.ts";
import { countMessages } from "./held.ts";
import type { Queue } from "./queue.ts";
import type { Local } from "./state.ts";
import { summaryOf } from "./summary.ts";
import { sweepQueue } from "./sweep.ts";

/* Operations on all queues, of which there may be very many: a part at a time. */

/** A queue in a list counts as so many bytes of the budget, and its name. */
const ROW_BYTES = 32;
/** Lines that tell of one queue in a survey. */
const SUMMARY_ROWS = 6;
/** Queues in a part of a list, or of a flush of all. */
const LIST_PART = 64;
export function flushAll(local: Local, operation: Operation): void {
  visitQueues(local, operation, (queue, cursor) => {
    cursor.flush = flushQueue(local, queue, cursor.flush);
  });
}

/** One part takes no more messages away than a sweep of one queue. */
export function expireAll(local: Local, operation: Operation): void {
  let left = MAX_EXPIRED;
  visitQueues(local, operation, (queue, cursor) => {
    const expired = left > 0 ? sweepQueue(local, queue, left) : 0;
    left -= expired;
    cursor.expired += expired;
  });
  operation.number = (operation.cursor as Cursor).expired;
}

export function list(local: Local, operation: Operation): void {
  const counts: QueueCounts = { names: [], sets: [], gets: [] };
  operation.counts = counts;
  visitQueues(local, operation, (queue) => {
    const sets = queue.tail - 1;
    counts.names.push(queue.name);
    counts.sets.push(sets);
    counts.gets.push(sets - countMessages(queue));
    local.changes.bytes += queue.name.length + ROW_BYTES;
  });
}

export function survey(local: Local, operation: Operation): void {
  if (operation.cursor === undefined && local.queues.size > operation.most) {
    operation.summaries = undefined;
    return;
  }
  const summaries: QueueSummary[] = [];
  operation.summaries = summaries;
  visitQueues(local, operation, (queue) => {
    summaries.push(summaryOf(local, queue));
    local.changes.bytes += SUMMARY_ROWS * (queue.name.length + ROW_BYTES);
  });
}

/** Where a list of all queues, or a flush of all, goes on. Queues may come and go meanwhile. */
interface Cursor {
  epoch: number;
  queues: Iterator<Queue>;
  /** Queues that are left to visit, counted at the beginning: so it ends even when queues are added all the time. */
  left: number;
  /** A flush that has not come to the end of its queue. */
  flush: Flush | undefined;
  /** Messages that were taken away because they have expired. */
  expired: number;
}

/** Visits the next queues, up to LIST_PART of them. */
function visitQueues(
  local: Local,
  operation: Operation,
  visit: (queue: Queue, cursor: Cursor) => void,
): void {
  const cursor = (operation.cursor ??= newCursor(local)) as Cursor;
  if (cursor.epoch !== local.epoch) throw new StoreError("the queues were read anew meanwhile");
  operation.provisional = true;
  local.changes.costly++;
  if (cursor.flush !== undefined) visit(cursor.flush.queue, cursor);
  for (let n = 0; n < LIST_PART && cursor.flush === undefined; n++) {
    const next = cursor.left-- > 0 ? cursor.queues.next() : undefined;
    if (next === undefined || next.done === true) return;
    if (local.queues.get(next.value.name) === next.value) visit(next.value, cursor);
  }
  operation.outcome = "more";
}

function newCursor({ queues, epoch }: Local): Cursor {
  return { epoch, queues: queues.values(), left: queues.size, flush: undefined, expired: 0 };
}
