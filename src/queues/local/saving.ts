import type { Batch, Delays, NewSegment, Position } from "../../store/batch.ts";
import type { Store } from "../../store/store.ts";
import { type Cache, dropBack, dropSpent } from "./cache.ts";
import type { Delivery, DeliveryChanges } from "./delivery.ts";
import { addHeld, isReturned, oldestNumber } from "./held.ts";
import { hasNumber } from "./number_set.ts";
import { findOpen } from "./open.ts";
import type { Expiry, Queue } from "./queue.ts";
import { inMemory } from "./reading.ts";
import { bodyAt, flagsAt, lengthAt, part, placeOf, resetSegment, type Segment } from "./segment.ts";

/** Steps of the expiry are removed when so many messages have gone. */
const CLEAN_EVERY = 1000;

/**
 * What the store will have of the queue, and the numbers of held messages that `stored.head` passes: each gets a row.
 */
export interface Saving {
  position: Position;
  listed: readonly number[];
  /** How long the last message that is gone had waited, in milliseconds; -1 when none is, or it was not looked at. */
  waitedMs: number;
}

/** What a commit has to save of the queue. Held messages beyond the last one that is gone need no rows. */
export function savingOf(queue: Queue): Saving {
  const { id, tail, bytes, gone, stored } = queue;
  const head = Math.max(stored.head, gone + 1);
  const position = { queue: id, head, tail, bytes };
  let listed: number[] = [];
  const { delivery } = queue;
  if (queue.returned === undefined && queue.open === undefined) {
    return { position, listed, waitedMs: -1 };
  }
  if (head > stored.head) addHeld(queue, stored.head, head, listed);
  for (const { number } of queue.restored ?? []) listed.push(number);
  // These have, or get, another row.
  if (delivery !== undefined) listed = listed.filter((number) => !hasOwnRow(delivery, number));
  return { position, listed, waitedMs: -1 };
}

function hasOwnRow({ brought, changes }: Delivery, number: number): boolean {
  return hasNumber(brought, number) || changes?.rows.has(number) === true;
}

/** Whether there is nothing to save. */
export function isUnchanged(
  { stored, unlisted, restored, delivery }: Queue,
  saving: Saving,
): boolean {
  const { head, tail, bytes } = saving.position;
  return (
    head === stored.head &&
    tail === stored.tail &&
    bytes === stored.bytes &&
    saving.listed.length === 0 &&
    unlisted === undefined &&
    restored === undefined &&
    delivery?.changes === undefined
  );
}

/** Adds what the group changed in the queue to the batch. */
export function addToBatch(
  store: Store,
  queue: Queue,
  { position, listed }: Saving,
  batch: Batch,
): void {
  addUnsaved(queue, batch.segments);
  batch.positions.push(position);
  if (queue.expiry !== undefined) addSteps(store, queue, queue.expiry, batch);
  const { delivery } = queue;
  for (const number of listed) {
    const deliveries = delivery?.counts.get(number);
    const key = { queue: queue.id, number };
    batch.held.push(deliveries === undefined ? key : { ...key, deliveries });
  }
  for (const number of queue.unlisted ?? []) batch.released.push({ queue: queue.id, number });
  if (delivery === undefined) return;
  addRows(queue.id, delivery, batch);
  if (delivery.changes !== undefined) addMoved(queue, delivery.changes, batch);
}

/** Adds where messages came from that are still in the queue. */
function addMoved(queue: Queue, { moved, rows }: DeliveryChanges, batch: Batch): void {
  if (moved.size === 0) return;
  const into = (batch.moved ??= []);
  for (const [number, { origin, number: originNumber, reason }] of moved) {
    const isHeld = findOpen(queue, number) !== undefined || isReturned(queue, number);
    if (number < queue.head && !isHeld && rows.get(number)?.now === undefined) continue;
    into.push({ queue: queue.id, number, origin, originNumber, reason });
  }
}

function addSteps(store: Store, queue: Queue, { steps }: Expiry, batch: Batch): void {
  const needed = firstNeeded(store, queue);
  if (steps.length === 0 && needed === 0) return;
  const known = (batch.expiry ??= { steps: [], needed: [] });
  for (const step of steps) known.steps.push({ queue: queue.id, ...step });
  if (needed > 0) known.needed.push({ queue: queue.id, number: needed });
}

/**
 * The number below which steps of the expiry are not needed any more; 0: it is not worth it yet. What the last commit took
 * may come back, and so only what went before it counts.
 */
function firstNeeded(store: Store, queue: Queue): number {
  const { expiry, stored, delivery } = queue;
  if (expiry === undefined || stored.head - expiry.cleaned < CLEAN_EVERY) return 0;
  expiry.cleaned = stored.head;
  const oldest = Math.min(stored.head, oldestNumber(queue) || stored.head);
  if (delivery === undefined) return oldest;
  // Leased and delayed messages may come back, too. Of what the group changed, some have neither row yet.
  const [delayed = oldest] = store.delayedFrom(queue.id, 0, 1);
  let needed = Math.min(oldest, delayed);
  for (const number of delivery.leases.keys()) needed = Math.min(needed, number);
  for (const number of delivery.changes?.rows.keys() ?? []) needed = Math.min(needed, number);
  return needed;
}

