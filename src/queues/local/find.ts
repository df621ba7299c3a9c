import type { Operation } from "../operation.ts";
import type { Queue } from "./queue.ts";
import type { Local } from "./state.ts";

export function fail(operation: Operation, reason: string): void {
  operation.outcome = "failed";
  operation.error = reason;
}

/** The operation, and all later ones of its session, go on in the next group. What it has changed is kept. */
export function postpone(operation: Operation): void {
  operation.session.postponed = true;
  operation.outcome = "postponed";
}

/** The queue of that name. The outcome depends on the commit when the group has changed that queue. */
export function find(local: Local, operation: Operation): Queue | undefined {
  const queue = local.queues.get(operation.queue);
  const { dropped } = local.changes;
  operation.provisional =
    queue === undefined
      ? dropped.length > 0 && dropped.some(({ name }) => name === operation.queue)
      : queue.touched;
  return queue;
}
