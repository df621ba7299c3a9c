import type { Lease } from "./delivery.ts";
import type { Queue } from "./queue.ts";

/** When a lease ends. The lease may be over by then, or replaced by another. */
export interface LeaseEnd {
  queue: Queue;
  lease: Lease;
}

/** The ends of leases, the next one in front: a binary heap. Ends of leases that are over are dropped in time. */
export interface LeaseEnds {
  heap: LeaseEnd[];
  /** With so many ends, those of leases that are over are dropped. */
  compactAt: number;
}

const SMALLEST = 1000;

export function newLeaseEnds(): LeaseEnds {
  return { heap: [], compactAt: SMALLEST };
}

export function addEnd({ heap }: LeaseEnds, end: LeaseEnd): void {
  let at = heap.length;
  heap.push(end);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(end, heap[parent] as LeaseEnd)) break;
    heap[at] = heap[parent] as LeaseEnd;
    at = parent;
  }
  heap[at] = end;
}

/** The next end of a lease that is not over. Call it between groups only: a group's changes may be undone. */
export function nextEnd(ends: LeaseEnds): LeaseEnd | undefined {
  if (ends.heap.length >= ends.compactAt) compact(ends);
  for (;;) {
    const [next] = ends.heap;
    if (next === undefined || isValid(next)) return next;
    removeNext(ends);
  }
}

export function removeNext({ heap }: LeaseEnds): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as LeaseEnd)) child++;
    if (!isBefore(heap[child] as LeaseEnd, last)) break;
    heap[at] = heap[child] as LeaseEnd;
    at = child;
  }
  heap[at] = last;
}

function compact(ends: LeaseEnds): void {
  ends.heap = ends.heap.filter(isValid).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  ends.compactAt = Math.max(SMALLEST, 2 * ends.heap.length);
}

function isValid({ queue, lease }: LeaseEnd): boolean {
  return queue.delivery?.leases.get(lease.number) === lease;
}

/** Leases that end in the same millisecond have an order, too. */
function isBefore(a: LeaseEnd, b: LeaseEnd): boolean {
  if (a.lease.due !== b.lease.due) return a.lease.due < b.lease.due;
  if (a.queue.id !== b.queue.id) return a.queue.id < b.queue.id;
  return a.lease.number < b.lease.number;
}
