import type { WaitingMessage } from "../../store/store.ts";
import { countWaiting } from "./delivery.ts";
import { hasNumber } from "./number_set.ts";
import type { Queue } from "./queue.ts";
import type { Local } from "./state.ts";

/** Rows that are read together, and how often at most: those of messages that were brought are passed over. */
const PORTION = 256;
const MAX_PORTIONS = 40;

/**
 * Messages that wait for their time, from number `from` on, ascending. Call it between two groups. Where very many whose
 * time has come are before them, they may be fewer than there are.
 * @throws StoreError
 */
export function waitingMessages(
  { store }: Local,
  { id, delivery }: Queue,
  from: number,
  most: number,
): WaitingMessage[] {
  const found: WaitingMessage[] = [];
  if (delivery === undefined || countWaiting(delivery) === 0) return found;
  let next = from;
  for (let portions = 0; portions < MAX_PORTIONS; portions++) {
    const rows = store.waitingFrom(id, next, PORTION);
    for (const row of rows) {
      if (hasNumber(delivery.brought, row.number)) continue;
      if (found.push(row) === most) return found;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PORTION) break;
    next = last.number + 1;
  }
  return found;
}
