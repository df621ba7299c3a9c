import type { MessageKey, Position } from "./batch.ts";
import { isDamage } from "./damage.ts";
import { NUMBER_MASK } from "./schema.ts";
import { nextBehindDamage } from "./segments.ts";
import type { GoneRow, Statements } from "./statements.ts";

/**
 * Removes the rows of segments whose messages are all gone. The rows do no harm, because the queue's position says
 * which messages count. So they are removed in portions: many rows of one queue when its head has moved far, the others
 * when there is time.
 *
 * All that is noted here is committed, and a commit removes only rows of messages that an earlier commit took. When it
 * fails, the messages that it takes must still be there, and the next commit may put some of them back.
 */
export interface Removal {
  statements: Statements;
  /** Every queue whose head has moved. */
  places: Map<number, Place>;
  /** The queues that have rows to remove, the next one in front. */
  waiting: Set<Place>;
  /** Dropped queues: all their rows are removed. */
  dropped: Map<number, Place>;
  /** Queues that got messages from other queues: with the segments of those it forgets where they came from. */
  moved: Set<number>;
  /** Where the last transaction met damage: see {@link skipDamage}. */
  obstacle: Obstacle | undefined;
}

/** How far the removal of a queue is. */
interface Place {
  queue: number;
  /** Its head, as of the last commit. */
  head: number;
  /** The removal is done up to this head. */
  done: number;
  /** Segments that begin before this number were examined: removed, or left because a message of theirs is held. */
  next: number;
  /** Messages before `next` that are held no longer: their segments are examined again. */
  released: number[];
  /** Some of its rows cannot be removed. */
  damaged: boolean;
  gap: Gap | undefined;
}

/** From number `from` on so many rows can be read; behind them, no row can be read that begins before `end`. */
interface Gap {
  from: number;
  rows: number;
  end: number;
}

/** How far a transaction got with a queue; it is noted once that is committed. */
interface Step {
  place: Place;
  next: number;
  done: number;
  /** How many of the released messages it has examined. */
  released: number;
}

/** Damage that a step met: rows that cannot be removed or, behind the rows in `read`, cannot even be read. */
interface Obstacle {
  step: Step;
  read?: GoneRow[];
}

/** What a transaction did. */
export interface Progress {
  steps: Step[];
  /** Dropped queues that have no rows any more. */
  forgotten: number[];
  /** The portion is used up: there may be more to do. */
  usedUp: boolean;
  hasRemoved: boolean;
}

/** What is left of a portion. */
interface Portion {
  segments: number;
  bytes: number;
}

/** A portion is at most this many segments, and about this many bytes. */
const PORTION_SEGMENTS = 128;
const PORTION_BYTES = 1024 * 1024;
/** Rows of a queue are removed with a commit once so many messages are gone. */
const OFTEN = 256;
/** For more released messages than this the whole queue is examined again, which takes no memory. */
const MAX_RELEASED = 10_000;

export function newRemoval(statements: Statements, queues: readonly Position[]): Removal {
  const begun = queues.filter(({ head }) => head > 1);
  const places = begun.map(({ queue, head }) => newPlace(queue, head));
  const dropped = statements.dropped.all().map(({ queue }) => newPlace(queue, NUMBER_MASK));
  return {
    statements,
    places: new Map(places.map((place) => [place.queue, place])),
    waiting: new Set(places),
    dropped: new Map(dropped.map((place) => [place.queue, place])),
    moved: new Set(statements.movedQueues.all().map(({ queue }) => queue)),
    obstacle: undefined,
  };
}

export function newProgress(): Progress {
  return { steps: [], forgotten: [], usedUp: true, hasRemoved: false };
}

/** Removes a portion if that is worth it, in the transaction that moves the queue and before anything is released. */
export function removeIfDue(removal: Removal, queue: number, progress: Progress): void {
  const place = removal.places.get(queue);
  if (place === undefined) return;
  if (place.head - place.done < OFTEN && place.released.length < OFTEN) return;
  removeFromQueue(removal, place, newPortion(), progress);
}

export function hasWork({ waiting, dropped }: Removal): boolean {
  return waiting.size > 0 || dropped.size > 0;
}