/** Adds the rows that the group changed in the tables of held and of delayed messages. */
function addRows(queue: number, { changes, delayed, ahead, saved }: Delivery, batch: Batch): void {
  const delays: Delays = { delayed: [], undelayed: [], counts: [] };
  for (const [number, { was, now }] of changes?.rows ?? []) {
    const key = { queue, number };
    if (was === "held" && now?.table !== "held") batch.released.push(key);
    if (was === "delayed" && now?.table !== "delayed") delays.undelayed.push(key);
    if (now?.table === "held") {
      const { deliveries, lease } = now;
      batch.held.push({ ...key, deliveries, ...(lease && { lease }) });
    } else if (now !== undefined) {
      delays.delayed.push({ ...key, due: now.due, deliveries: now.deliveries });
    }
  }
  if (delayed !== saved.delayed || ahead !== saved.ahead) {
    delays.counts.push({ queue, delayed, ahead });
  }
  if (delays.delayed.length + delays.undelayed.length + delays.counts.length === 0) return;
  const known = (batch.delays ??= { delayed: [], undelayed: [], counts: [] });
  known.delayed.push(...delays.delayed);
  known.undelayed.push(...delays.undelayed);
  known.counts.push(...delays.counts);
}

/** Adds the messages that the group set, as far as they are still in the queue. */
function addUnsaved(queue: Queue, into: NewSegment[]): void {
  const { segments, stored, delivery } = queue;
  const mayHold = queue.returned !== undefined || queue.open !== undefined;
  if (mayHold || delivery?.changes !== undefined) addHeldUnsaved(queue, into);
  if (segments === undefined) return;
  let index = segments.length;
  while (index > 0 && (segments[index - 1] as Segment).end > stored.tail) index--;
  for (; index < segments.length; index++) {
    const segment = segments[index] as Segment;
    const first = Math.max(segment.first, queue.head, stored.tail);
    if (first === segment.end) continue;
    const taken = queue.head > segment.first && queue.head >= stored.tail;
    into.push(slice(queue, segment, first, segment.end, taken ? segment.cursor : segment.saved));
  }
}

/** Adds held messages that the store does not have. */
function addHeldUnsaved(queue: Queue, into: NewSegment[]): void {
  for (const { segment } of queue.restored ?? []) {
    if (segment !== undefined) into.push(slice(queue, segment, segment.first, segment.end, 0));
  }
  if (queue.head <= queue.stored.tail) return;
  const numbers = new Set<number>();
  const held: number[] = [];
  addHeld(queue, queue.stored.tail, queue.head, held);
  for (const number of held) numbers.add(number);
  for (const [number, { now }] of queue.delivery?.changes?.rows ?? []) {
    const isNew = number >= queue.stored.tail && number < queue.head;
    if (isNew && now !== undefined) numbers.add(number);
  }
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const segment = inMemory(queue, number);
    into.push(slice(queue, segment, number, number + 1, placeOf(segment, number)));
  }
}

/** A part of a segment, as the store keeps it: the messages from `first`, which starts at `at`, up to `end`. */
function slice(queue: Queue, segment: Segment, first: number, end: number, at: number): NewSegment {
  const count = end - first;
  const start = count === 1 ? bodyAt(segment, at) : at;
  const stop = count === 1 ? start + lengthAt(segment, at) : segment.used;
  const flags = count === 1 ? flagsAt(segment, at) : 0;
  const saved = { queue: queue.id, first, count, flags, body: part(segment, start, stop) };
  return segment.arrived === 0 ? saved : { ...saved, arrived: segment.arrived };
}

/** The group is committed, and `saving` with it. */
export function markSaved(queue: Queue, cache: Cache, saving: Saving): void {
  const { position, listed, waitedMs } = saving;
  if (waitedMs >= 0) queue.waitedMs = waitedMs;
  markSegments(queue);
  if (listed.length > 0 || queue.unlisted !== undefined) changeListed(queue, listed);
  queue.stored = position;
  queue.gone = Math.max(queue.gone, position.head - 1);
  queue.touched = false;
  queue.opened = undefined;
  queue.restored = undefined;
  if (queue.expiry !== undefined) markStepsSaved(queue.expiry);
  if (queue.delivery !== undefined) markDeliverySaved(queue, queue.delivery);
  dropSpent(cache, queue);
  if (queue.loaded < queue.tail) dropBeyond(queue, cache, queue.loaded);
  else if (queue.head === queue.tail) reuseSegment(queue, cache);
}

function markStepsSaved(expiry: Expiry): void {
  expiry.saved = expiry.last;
  if (expiry.steps.length > 0) expiry.steps = [];
}

/** Everything in memory is saved. */
function markSegments({ segments, stored }: Queue): void {
  if (segments === undefined) return;
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i] as Segment;
    if (segment.end <= stored.tail) break;
    segment.saved = segment.used;
  }
}

function changeListed(queue: Queue, listed: readonly number[]): void {
  const numbers = (queue.listed ??= new Set());
  for (const number of listed) numbers.add(number);
  for (const number of queue.unlisted ?? []) numbers.delete(number);
  if (numbers.size === 0) queue.listed = undefined;
  queue.unlisted = undefined;
}

function markDeliverySaved(queue: Queue, delivery: Delivery): void {
  const { changes, delayed, ahead } = delivery;
  delivery.saved = { delayed, ahead };
  delivery.changes = undefined;
  if (changes === undefined) return;
  const listed = queue.listed ?? new Set();
  for (const [number, { now }] of changes.rows) {
    delivery.early.delete(number);
    if (now?.table === "held" && now.lease === undefined) listed.add(number);
    else listed.delete(number);
  }
  queue.listed = listed.size === 0 ? undefined : listed;
}

/** Drops what is behind messages that are on disk only: the segments must follow each other without a gap. */
function dropBeyond(queue: Queue, cache: Cache, number: number): void {
  while ((queue.segments?.at(-1)?.first ?? 0) >= number) dropBack(cache, queue);
}

/** The queue is empty: its one segment is used for the next messages. */
function reuseSegment(queue: Queue, cache: Cache): void {
  const last = queue.segments?.at(-1);
  if (last === undefined) return;
  if (last.large) dropBack(cache, queue);
  else resetSegment(last, queue.head);
}
