import type { Operation } from "../operation.ts";
import { isPaused, type Queue } from "./queue.ts";
import { announceAvailable, type Local, touch } from "./state.ts";

/** Pauses the queue until the operation's time, or ends its pause. */
export function changePause(local: Local, queue: Queue, { kind, until }: Operation): void {
  touch(local, queue);
  local.changes.paused.push({ queue, before: queue.paused });
  setPaused(local, queue, kind === "pause" ? until : undefined);
}

/** @param until milliseconds since 1970, or 0: until it is resumed; undefined: it is not paused */
export function setPaused(local: Local, queue: Queue, until: number | undefined): void {
  queue.paused = until;
  if (until === undefined || until === 0) local.pauses.delete(queue);
  else local.pauses.add(queue);
}

/** The commit failed: the queues are paused as they were. */
export function undoPauses(local: Local): void {
  for (const { queue, before } of local.changes.paused.toReversed())
    setPaused(local, queue, before);
}

/** Tells clients that wait of queues whose pause is over. Call it now and then, between groups. */
export function endPauses(local: Local): void {
  const now = local.clock.calendar();
  for (const queue of local.pauses) {
    if (isPaused(queue, now) && local.queues.get(queue.name) === queue) continue;
    local.pauses.delete(queue);
    announceAvailable(local, [queue]);
  }
}
