import type { Database, Statement } from "bun:sqlite";

import type { Position } from "../queue/batch.ts";
import { NUMBER_BITS, NUMBER_MASK } from "./schema.ts";
import type { StoredQueue } from "./store.ts";

/**
 * Removes segments whose messages are all gone. They are harmless (a queue's position tells what counts), so it
 * happens in small portions: many of one queue at once when its head has moved far, the rest when there is time.
 *
 * What is noted here is what is committed. A sweep of what a failed commit would have made dead would lose messages.
 */
export interface Sweep {
  /** For each queue, its position when it was swept last. */
  swept: Map<number, Position>;
  /** For each queue that may have segments to be removed, its position. */
  waiting: Map<number, Position>;
  /** Dropped queues whose segments are all to be removed. */
  dropped: Set<number>;
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

export function newSweep(database: Database, queues: StoredQueue[]): Sweep {
  const dropped = database.query<{ queue: number }, []>("SELECT queue FROM dropped").all();
  const begun = queues.filter(({ head }) => head > 1);
  return {
    swept: new Map(),
    waiting: new Map(begun.map((position) => [position.queue, position])),
    dropped: new Set(dropped.map(({ queue }) => queue)),
    find: database.prepare(
      `SELECT key & ${NUMBER_MASK} AS number, length(body) AS bytes FROM segment
        WHERE ${DEAD} ORDER BY key LIMIT ?4`,
    ),
    remove: database.prepare(`DELETE FROM segment WHERE ${DEAD} AND key <= ${KEY} + ?4`),
    forget: database.prepare("DELETE FROM dropped WHERE queue = ?1"),
  };
}

/** What is left of a portion. */
interface Portion {
  segments: number;
  bytes: number;
}

/** Inside the transaction that changes the position: sweeps the queue if that is worth it. True when it is swept. */
export function sweepIfDue(sweep: Sweep, position: Position): boolean {
  const swept = sweep.swept.get(position.queue)?.head ?? 1;
  return position.head - swept >= SWEEP_EVERY && sweepQueue(sweep, position, newPortion());
}

/** The position is committed, and the queue was `swept` with it or not. */
export function noteMoved(sweep: Sweep, position: Position, swept: boolean): void {
  if (swept) noteSwept(sweep, position);
  else if (hasMoved(sweep.swept.get(position.queue), position)) {
    sweep.waiting.set(position.queue, position);
  }
}

/** The queue is no more, and that is committed. */
export function noteDropped(sweep: Sweep, queue: number): void {
  sweep.waiting.delete(queue);
  sweep.swept.delete(queue);
  sweep.dropped.add(queue);
}

export function hasWork(sweep: Sweep): boolean {
  return sweep.waiting.size > 0 || sweep.dropped.size > 0;
}

/** Something that a portion of sweeping finished: to be noted once it is committed. */
export type Swept = { queue: Position } | { dropped: number };

/** Inside a transaction: does one portion of what is waiting. */
export function sweepPortion(sweep: Sweep): Swept[] {
  const portion = newPortion();
  const done: Swept[] = [];
  for (const queue of sweep.waiting.values()) {
    if (!sweepQueue(sweep, queue, portion)) return done;
    done.push({ queue });
  }
  for (const dropped of sweep.dropped) {
    if (!sweepRange(sweep, dropped, 0, NUMBER_MASK, portion)) return done;
    sweep.forget.run(dropped);
    done.push({ dropped });
  }
  return done;
}

function newPortion(): Portion {
  return { segments: PORTION_SEGMENTS, bytes: PORTION_BYTES };
}

/** @returns the dropped queues of which nothing is left */
export function noteDone(sweep: Sweep, done: Swept[]): number[] {
  const gone: number[] = [];
  for (const swept of done) {
    if ("queue" in swept) noteSwept(sweep, swept.queue);
    else if (sweep.dropped.delete(swept.dropped)) gone.push(swept.dropped);
  }
  return gone;
}

function noteSwept(sweep: Sweep, position: Position): void {
  sweep.waiting.delete(position.queue);
  sweep.swept.set(position.queue, position);
}

/** Whether any message went since the queue was swept. */
function hasMoved(swept: Position | undefined, { head, held }: Position): boolean {
  if (head !== (swept?.head ?? 1)) return true;
  return (swept?.held ?? []).some((number) => !held.includes(number));
}

/** Removes the segments before the head that hold none of the messages held back: false when there are too many. */
function sweepQueue(sweep: Sweep, { queue, head, held }: Position, portion: Portion): boolean {
  let from = 0;
  for (const number of held) {
    if (!sweepRange(sweep, queue, from, number, portion)) return false;
    from = number + 1;
  }
  return sweepRange(sweep, queue, from, head, portion);
}

/** Removes the segments that hold only messages from `from` up to `to`: false when there are too many for the portion. */
function sweepRange(
  sweep: Sweep,
  queue: number,
  from: number,
  to: number,
  portion: Portion,
): boolean {
  // Looking is work, too.
  portion.segments--;
  let last = -1;
  for (const row of sweep.find.iterate(queue, from, to, PORTION_SEGMENTS)) {
    if (portion.segments <= 0 || portion.bytes <= 0) break;
    last = row.number;
    portion.segments--;
    portion.bytes -= row.bytes;
  }
  if (last >= 0) sweep.remove.run(queue, from, to, last);
  return portion.segments > 0 && portion.bytes > 0;
}
