import type { Batch } from "./batch.ts";
import { endDelays } from "./delays.ts";
import { writeExpiry } from "./expiry.ts";
import { writeIds } from "./ids.ts";
import { newProgress, type Progress, type Removal, removeIfDue } from "./removal.ts";
import { HELD, LEASED } from "./schema.ts";
import { insertSegments } from "./segments.ts";
import type { Statements } from "./statements.ts";

/**
 * Writes the batch in the transaction that has begun.
 * @param now milliseconds since 1970
 * @returns what was removed on the way
 */
export function writeBatch(
  { statements, removal, pageSize }: { statements: Statements; removal: Removal; pageSize: number },
  batch: Batch,
  now: number,
): Progress {
  for (const queue of batch.dropped) {
    statements.dropQueue.run(queue);
    statements.noteDropped.run(queue);
  }
  for (const { queue, name } of batch.created) {
    statements.createQueue.run(queue, Buffer.from(name, "latin1"));
  }
  insertSegments(statements, batch.segments, pageSize, now);
  for (const { queue, number, deliveries = 0, lease } of batch.held) {
    const { due = null, length = null } = lease ?? {};
    const kind = lease === undefined ? HELD : LEASED;
    statements.hold.run(queue, number, kind, deliveries, due, length);
  }
  for (const { queue, number, due, deliveries } of batch.delays?.delayed ?? []) {
    statements.delay.run(queue, number, due, deliveries);
  }
  for (const { queue, number, origin, originNumber, reason } of batch.moved ?? []) {
    statements.move.run(queue, number, Buffer.from(origin, "latin1"), originNumber, reason);
  }
  const progress = newProgress();
  for (const { queue, head, tail, bytes } of batch.positions) {
    statements.moveQueue.run(queue, head, tail, bytes);
    removeIfDue(removal, queue, progress);
  }
  for (const { queue, until } of batch.paused ?? [])
    statements.pauseQueue.run(queue, until ?? null);
  for (const { queue, isDue } of batch.recounts ?? [])
    statements.recountQueue.run(queue, isDue ? 1 : null);
  if (batch.expiry !== undefined) writeExpiry(statements, batch.expiry);
  if (batch.ids !== undefined) writeIds(statements, batch.ids);
  // Comes last: a message that is released here may be put back later, so its segment must not be removed above.
  for (const { queue, number } of batch.released) statements.release.run(queue, number);
  if (batch.delays !== undefined) endDelays(statements, batch.delays);
  return progress;
}
