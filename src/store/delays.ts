import type { Delays } from "./batch.ts";
import { NUMBER_MASK } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { DueMessage, DuePlace } from "./store.ts";

/** Writes which messages wait no longer, and how many do. */
export function endDelays(statements: Statements, { undelayed, counts }: Delays): void {
  for (const { queue, number } of undelayed) statements.undelay.run(queue, number);
  for (const { queue, delayed, ahead } of counts)
    statements.countDelayed.run(queue, delayed, ahead);
}

/** See {@link Store.due}. */
export function dueMessages(
  { due }: Statements,
  after: DuePlace,
  until: number,
  most: number,
): DueMessage[] {
  const rows = due.all(after.queue, after.number, after.due, until, most);
  return rows.map((row) => ({ ...row, name: Buffer.from(row.name ?? []).toString("latin1") }));
}

/** Numbers in the first step of the search for a free one. */
const FIRST_STEP = 16;

/** See {@link Store.firstFree}. A million delayed messages may stand in a row, so they are counted, not read. */
export function firstFree(
  { delayedWithin }: Statements,
  queue: number,
  from: number,
  most = Infinity,
): number {
  const isFull = (first: number, end: number) =>
    (delayedWithin.get(queue, first, end)?.count ?? 0) === end - first;
  let low = from;
  let step = FIRST_STEP;
  while (low < NUMBER_MASK && isFull(low, low + step)) {
    low += step;
    if (low - from >= most) return low;
    step *= 2;
  }
  // The first free number is at `low` or behind it, and before `low + step`.
  while (step > 1) {
    step /= 2;
    if (isFull(low, low + step)) low += step;
  }
  return low;
}
