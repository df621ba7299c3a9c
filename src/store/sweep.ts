import type { Database, Statement } from "bun:sqlite";

import { NUMBER_BITS, NUMBER_MASK } from "./schema.ts";

/**
 * Removes segments whose messages are all gone. They are harmless (a queue's head tells what counts), so it happens
 * in small portions: many of one queue at once when its head has moved far, the rest when there is time.
 */
export interface Sweep {
  /** For each queue, up to which number its segments are removed. */
  swept: Map<number, number>;
  /** For each queue that has segments to be removed, its head. */
  waiting: Map<number, number>;
  /** Dropped queues whose segments are all to be removed. */
  dropped: number[];
  find: Statement<{ key: number; bytes: number }, [number, number, number]>;
  remove: Statement<void, [number, number, number]>;
  forget: Statement<void, [number]>;
}

/** A portion is at most this many segments, and about this many bytes. */
const PORTION_SEGMENTS = 128;
const PORTION_BYTES = 4 * 1024 * 1024;
/** While messages go by, a queue is swept every so many. */
const SWEEP_EVERY = 256;

const KEY = `(?1 << ${NUMBER_BITS})`;
const DEAD = `key >= ${KEY} AND key < ${KEY} + ?2 AND (key & ${NUMBER_MASK}) + count <= ?2`;

export function newSweep(database: Database): Sweep {
  const dropped = database.query<{ queue: number }, []>("SELECT queue FROM dropped").all();
  return {
    swept: new Map(),
    waiting: new Map(),
    dropped: dropped.map(({ queue }) => queue),
    find: database.prepare(
      `SELECT key & ${NUMBER_MASK} AS key, length(body) AS bytes FROM segment WHERE ${DEAD} ORDER BY key LIMIT ?3`,
    ),
    remove: database.prepare(`DELETE FROM segment WHERE ${DEAD} AND key <= ${KEY} + ?3`),
    forget: database.prepare("DELETE FROM dropped WHERE queue = ?1"),
  };
}

/** The queue's head moved. Inside a transaction: sweeps the queue if that is worth it by now. */
export function headMoved(sweep: Sweep, queue: number, head: number): void {
  const swept = sweep.swept.get(queue) ?? 1;
  if (head === swept) return;
  if (head - swept >= SWEEP_EVERY && sweepPortion(sweep, queue, head)) {
    sweep.swept.set(queue, head);
    sweep.waiting.delete(queue);
  } else {
    sweep.waiting.set(queue, head);
  }
}

/** Inside a transaction: does one portion of what is waiting. True when there is more. */
export function sweepSome(sweep: Sweep): boolean {
  for (const [queue, head] of sweep.waiting) {
    if (!sweepPortion(sweep, queue, head)) return true;
    sweep.waiting.delete(queue);
    sweep.swept.set(queue, head);
    return hasWork(sweep);
  }
  const queue = sweep.dropped.at(-1);
  if (queue !== undefined && sweepPortion(sweep, queue, NUMBER_MASK)) {
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

/** Removes some of the queue's segments that end before message `head`: true when none is left. */
function sweepPortion(sweep: Sweep, queue: number, head: number): boolean {
  let bytes = 0;
  let count = 0;
  let last = 0;
  for (const row of sweep.find.iterate(queue, head, PORTION_SEGMENTS)) {
    last = row.key;
    count++;
    bytes += row.bytes;
    if (bytes >= PORTION_BYTES) break;
  }
  if (count > 0) sweep.remove.run(queue, head, last);
  return count < PORTION_SEGMENTS && bytes < PORTION_BYTES;
}
