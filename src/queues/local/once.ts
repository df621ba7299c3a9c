import type { Batch, IdBatch } from "../../store/batch.ts";
import { countIds, oldestTime, timeOf } from "./ids.ts";
import type { Queue } from "./queue.ts";
import { addRow, forgetBeyond, HASH_BYTES, longestTime } from "./remembered.ts";
import { type Local, now } from "./state.ts";

/*
 * A message is set once: a second one with the same id within the time of `once` adds nothing. Ids are looked up by hashes,
 * which have the queue's id in them. What a group adds is with its changes until it is committed.
 */

/** Whether a message with this id was set within the queue's time. */
export function isRepeat(local: Local, queue: Queue, id: string): boolean {
  const hash = hashOf(queue, id);
  if (local.changes.ids.has(hash)) return true;
  const time = timeOf(local.once.ids, lowOf(hash), highOf(hash));
  return time !== undefined && now(local) - time < queue.settings.onceMs;
}

/** The group has set a message with this id. */
export function rememberId(local: Local, queue: Queue, id: string, number: number): void {
  local.changes.ids.set(hashOf(queue, id), { queue, number });
}

/** What was set is looked up by 64 bits, whose values the store keeps: the same ones in any version. */
function hashOf({ id: queueId }: Queue, id: string): bigint {
  return Bun.hash.xxHash64(id, BigInt(queueId));
}

function lowOf(hash: bigint): number {
  return Number(hash & 0xffff_ffffn);
}

function highOf(hash: bigint): number {
  return Number(hash >> 32n);
}

/** Adds the ids of the group to the batch: a row for each queue. */
export function addIdsToBatch(local: Local, batch: Batch): void {
  const { changes, once, queues } = local;
  if (changes.ids.size === 0) return;
  const hashes = new Map<Queue, { first: number; hashes: bigint[] }>();
  for (const [hash, { queue, number }] of changes.ids) {
    if (queues.get(queue.name) !== queue) continue;
    const row = hashes.get(queue);
    if (row === undefined) hashes.set(queue, { first: number, hashes: [hash] });
    else row.hashes.push(hash);
  }
  const arrived = now(local);
  const added = [...hashes].map(([queue, row]) => {
    return { queue: queue.id, first: row.first, arrived, hashes: bytesOf(row.hashes) };
  });
  batch.ids = { added, forgotten: once.forgotten };
}

function bytesOf(hashes: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, hash] of hashes.entries()) view.setBigUint64(i * HASH_BYTES, hash, true);
  return bytes;
}

/** The batch is committed. */
export function keepIds(local: Local, { added }: IdBatch): void {
  const { once } = local;
  once.forgotten = [];
  for (const row of added) addRow(once, row);
  forgetBeyond(once, now(local) - longestTime(local.rules));
}

/** How long ids of the queue are remembered in fact, in milliseconds: there may be too many of them. */
export function onceWindow(local: Local, onceMs: number): number {
  const { ids } = local.once;
  return countIds(ids) < ids.limit ? onceMs : Math.min(onceMs, now(local) - oldestTime(ids));
}
