import { StoreError } from "../../store/store.ts";
import type { Operation } from "../operation.ts";
import { letWait } from "./early.ts";
import { find } from "./find.ts";
import { abortCounted, buryOpen } from "./give_back.ts";
import { abortOpen, closeOpen } from "./held.ts";
import { acknowledge, extend, findLease } from "./leases.ts";
import type { LocalConsumer, Queue } from "./queue.ts";
import { type Local, touch } from "./state.ts";

/* How deliveries end: what a consumer says of its open message or of a lease, or that the consumer is gone. */

export function changeOpen(local: Local, operation: Operation): void {
  const { kind } = operation;
  const queue = find(local, operation);
  const consumer = operation.consumer as LocalConsumer;
  if (kind === "check") {
    if (queue !== undefined && consumer.open.has(queue)) operation.outcome = "held";
    return;
  }
  const isDone = queue !== undefined && endOpen(local, queue, consumer, operation);
  if (queue === undefined || !isDone) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.provisional = true;
}

/** Closes the open message, or gives it back. @returns false when there is none */
function endOpen(
  local: Local,
  queue: Queue,
  consumer: LocalConsumer,
  { kind, delay }: Operation,
): boolean {
  if (kind === "close") {
    const before = queue.bytes;
    const isDone = closeOpen(queue, consumer);
    local.bytes += queue.bytes - before;
    return isDone;
  }
  if (kind === "bury") return buryOpen(local, queue, consumer);
  return abortCounted(local, queue, consumer, delay < 0 ? undefined : delay);
}

export function release(local: Local, operation: Operation): void {
  const consumer = operation.consumer as LocalConsumer;
  for (const queue of [...consumer.open.keys()]) {
    // A queue that the group has deleted may yet be there again.
    const isThere = local.queues.get(queue.name) === queue;
    if (isThere) touch(local, queue);
    if (isThere && operation.inVain) abortGone(local, queue, consumer);
    else abortOpen(queue, consumer);
    letWait(local, queue);
  }
}

/** Where the delivery cannot be counted the message is back all the same: its consumer is gone, and has others open. */
function abortGone(local: Local, queue: Queue, consumer: LocalConsumer): void {
  try {
    abortCounted(local, queue, consumer);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/** Acknowledges a lease, or changes its end. */
export function changeLease(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  const known = queue && findLease(queue, operation.number);
  if (queue === undefined || known === undefined) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.provisional = true;
  if (operation.kind === "acknowledge") acknowledge(local, queue, known);
  else extend(local, queue, known, operation.lease);
}
