import { type Batch, newBatch } from "../../store/batch.ts";
import { StoreError } from "../../store/store.ts";
import type { Operation } from "../operation.ts";
import { evictBeyondLimit } from "./cache.ts";
import { addRecounts, noteLosses } from "./damage.ts";
import { failCommit } from "./failed_commit.ts";
import { abandonOpen } from "./held.ts";
import { addIdsToBatch, keepIds } from "./once.ts";
import type { Queue } from "./queue.ts";
import { addToBatch, isUnchanged, markSaved, type Saving, savingOf } from "./saving.ts";
import { announceAvailable, forgetChanges, isChanged, type Local } from "./state.ts";
import { countChanges, countDropped } from "./totals.ts";
import { lookAtTaken } from "./waited.ts";

/**
 * Commits what operations from number `from` up to `to` did, or undoes it. What they answer then is in
 * failed_commit.ts.
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
    failCommit(local, operations, from, to, error);
    return;
  }
  if (asked !== undefined) checkpoint(local, asked, operations, from, to);
}

/**
 * Writes what the group changed as one transaction. Messages that were set and taken in the same group are not written,
 * nor is it written that a message was opened: when that was all, there is no transaction.
 * @returns whether anything was written
 * @throws StoreError
 */
export function commitChanges(local: Local): boolean {
  if (!isChanged(local)) return false;
  const { changes, cache, queues, store, totals } = local;
  const savings = changes.touched.map(savingOf);
  const batch = batchOf(local, savings);
  lookAtTaken(local, savings);
  const isEmpty = isEmptyBatch(batch);
  if (!isEmpty) store.commit(batch);
  if (!isEmpty && batch.ids !== undefined) keepIds(local, batch.ids);
  for (const queue of changes.dropped) countDropped(totals, queue);
  for (let i = 0; i < savings.length; i++) {
    const queue = changes.touched[i] as Queue;
    if (queues.get(queue.name) === queue) countChanges(totals, queue);
    markSaved(queue, cache, savings[i] as Saving);
  }
  for (const queue of changes.dropped) abandonOpen(queue);
  noteLosses(local);
  announceAvailable(local, changes.touched);
  forgetChanges(local);
  evictBeyondLimit(cache, queues.size);
  return !isEmpty;
}

function isEmptyBatch({ positions, created, dropped, paused, recounts }: Batch): boolean {
  const isMarked = paused !== undefined || recounts !== undefined;
  return positions.length + created.length + dropped.length === 0 && !isMarked;
}

function batchOf(local: Local, savings: Saving[]): Batch {
  const { queues, changes } = local;
  const batch = newBatch();
  for (const { id } of changes.dropped) batch.dropped.push(id);
  for (const { id, name } of changes.created) batch.created.push({ queue: id, name });
  for (let i = 0; i < savings.length; i++) {
    const queue = changes.touched[i] as Queue;
    const saving = savings[i] as Saving;
    if (queues.get(queue.name) !== queue || isUnchanged(queue, saving)) continue;
    addToBatch(local.store, queue, saving, batch);
  }
  for (const { queue } of changes.paused) {
    const { id, name, paused } = queue;
    if (queues.get(name) === queue) (batch.paused ??= []).push({ queue: id, until: paused });
  }
  addRecounts(local, batch);
  addIdsToBatch(local, batch);
  return batch;
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
    const { kind, outcome } = operation;
    if (outcome !== "done" || (kind !== "checkpoint" && kind !== "archive")) continue;
    operation.outcome = "failed";
    operation.error = reason;
  }
}
