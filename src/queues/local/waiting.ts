import type { WaitingMessage } from "../../store/store.ts";
import { countWaiting } from "./delivery.ts";
import { hasNumber } from "./number_set.ts";
import type { Queue } from "./queue.ts";
import type { Local } from "./state.ts";

/** Rows that are read at most: those of messages that were brought are passed over, in portions of so many. */
const MAX_ROWS = 10_000;
const PORTION = 256;

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
  // A search asks for a few at a time, of very many.
  let portion = Math.min(most, PORTION);
  for (let read = 0; read < MAX_ROWS; read += portion) {
    const rows = store.waitingFrom(id, next, portion);
    for (const row of rows) {
      if (hasNumber(delivery.brought, row.number)) continue;
      if (found.push(row) === most) return found;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < portion) break;
    next = last.number + 1;
    portion = PORTION;
  }
  return found;
}
