import { countMessages } from "./held.ts";
import type { Queue } from "./queue.ts";

/** What all queues have together, as of the last commit. */
export interface Totals {
  /** Messages, open ones too. */
  messages: number;
  /** Messages ever set in the queues that there are. */
  sets: number;
}

export function newTotals(queues: Iterable<Queue>): Totals {
  const totals = { messages: 0, sets: 0 };
  for (const queue of queues) {
    queue.counted = countMessages(queue);
    totals.messages += queue.counted;
    totals.sets += queue.stored.tail - 1;
  }
  return totals;
}

/** The queue's changes are committed, and not marked as saved yet. */
export function countChanges(totals: Totals, queue: Queue): void {
  const messages = countMessages(queue);
  totals.messages += messages - queue.counted;
  totals.sets += queue.tail - queue.stored.tail;
  queue.counted = messages;
}

/** The deletion of the queue is committed. */
export function countDropped(totals: Totals, { counted, stored }: Queue): void {
  totals.messages -= counted;
  totals.sets -= stored.tail - 1;
}
