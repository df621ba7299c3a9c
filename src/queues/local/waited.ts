import { StoreError } from "../../store/store.ts";
import type { Queue } from "./queue.ts";
import type { Saving } from "./saving.ts";
import type { Local } from "./state.ts";

/*
 * How long the message that was taken last had waited. To know when it came, its row is looked at before the commit,
 * since the commit may remove it. Where very many are taken that would be much work, so not each of them is looked at.
 */

/** Milliseconds for one look, on average, and how many there may be at once. */
const LOOK_EVERY_MS = 4;
const MAX_LOOKS = 16;

/** Looks at the messages that the group took last. */
export function lookAtTaken(local: Local, savings: readonly Saving[]): void {
  for (let i = 0; i < savings.length; i++) {
    const { stored, id } = local.changes.touched[i] as Queue;
    const saving = savings[i] as Saving;
    const { head } = saving.position;
    if (head === stored.head) continue;
    // From `stored.tail` on, messages are set and taken in this group.
    saving.waitedMs = head > stored.tail ? 0 : waitedOf(local, id, head - 1);
  }
}

/** -1 when it was not looked at, or cannot be told. */
function waitedOf(local: Local, queue: number, number: number): number {
  const { store, clock } = local;
  const now = clock.monotonic();
  const next = Math.max(local.lookedAt + LOOK_EVERY_MS, now - MAX_LOOKS * LOOK_EVERY_MS);
  if (next > now) return -1;
  local.lookedAt = next;
  try {
    const arrived = store.arrived(queue, number);
    return arrived === undefined ? -1 : Math.max(0, clock.calendar() - arrived);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return -1;
  }
}