/** Removes one portion of all rows that are not needed, in a transaction. */
export function removePortion(removal: Removal): Progress {
  const portion = newPortion();
  const progress = newProgress();
  for (const place of removal.waiting) {
    if (isUsedUp(portion)) return progress;
    removeFromQueue(removal, place, portion, progress);
  }
  for (const place of removal.dropped.values()) {
    if (isUsedUp(portion)) return progress;
    removeDropped(removal, place, portion, progress);
  }
  progress.usedUp = isUsedUp(portion);
  return progress;
}

/** Removes all rows of a dropped queue: held messages and the like, then its segments, and at last the note of it. */
function removeDropped(removal: Removal, place: Place, portion: Portion, progress: Progress): void {
  const { statements } = removal;
  for (const statement of statements.forgetMessages) {
    const { changes } = statement.run(place.queue, Math.max(1, portion.segments));
    portion.segments -= changes;
    if (changes > 0) progress.hasRemoved = true;
    if (isUsedUp(portion)) return;
  }
  const step = removeFromQueue(removal, place, portion, progress);
  // With rows that cannot be removed, its id must not be used again.
  if (step.done < NUMBER_MASK || place.damaged) return;
  statements.forgetDropped.run(place.queue);
  progress.forgotten.push(place.queue);
}

/** Removes segments before the head that hold no message still in the queue. */
function removeFromQueue(
  removal: Removal,
  place: Place,
  portion: Portion,
  progress: Progress,
): Step {
  const { head, next, done } = place;
  const step: Step = { place, next, done, released: 0 };
  progress.steps.push(step);
  // To examine rows is work, too.
  portion.segments--;
  if (removeReleased(removal, step, portion, progress))
    removeGone(removal, step, head, portion, progress);
  return step;
}

/** @returns whether all released messages were examined */
function removeReleased(
  removal: Removal,
  step: Step,
  portion: Portion,
  progress: Progress,
): boolean {
  const { queue, head, released } = step.place;
  while (step.released < released.length && !isUsedUp(portion)) {
    const number = released[step.released++] as number;
    portion.segments--;
    const changes = orObstacle(
      removal,
      step,
      () => removal.statements.removeHolder.run(queue, number, head).changes,
    );
    if (changes > 0) progress.hasRemoved = true;
    if (removal.moved.has(queue)) removal.statements.forgetMoved.run(queue, number, number + 1);
  }
  return step.released === released.length;
}

function removeGone(
  removal: Removal,
  step: Step,
  head: number,
  portion: Portion,
  progress: Progress,
): void {
  const { queue } = step.place;
  let first = -1;
  let last = -1;
  /** The number behind the last message of the run. */
  let end = -1;
  /** The first held message from here on. */
  let held = -1;
  const removeRun = () => {
    if (first < 0) return;
    orObstacle(removal, step, () => removal.statements.remove.run(queue, first, last));
    if (removal.moved.has(queue)) removal.statements.forgetMoved.run(queue, first, end);
    progress.hasRemoved = true;
    first = -1;
  };
  const { gap } = step.place;
  const isBeforeGap = gap !== undefined && gap.from === step.next;
  const limit = isBeforeGap ? gap.rows : PORTION_SEGMENTS;
  const rows = findGone(removal, step, head, limit);
  for (const row of rows) {
    if (isUsedUp(portion)) break;
    portion.segments--;
    step.next = row.end;
    if (held < row.first) held = nextHeld(removal, queue, row.first);
    if (held < row.end) {
      removeRun();
      continue;
    }
    portion.bytes -= row.bytes;
    if (first < 0) first = row.first;
    last = row.first;
    end = row.end;
  }
  removeRun();
  if (step.next < (rows.at(-1)?.end ?? 0)) return;
  if (isBeforeGap) step.next = Math.max(step.next, gap.end);
  if (isBeforeGap ? gap.end >= head : rows.length < limit) step.done = head;
}

function nextHeld({ statements }: Removal, queue: number, from: number): number {
  return statements.nextHeld.get(queue, from)?.number ?? Infinity;
}

