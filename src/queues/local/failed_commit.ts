import type { StoreError } from "../../store/store.ts";
import type { Operation } from "../operation.ts";
import { noteMade, noteRemoved } from "./children.ts";
import { letWait } from "./early.ts";
import { abandonOpen } from "./held.ts";
import { undoPauses } from "./pause.ts";
import { noteFailedSync } from "./recovery.ts";
import { rollBack } from "./rollback.ts";
import { announceAvailable, forgetChanges, type Local } from "./state.ts";
import { takeBackTally } from "./tally.ts";

/**
 * What operations from number `from` up to `to` answer when their commit has failed: each one that saw or made a change
 * fails, with the store's reason, and no change has happened. After a failed sync it is unknown what happened: the
 * reason says so, and the file decides (see recovery.ts).
 */
export function failCommit(
  local: Local,
  operations: readonly Operation[],
  from: number,
  to: number,
  { message, outcome }: StoreError,
): void {
  failGroup(operations, from, to, message);
  undoChanges(local);
  if (outcome === "unknown") noteFailedSync(local, message);
  local.watcher.failed(message);
}

/**
 * Fails the operations that saw or made a change. Skipped ones did neither, and postponed ones only where they had begun:
 * as long as commits fail they would begin again and again.
 */
function failGroup(
  operations: readonly Operation[],
  from: number,
  to: number,
  reason: string,
): void {
  for (let i = from; i < to; i++) {
    const operation = operations[i] as Operation;
    if (operation.provisional) failOne(operation, reason);
  }
}

/** A mistake of ours in the middle of a group: nothing of it happened, and the next one is executed as if it had not been. */
export function failMistaken(
  local: Local,
  operations: readonly Operation[],
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) {
    const operation = operations[i] as Operation;
    if (operation.kind !== "none") failOne(operation, "internal error");
  }
  undoChanges(local);
}

function failOne(operation: Operation, reason: string): void {
  const { outcome, provisional } = operation;
  if (outcome === "skipped" || (outcome === "postponed" && !provisional)) return;
  operation.outcome = "failed";
  operation.error = reason;
}

/** Undoes everything since the last commit: the queues are what the store has. */
export function undoChanges(local: Local): void {
  const { queues, changes, cache } = local;
  for (const queue of changes.created) {
    queues.delete(queue.name);
    noteRemoved(local.fanout.children, queue.name);
    local.bytes -= queue.bytes;
    abandonOpen(queue);
  }
  for (const queue of changes.dropped) {
    queues.set(queue.name, queue);
    noteMade(local.fanout.children, queue.name);
    local.bytes += queue.bytes;
  }
  if (changes.dropped.length > 0) restoreOrder(local);
  const changed = new Set([...changes.touched, ...changes.dropped]);
  for (const queue of changed) {
    const before = queue.bytes;
    rollBack(queue, cache);
    letWait(local, queue);
    if (local.queues.get(queue.name) === queue) local.bytes += queue.bytes - before;
  }
  undoPauses(local);
  takeBackTally(local);
  for (const queue of changes.recounted) local.recounts.add(queue);
  announceAvailable(local, changed);
  forgetChanges(local);
}

/** Queues are listed in the order in which they were made. A list that is not at its end goes on with the old map. */
function restoreOrder(local: Local): void {
  local.queues = new Map([...local.queues].sort(([, a], [, b]) => a.id - b.id));
}
