import { StoreError } from "../../store/store.ts";
import { BUDGET_BYTES } from "./budget.ts";
import { finishGroup } from "./commit.ts";
import type { Lease } from "./delivery.ts";
import { giveBack } from "./give_back.ts";
import { putBackAll } from "./held.ts";
import { addEnd, type LeaseEnd, nextEnd, removeNext } from "./lease_ends.ts";
import { addNumber, hasNumber } from "./number_set.ts";
import type { Queue } from "./queue.ts";
import { announceAvailable, type Local, now, touch } from "./state.ts";

/*
 * What happens by the clock. Delayed messages are in the store, in the order in which they are due, and only those that
 * are due come into memory: others cost neither time nor memory while they wait.
 */

/** How many delayed messages are brought into memory at a time. */
const PORTION = 1000;

/** After a failure, milliseconds to the next try. */
const RETRY_MS = 1000;

/** Leases that end in one commit. */
const MOST_ENDED = 256;

/** See {@link Backend.nextDue}. */
export function nextDue({ due }: Local): number {
  const end = nextEnd(due.ends)?.lease.due ?? Infinity;
  return Math.max(Math.min(due.nextDelayed, end) - due.offset, due.retryAt);
}

/** See {@link Backend.doDue}. @throws StoreError */
export function doDue(local: Local): void {
  const { due, clock } = local;
  due.retryAt = clock.monotonic() + RETRY_MS;
  // Nothing is answered from memory as long as it is unknown what is on disk.
  if (local.failedSync !== undefined) return;
  const areEnded = endLeases(local);
  bringDue(local);
  if (areEnded) due.retryAt = 0;
}

/** Ends leases whose time is over, in a commit of its own. @returns false when that failed: then some or all go on */
export function endLeases(local: Local): boolean {
  const { ends } = local.due;
  const time = now(local);
  const ended: LeaseEnd[] = [];
  for (let next = nextEnd(ends); next !== undefined; next = nextEnd(ends)) {
    if (next.lease.due > time || ended.length === MOST_ENDED) break;
    removeNext(ends);
    ended.push(next);
  }
  if (ended.length === 0) return true;
  const { changes } = local;
  const bytes = changes.bytes + BUDGET_BYTES;
  for (const [n, { queue, lease }] of ended.entries()) {
    // Dead letters are moved, and may be long: the others have their turn next.
    if (changes.bytes >= bytes) for (const end of ended.splice(n)) addEnd(ends, end);
    else endLease(local, queue, lease);
  }
  finishGroup(local, [], 0, 0);
  const left = ended.filter(({ queue, lease }) => {
    const isThere = local.queues.get(queue.name) === queue;
    return isThere && queue.delivery?.leases.get(lease.number) === lease;
  });
  for (const end of left) addEnd(ends, end);
  return left.length === 0;
}

function endLease(local: Local, queue: Queue, { number, deliveries }: Lease): void {
  if (local.queues.get(queue.name) !== queue) return;
  touch(local, queue);
  try {
    giveBack(local, queue, number, deliveries);
  } catch (error) {
    // One that cannot be moved to the dead letters is tried again, and keeps no other from its end.
    if (!(error instanceof StoreError)) throw error;
  }
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
    if (queue === undefined || delivery === undefined || hasNumber(delivery.brought, number))
      continue;
    addNumber(delivery.brought, number);
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