/** The segments that the step examines. */
function findGone(removal: Removal, step: Step, head: number, limit: number): GoneRow[] {
  const { queue } = step.place;
  const read: GoneRow[] = [];
  if (limit === 0) return read;
  try {
    for (const row of removal.statements.findGone.iterate(queue, step.next, head, limit)) {
      read.push(row);
    }
    return read;
  } catch (error) {
    if (isDamage(error)) removal.obstacle = { step, read };
    throw error;
  }
}

/**
 * A statement that meets damage may leave its work half done, and SQLite refuses all further writes of the transaction
 * (flag SQLITE_CorruptRdOnly in its source). So the transaction fails, and is repeated without these rows.
 */
function orObstacle<T>(removal: Removal, step: Step, remove: () => T): T {
  try {
    return remove();
  } catch (error) {
    if (isDamage(error)) removal.obstacle = { step };
    throw error;
  }
}

/** Called after a transaction failed. @returns whether the removal met damage, which it skips from now on */
export function skipDamage(removal: Removal): boolean {
  const { obstacle, statements } = removal;
  if (obstacle === undefined) return false;
  removal.obstacle = undefined;
  const { step, read } = obstacle;
  const { place } = step;
  place.damaged = true;
  if (read === undefined) {
    apply(step);
  } else {
    const from = read.at(-1)?.end ?? step.next;
    const end = nextBehindDamage(statements, place.queue, from) ?? place.head;
    place.gap = { from: step.next, rows: read.length, end: Math.min(end, place.head) };
  }
  return true;
}

/** The transaction is committed. @returns whether there may be more to do */
export function noteProgress(removal: Removal, { steps, forgotten, usedUp }: Progress): boolean {
  for (const step of steps) {
    apply(step);
    const { place } = step;
    if (removal.dropped.get(place.queue) === place) {
      // What cannot be removed is left for the next start.
      if (place.done === NUMBER_MASK && place.damaged) removal.dropped.delete(place.queue);
    } else {
      // A queue that is not finished goes to the back.
      removal.waiting.delete(place);
      if (isUndone(place)) removal.waiting.add(place);
    }
  }
  for (const queue of forgotten) removal.dropped.delete(queue);
  return usedUp;
}

function apply({ place, next, done, released }: Step): void {
  place.next = next;
  place.done = done;
  if (released > 0) place.released.splice(0, released);
}

/** These positions are committed, and these messages are released with them. */
export function noteMoved(
  removal: Removal,
  positions: readonly Position[],
  released: readonly MessageKey[],
): void {
  for (const { queue, head } of positions) {
    if (head === 1) continue;
    const place = placeOf(removal, queue);
    place.head = head;
    if (isUndone(place)) removal.waiting.add(place);
  }
  for (const { queue, number } of released) {
    const place = removal.places.get(queue);
    if (place === undefined || number >= place.next) continue;
    noteReleased(place, number);
    removal.waiting.add(place);
  }
}

function noteReleased(place: Place, number: number): void {
  if (place.released.length < MAX_RELEASED) {
    place.released.push(number);
    return;
  }
  place.released = [];
  place.next = 0;
  place.done = 0;
}

function isUndone({ head, done, released }: Place): boolean {
  return head !== done || released.length > 0;
}

function placeOf({ places }: Removal, queue: number): Place {
  let place = places.get(queue);
  if (place === undefined) places.set(queue, (place = newPlace(queue, 1)));
  return place;
}

/** The queue is dropped, and that is committed. */
export function noteDropped(removal: Removal, queue: number): void {
  const place = removal.places.get(queue);
  if (place !== undefined) removal.waiting.delete(place);
  removal.places.delete(queue);
  removal.dropped.set(queue, newPlace(queue, NUMBER_MASK));
}

function newPlace(queue: number, head: number): Place {
  return { queue, head, done: 1, next: 0, released: [], damaged: false, gap: undefined };
}

function newPortion(): Portion {
  return { segments: PORTION_SEGMENTS, bytes: PORTION_BYTES };
}

function isUsedUp({ segments, bytes }: Portion): boolean {
  return segments <= 0 || bytes <= 0;
}
