import type { HeldMessage, Position } from "./batch.ts";
import { isDamage } from "./damage.ts";
import { NUMBER_MASK } from "./schema.ts";
import { nextBehindDamage } from "./segments.ts";
import type { GoneRow, Statements } from "./statements.ts";

/**
 * Removes segments whose messages are all gone. They are harmless (a queue's position tells what counts), so it
 * happens in portions: many of one queue at once when its head has moved far, the rest when there is time.
 *
 * What is noted here is what is committed. To remove what a failed commit would have made gone would lose messages, and
 * what a commit takes may still be put back by the next one: so a commit removes only what an earlier one took.
 */
export interface Removal {
  statements: Statements;
  /** Every queue whose head has moved. */
  places: Map<number, Place>;
  /** The queues with work to be done, the one whose turn it is in front. */
  waiting: Set<Place>;
  /** Dropped queues, of which everything is to be removed. */
  dropped: Map<number, Place>;
  /** Where the last transaction met damage: see {@link skipDamage}. */
  obstacle: Obstacle | undefined;
}

/** How far a queue is. */
interface Place {
  queue: number;
  /** Its head, as of the last commit. */
  head: number;
  /** The head up to which everything is done. */
  done: number;
  /** Segments that begin before are looked at: removed, or left because a message of theirs is held. */
  next: number;
  /** Messages before `next` that are held no longer: their segments are looked at again. */
  released: number[];
  /** Some of its rows cannot be removed. */
  damaged: boolean;
  gap: Gap | undefined;
}

/** From number `from` on so many rows can be read, and then none that begins before `end`. */
interface Gap {
  from: number;
  rows: number;
  end: number;
}

/** How far a transaction got with a queue, to be noted once it is committed. */
interface Step {
  place: Place;
  next: number;
  done: number;
  /** How many of the released ones it did. */
  released: number;
}

/** Rows that cannot be removed, up to where the step is, or, behind those that were read, cannot even be read. */
interface Obstacle {
  step: Step;
  read?: GoneRow[];
}

/** What a transaction did. */
export interface Progress {
  steps: Step[];
  /** Dropped queues of which nothing is left. */
  forgotten: number[];
  /** The portion did not suffice, or only just. */
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
/** While messages go by, a queue has its turn every so many. */
const OFTEN = 256;
/** Beyond so many released ones the queue is gone through again, which takes no memory. */
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
    obstacle: undefined,
  };
}

export function newProgress(): Progress {
  return { steps: [], forgotten: [], usedUp: true, hasRemoved: false };
}

/** Inside the transaction that moves the queue, before anything is released: does a portion if that is worth it. */
export function removeIfDue(removal: Removal, queue: number, progress: Progress): void {
  const place = removal.places.get(queue);
  if (place === undefined) return;
  if (place.head - place.done < OFTEN && place.released.length < OFTEN) return;
  removeFromQueue(removal, place, newPortion(), progress);
}

export function hasWork({ waiting, dropped }: Removal): boolean {
  return waiting.size > 0 || dropped.size > 0;
}

/** Inside a transaction: does one portion of what is waiting. */
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

/** Removes all of a dropped queue: first what would keep its segments, and at last the note of it. */
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
  // Looking is work, too.
  portion.segments--;
  if (removeReleased(removal, step, portion, progress))
    removeGone(removal, step, head, portion, progress);
  return step;
}

/** @returns whether it is through with them */
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
  /** The first held message from here on. */
  let held = -1;
  const removeRun = () => {
    if (first < 0) return;
    orObstacle(removal, step, () => removal.statements.remove.run(queue, first, last));
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
  }
  removeRun();
  if (step.next < (rows.at(-1)?.end ?? 0)) return;
  if (isBeforeGap) step.next = Math.max(step.next, gap.end);
  if (isBeforeGap ? gap.end >= head : rows.length < limit) step.done = head;
}

function nextHeld({ statements }: Removal, queue: number, from: number): number {
  return statements.nextHeld.get(queue, from)?.number ?? Infinity;
}

/** Segments to be looked at. */
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
 * A statement that meets damage may leave its work half done, and SQLite lets nothing more be written in its transaction
 * either (flag SQLITE_CorruptRdOnly in its source): it fails, is undone, and done again without.
 */
function orObstacle<T>(removal: Removal, step: Step, remove: () => T): T {
  try {
    return remove();
  } catch (error) {
    if (isDamage(error)) removal.obstacle = { step };
    throw error;
  }
}

/** After a transaction that failed: when damage was in the way of the removal, it leaves it alone from now on. */
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
  released: readonly HeldMessage[],
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

/** The queue is no more, and that is committed. */
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
