import type { StoredIds } from "../../store/batch.ts";
import type { Store } from "../../store/store.ts";
import type { QueueRules } from "../settings.ts";
import {
  addId,
  countIds,
  forgetOldest,
  type IdRow,
  type Ids,
  isOldestIn,
  newIds,
  oldestTime,
} from "./ids.ts";
import type { Queue } from "./queue.ts";

/** The ids that are remembered, and rows of the store whose ids all are forgotten, for the next commit. */
export interface Once {
  ids: Ids;
  forgotten: IdRow[];
}

/** An id that the group has added. */
export interface NewId {
  queue: Queue;
  number: number;
}

/** Ids that are kept when no option says otherwise. */
export const MAX_IDS = 1_000_000;
/** Bytes of a hash in the store. */
export const HASH_BYTES = 8;

/** Reads the ids of a store that are not too old. @param limit most that are kept @throws StoreError */
export function loadOnce(store: Store, rules: QueueRules, limit: number, time: number): Once {
  const once: Once = { ids: newIds(limit), forgotten: [] };
  const since = time - longestTime(rules);
  store.eachIds((row) => {
    if (row.arrived < since) once.forgotten.push({ queue: row.queue, first: row.first });
    else addRow(once, row);
  });
  forgetBeyond(once, since);
  return once;
}

/** The longest time of all rules. */
export function longestTime({ found, defaults }: QueueRules): number {
  return [...found, defaults].reduce((longest, { onceMs }) => Math.max(longest, onceMs), 0);
}

export function addRow({ ids }: Once, { queue, first, arrived, hashes }: StoredIds): void {
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  const row = { queue, first };
  for (let at = 0; at + HASH_BYTES <= hashes.byteLength; at += HASH_BYTES) {
    addId(ids, view.getUint32(at, true), view.getUint32(at + 4, true), arrived, row);
  }
}

/** Forgets ids beyond the limit, and those from before `since`. */
export function forgetBeyond({ ids, forgotten }: Once, since: number): void {
  while (countIds(ids) > ids.limit || oldestTime(ids) < since) {
    const row = forgetOldest(ids);
    if (!isOldestIn(ids, row)) forgotten.push(row);
  }
}
