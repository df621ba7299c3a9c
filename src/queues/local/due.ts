import { putBackAll } from "./held.ts";
import type { Queue } from "./queue.ts";
import { announceAvailable, type Local, now } from "./state.ts";

/*
 * What happens by the clock. Delayed messages are in the store, in the order in which they are due, and only those that
 * are due come into memory: others cost neither time nor memory while they wait.
 */

/** How many delayed messages are brought into memory at a time. */
const PORTION = 1000;

/** After a failure, milliseconds to the next try. */
const RETRY_MS = 1000;

/** See {@link Backend.nextDue}. */
export function nextDue({ due }: Local): number {
  return Math.max(due.nextDelayed - due.offset, due.retryAt);
}

/** See {@link Backend.doDue}. @throws StoreError */
export function doDue(local: Local): void {
  const { due, clock } = local;
  due.retryAt = clock.monotonic() + RETRY_MS;
  // Nothing is answered from memory as long as it is unknown what is on disk.
  if (local.failedSync !== undefined) return;
  bringDue(local);
  due.retryAt = 0;
}

/** Brings some of the messages that are due, between two groups: they can be taken then. @throws StoreError */
export function bringDue(local: Local): void {
  const { store, due, queues } = local;
  const until = now(local);
  if (due.nextDelayed > until) return;
  const found = store.due(due.place, until, PORTION);
  const brought = new Map<Queue, number[]>();
  for (const { name, number, deliveries } of found) {
    const queue = queues.get(name);
    const { delivery } = queue ?? {};
    // A deleted queue may still have rows, and an open message is known after a recovery.
    if (queue === undefined || delivery === undefined || delivery.brought.has(number)) continue;
    delivery.brought.add(number);
    if (deliveries > 0) delivery.counts.set(number, deliveries);
    const numbers = brought.get(queue);
    if (numbers === undefined) brought.set(queue, [number]);
    else numbers.push(number);
  }
  due.place = found.at(-1) ?? due.place;
  due.nextDelayed = found.length === PORTION ? until : (store.nextDue(due.place) ?? Infinity);
  for (const [queue, numbers] of brought) putBackAll(queue, numbers);
  announceAvailable(local, brought.keys());
}

/** A message is due then: it must be brought. */
export function expectDue({ due }: Local, time: number): void {
  if (time < due.nextDelayed) due.nextDelayed = time;
}
