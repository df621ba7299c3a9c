import type { Database, Statement } from "bun:sqlite";

import type { Position } from "./batch.ts";
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
  /** The queues that may have segments to be removed, the one whose turn it is in front. */
  waiting: Map<number, Pass>;
  /** Dropped queues whose segments are all to be removed. */
  dropped: Set<number>;
  find: Statement<SegmentRow, [number, number, number, number]>;
  remove: Statement<void, [number, number, number]>;
  forget: Statement<void, [number]>;
}

/** One going through the segments of a queue. */
interface Pass {
  /** The queue's position when the pass began, and now. */
  begun: Position;
  latest: Position;
  /** Where it goes on: everything before is looked at. */
  from: number;
}

/** The messages of a segment, from `number` up to `end`, and the bytes of it. */
interface SegmentRow {
  number: number;
  end: number;
  bytes: number;
}

/** A portion is at most this many segments, and about this many bytes. */
const PORTION_SEGMENTS = 128;
const PORTION_BYTES = 1024 * 1024;
/** While messages go by, a queue is swept every so many. */
const SWEEP_EVERY = 256;

/** The key of message ?2 or ?3 of queue ?1. */
const KEY = `(?1 << ${NUMBER_BITS})`;
const NUMBER = `(key & ${NUMBER_MASK})`;

export function newSweep(database: Database, queues: StoredQueue[]): Sweep {
  const dropped = database.query<{ queue: number }, []>("SELECT queue FROM dropped").all();
  const begun = queues.filter(({ head }) => head > 1);
  return {
    swept: new Map(),
    waiting: new Map(begun.map((position) => [position.queue, newPass(position)])),
    dropped: new Set(dropped.map(({ queue }) => queue)),
    find: database.prepare(
      `SELECT ${NUMBER} AS number, ${NUMBER} + count AS end, length(body) AS bytes FROM segment
        WHERE key >= ${KEY} + ?2 AND key < ${KEY} + ?3 AND ${NUMBER} + count <= ?3
        ORDER BY key LIMIT ?4`,
    ),
    remove: database.prepare(`DELETE FROM segment WHERE key >= ${KEY} + ?2 AND key <= ${KEY} + ?3`),
    forget: database.prepare("DELETE FROM dropped WHERE queue = ?1"),
  };
}

/** What is left of a portion, and whether it has removed anything. */
interface Portion {
  segments: number;
  bytes: number;
  hasRemoved: boolean;
}

/**
 * Inside the transaction that changes the position: sweeps the queue if that is worth it. Going through messages held
 * back is left for later. True when it is swept.
 */
export function sweepIfDue(sweep: Sweep, position: Position): boolean {
  const { queue, head, held } = position;
  const swept = sweep.swept.get(queue)?.head ?? 1;
  if (head - swept < SWEEP_EVERY || held.length > 0) return false;
  return sweepFrom(sweep, position, 0, newPortion()) === head;
}

/** The position is committed, and the queue was `swept` with it or not. */
export function noteMoved(sweep: Sweep, position: Position, swept: boolean): void {
  const { queue } = position;
  const pass = sweep.waiting.get(queue);
  if (swept) {
    sweep.waiting.delete(queue);
    sweep.swept.set(queue, position);
  } else if (pass !== undefined) {
    pass.latest = position;
  } else if (hasMoved(sweep.swept.get(queue), position)) {
    sweep.waiting.set(queue, newPass(position));
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

/** What a portion of sweeping did, to be noted once it is committed: how far it came, and what it finished. */
export interface Swept {
  passes: { pass: Pass; from: number }[];
  dropped: number[];
  /** The portion did not suffice, or only just. */
  usedUp: boolean;
  portion: Portion;
}

/** Inside a transaction: does one portion of what is waiting. */
export function sweepPortion(sweep: Sweep): Swept {
  const portion = newPortion();
  const done: Swept = { passes: [], dropped: [], usedUp: true, portion };
  for (const pass of sweep.waiting.values()) {
    if (isUsedUp(portion)) return done;
    if (pass.from === 0) pass.begun = pass.latest;
    done.passes.push({ pass, from: sweepFrom(sweep, pass.begun, pass.from, portion) });
  }
  for (const queue of sweep.dropped) {
    if (isUsedUp(portion)) return done;
    const all = { queue, head: NUMBER_MASK, tail: NUMBER_MASK, bytes: 0, held: [] };
    if (sweepFrom(sweep, all, 0, portion) < NUMBER_MASK) return done;
    sweep.forget.run(queue);
    done.dropped.push(queue);
  }
  done.usedUp = isUsedUp(portion);
  return done;
}

/** Whether there is something to commit. */
export function hasSwept({ portion, dropped }: Swept): boolean {
  return portion.hasRemoved || dropped.length > 0;
}

/**
 * The portion is committed. A queue that is not finished goes to the back.
 * @returns whether there may be more to do
 */
export function noteDone(sweep: Sweep, done: Swept): boolean {
  let more = done.usedUp;
  for (const { pass, from } of done.passes) {
    const { queue } = pass.begun;
    if (sweep.waiting.get(queue) !== pass) continue;
    sweep.waiting.delete(queue);
    pass.from = from;
    if (from < pass.begun.head) sweep.waiting.set(queue, pass);
    else if (!endPass(sweep, pass)) more = true;
  }
  for (const queue of done.dropped) sweep.dropped.delete(queue);
  return more;
}

/** What went while the pass was on its way needs another: true when it does not. */
function endPass(sweep: Sweep, { begun, latest }: Pass): boolean {
  sweep.swept.set(begun.queue, begun);
  const isDone = !hasMoved(begun, latest);
  if (!isDone) sweep.waiting.set(begun.queue, newPass(latest));
  return isDone;
}

function newPass(position: Position): Pass {
  return { begun: position, latest: position, from: 0 };
}

function newPortion(): Portion {
  return { segments: PORTION_SEGMENTS, bytes: PORTION_BYTES, hasRemoved: false };
}

function isUsedUp({ segments, bytes }: Portion): boolean {
  return segments <= 0 || bytes <= 0;
}

/** Whether any message went since the queue was swept. */
function hasMoved(swept: Position | undefined, { head, held }: Position): boolean {
  if (head !== (swept?.head ?? 1)) return true;
  if (swept === undefined || swept.held.length === 0) return false;
  const still = new Set(held);
  return swept.held.some((number) => !still.has(number));
}

/**
 * Removes segments before the head, from message `from` on, that hold none of the messages held back.
 * @returns how far it came: the head when it is through
 */
function sweepFrom(sweep: Sweep, position: Position, from: number, portion: Portion): number {
  const { queue, head, held } = position;
  // Looking is work, too.
  portion.segments--;
  let next = from;
  let alive = 0;
  let first = -1;
  let last = -1;
  const removeRun = () => {
    if (first < 0) return;
    sweep.remove.run(queue, first, last);
    portion.hasRemoved = true;
    first = -1;
  };
  const rows = sweep.find.all(queue, from, head, PORTION_SEGMENTS);
  for (const { number, end, bytes } of rows) {
    if (isUsedUp(portion)) break;
    while (alive < held.length && (held[alive] as number) < number) alive++;
    const isHeld = alive < held.length && (held[alive] as number) < end;
    portion.segments--;
    next = end;
    if (isHeld) {
      removeRun();
      continue;
    }
    portion.bytes -= bytes;
    if (first < 0) first = number;
    last = number;
  }
  removeRun();
  const isThrough = rows.length < PORTION_SEGMENTS && next >= (rows.at(-1)?.end ?? 0);
  return isThrough ? head : next;
}
