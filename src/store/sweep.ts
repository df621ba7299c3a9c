import type { Database, Statement } from "bun:sqlite";

import type { Position } from "../queue/batch.ts";
import { NUMBER_BITS, NUMBER_MASK } from "./schema.ts";

/**
 * Removes segments whose messages are all gone. They are harmless (a queue's position tells what counts), so it
 * happens in small portions: many of one queue at once when its head has moved far, the rest when there is time.
 */
export interface Sweep {
  /** For each queue, where its head was when it was swept last. */
  swept: Map<number, number>;
  /** For each queue that may have segments to be removed, its position. */
  waiting: Map<number, Position>;
  /** Dropped queues whose segments are all to be removed. */
  dropped: number[];
  find: Statement<{ number: number; bytes: number }, [number, number, number, number]>;
  remove: Statement<void, [number, number, number, number]>;
  forget: Statement<void, [number]>;
}

/** A portion is at most this many segments, and about this many bytes. */
const PORTION_SEGMENTS = 128;
const PORTION_BYTES = 1024 * 1024;
/** While messages go by, a queue is swept every so many. */
const SWEEP_EVERY = 256;

/** Segments of queue ?1 that hold only messages from ?2 up to, but without, ?3. */
const KEY = `(?1 << ${NUMBER_BITS})`;
const DEAD = `key >= ${KEY} + ?2 AND key < ${KEY} + ?3 AND (key & ${NUMBER_MASK}) + count <= ?3`;

export function newSweep(database: Database): Sweep {
  const dropped = database.query<{ queue: number }, []>("SELECT queue FROM dropped").all();
  return {
    swept: new Map(),
    waiting: new Map(),
    dropped: dropped.map(({ queue }) => queue),
    find: database.prepare(
      `SELECT key & ${NUMBER_MASK} AS number, length(body) AS bytes FROM segment
        WHERE ${DEAD} ORDER BY key LIMIT ?4`,
    ),
    remove: database.prepare(`DELETE FROM segment WHERE ${DEAD} AND key <= ${KEY} + ?4`),
    forget: database.prepare("DELETE FROM dropped WHERE queue = ?1"),
  };
}

/** The queue's position changed. Inside a transaction: sweeps the queue if that is worth it by now. */
export function headMoved(sweep: Sweep, position: Position): void {
  const { queue, head } = position;
  const swept = sweep.swept.get(queue) ?? 1;
  if (head - swept >= SWEEP_EVERY && sweepQueue(sweep, position)) {
    sweep.swept.set(queue, head);
    sweep.waiting.delete(queue);
  } else if (head !== swept) {
    sweep.waiting.set(queue, position);
  }
}

/** Inside a transaction: does one portion of what is waiting. True when there is more. */
export function sweepSome(sweep: Sweep): boolean {
  for (const [queue, position] of sweep.waiting) {
    if (!sweepQueue(sweep, position)) return true;
    sweep.waiting.delete(queue);
    sweep.swept.set(queue, position.head);
    return hasWork(sweep);
  }
  const queue = sweep.dropped.at(-1);
  if (queue !== undefined && sweepRange(sweep, queue, 0, NUMBER_MASK)) {
    sweep.forget.run(queue);
    sweep.dropped.pop();
  }
  return hasWork(sweep);
}

export function hasWork(sweep: Sweep): boolean {
  return sweep.waiting.size > 0 || sweep.dropped.length > 0;
}

/** The queue is no more. */
export function queueDropped(sweep: Sweep, queue: number): void {
  sweep.waiting.delete(queue);
  sweep.swept.delete(queue);
  sweep.dropped.push(queue);
}

/** Removes some of the segments before the head that hold none of the messages held back: true when none is left. */
function sweepQueue(sweep: Sweep, { queue, head, held }: Position): boolean {
  let from = 0;
  for (const number of held) {
    if (!sweepRange(sweep, queue, from, number)) return false;
    from = number + 1;
  }
  return sweepRange(sweep, queue, from, head);
}

/** Removes some of the segments that hold only messages from `from` up to `to`: true when none is left. */
function sweepRange(sweep: Sweep, queue: number, from: number, to: number): boolean {
  let bytes = 0;
  let count = 0;
  let last = 0;
  for (const row of sweep.find.iterate(queue, from, to, PORTION_SEGMENTS)) {
    last = row.number;
    count++;
    bytes += row.bytes;
    if (bytes >= PORTION_BYTES) break;
  }
  if (count > 0) sweep.remove.run(queue, from, to, last);
  return count < PORTION_SEGMENTS && bytes < PORTION_BYTES;
}
