import { type Batch, newBatch } from "../../store/batch.ts";
import { StoreError } from "../../store/store.ts";
import type { Operation } from "../operation.ts";
import { evictBeyondLimit } from "./cache.ts";
import { noteLosses } from "./damage.ts";
import { abandonOpen } from "./held.ts";
import { countAvailable, type Queue } from "./queue.ts";
import { noteFailedSync } from "./recovery.ts";
import { addToBatch, isUnchanged, markSaved, rollBack, type Saving, savingOf } from "./saving.ts";
import { isChanged, type Local } from "./state.ts";

/**
 * Commits what operations from number `from` up to `to` did, or undoes it: then the outcomes that depend on it are
 * failed.
 */
export function finishGroup(
  local: Local,
  operations: readonly Operation[],
  from: number,
  to: number,
): void {
  const { clock, watcher, checkpointAsked: asked } = local;
  local.checkpointAsked = undefined;
  const before = clock.monotonic();
  try {
    if (commitChanges(local)) watcher.committed(clock.monotonic() - before);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    failGroup(operations, from, to, error.message);
    undoChanges(local);
    if (error.outcome === "unknown") noteFailedSync(local, error.message);
    watcher.failed(error.message);
    return;
  }
  if (asked !== undefined) checkpoint(local, asked, operations, from, to);
}

/** @param all not only the operations that saw or made a change */
export function failGroup(
  operations: readonly Operation[],
  from: number,
  to: number,
  reason: string,
  all = false,
): void {
  for (let i = from; i < to; i++) {
    const operation = operations[i] as Operation;
    if (!operation.provisional && !(all && operation.kind !== "none")) continue;
    operation.outcome = "failed";
    operation.error = reason;
  }
}

/**
 * Writes what the group changed as one transaction. Messages that were set and taken in the same group are not written,
 * nor is it written that a message was opened: when that was all, there is no transaction.
 * @returns whether anything was written
 * @throws StoreError
 */
export function commitChanges(local: Local): boolean {
  if (!isChanged(local)) return false;
  const { changes, cache, queues, store } = local;
  const savings = changes.touched.map(savingOf);
  const batch = batchOf(local, savings);
  const isEmpty = batch.positions.length + batch.created.length + batch.dropped.length === 0;
  if (!isEmpty) store.commit(batch);
  for (let i = 0; i < savings.length; i++) {
    markSaved(changes.touched[i] as Queue, cache, savings[i] as Saving);
  }
  for (const queue of changes.dropped) abandonOpen(queue);
  noteLosses(local);
  announceAvailable(local, changes.touched);
  forgetChanges(local);
  evictBeyondLimit(cache, queues.size);
  return !isEmpty;
}

function batchOf({ queues, changes }: Local, savings: Saving[]): Batch {
  const batch = newBatch();
  for (const { id } of changes.dropped) batch.dropped.push(id);
  for (const { id, name } of changes.created) batch.created.push({ queue: id, name });
  for (let i = 0; i < savings.length; i++) {
    const queue = changes.touched[i] as Queue;
    const saving = savings[i] as Saving;
    if (queues.get(queue.name) !== queue || isUnchanged(queue, saving)) continue;
    addToBatch(queue, saving, batch);
  }
  return batch;
}

/** Undoes everything since the last commit: the queues are what the store has. */
export function undoChanges(local: Local): void {
  const { queues, changes, cache } = local;
  for (const queue of changes.created) {
    queues.delete(queue.name);
    local.bytes -= queue.bytes;
    abandonOpen(queue);
  }
  for (const queue of changes.dropped) {
    queues.set(queue.name, queue);
    local.bytes += queue.bytes;
  }
  if (changes.dropped.length > 0) restoreOrder(local);
  const changed = new Set([...changes.touched, ...changes.dropped]);
  for (const queue of changed) {
    const before = queue.bytes;
    rollBack(queue, cache);
    if (local.queues.get(queue.name) === queue) local.bytes += queue.bytes - before;
  }
  for (const queue of changes.recounted) local.recounts.add(queue);
  announceAvailable(local, changed);
  forgetChanges(local);
}

/** Queues are listed in the order in which they were made. A list that is not at its end goes on with the old map. */
function restoreOrder(local: Local): void {
  local.queues = new Map([...local.queues].sort(([, a], [, b]) => a.id - b.id));
}

/** Tells the engine of messages that clients wait for. */
function announceAvailable({ watcher, queues }: Local, changed: Iterable<Queue>): void {
  for (const queue of changed) {
    if (!watcher.isAwaited(queue.name) || queues.get(queue.name) !== queue) continue;
    const messages = countAvailable(queue);
    if (messages > 0) watcher.ready(queue.name, messages);
  }
}

function forgetChanges({ changes }: Local): void {
  changes.touched.length = 0;
  changes.created.length = 0;
  changes.dropped.length = 0;
  changes.losses.length = 0;
  changes.recounted.length = 0;
  changes.bytes = 0;
  changes.costly = 0;
}

/**
 * Makes one checkpoint for all operations that ask for one. It comes after the commit, and so includes the whole group.
 */
function checkpoint(
  local: Local,
  asked: "full" | "truncate",
  operations: readonly Operation[],
  from: number,
  to: number,
): void {
  try {
    local.store.checkpoint(asked);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    failCheckpoints(operations, from, to, error.message);
  }
}

function failCheckpoints(
  operations: readonly Operation[],
  from: number,
  to: number,
  reason: string,
): void {
  for (let i = from; i < to; i++) {
    const operation = operations[i] as Operation;
    if (operation.kind !== "checkpoint" && operation.kind !== "archive") continue;
    operation.outcome = "failed";
    operation.error = reason;
  }
}
