import type { Tally } from "../summary.ts";
import type { Queue } from "./queue.ts";
import type { Local } from "./state.ts";

export const NO_TALLY: Tally = {
  dropped: 0,
  expired: 0,
  duplicates: 0,
  redelivered: 0,
  dead: 0,
  missed: 0,
};

/** Counts a message of the queue. */
export function tally({ changes }: Local, queue: Queue, what: keyof Tally): void {
  queue.tally ??= { ...NO_TALLY };
  queue.tally[what]++;
  changes.tallied.push({ queue, what });
}

/** The commit failed: nothing of it was. */
export function takeBackTally({ changes }: Local): void {
  for (const { queue, what } of changes.tallied) if (queue.tally !== undefined) queue.tally[what]--;
}
