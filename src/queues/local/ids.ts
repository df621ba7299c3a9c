/**
 * The ids of messages that were set last, as hashes of 64 bits: a ring in the order of the commits, and an index into it.
 *
 *     places   first                       end          place of an entry in the arrays: place modulo their length
 *              |  oldest  ...     newest   |
 *     slots    a table with open addressing: 0 is empty, else it is 1 more than an entry's place in the arrays
 *
 * It takes about 45 bytes an id, of arrays that grow with their number.
 */
export interface Ids {
  /** Most that are kept. */
  limit: number;
  /** How many were forgotten, and how many were ever added. */
  first: number;
  end: number;
  low: Uint32Array;
  high: Uint32Array;
  /** When it was committed, in milliseconds since 1970. */
  times: Float64Array;
  /** The row in the store that it is in: its queue, and the number of the first message. */
  queues: Uint32Array;
  rows: Float64Array;
  slots: Uint32Array;
}

/** A row of ids in the store. */
export interface IdRow {
  queue: number;
  first: number;
}

const FIRST_CAPACITY = 256;

export function newIds(limit: number): Ids {
  return { limit, first: 0, end: 0, ...arraysFor(FIRST_CAPACITY) };
}

function arraysFor(capacity: number) {
  return {
    low: new Uint32Array(capacity),
    high: new Uint32Array(capacity),
    times: new Float64Array(capacity),
    queues: new Uint32Array(capacity),
    rows: new Float64Array(capacity),
    slots: new Uint32Array(2 * capacity),
  };
}

export function countIds({ first, end }: Ids): number {
  return end - first;
}

/** When the oldest one was committed; Infinity when there is none. */
export function oldestTime(ids: Ids): number {
  return countIds(ids) === 0 ? Infinity : (ids.times[ids.first % ids.low.length] as number);
}

/** When the id of this hash was committed last, in milliseconds since 1970; undefined when it is not known. */
export function timeOf(ids: Ids, low: number, high: number): number | undefined {
  const slot = ids.slots[slotOf(ids, low, high)] as number;
  return slot === 0 ? undefined : ids.times[slot - 1];
}

/** The slot of the hash, or the empty one that it would get. */
function slotOf(ids: Ids, low: number, high: number): number {
  const { slots } = ids;
  const mask = slots.length - 1;
  let at = low & mask;
  for (let slot = slots[at] as number; slot !== 0; slot = slots[at] as number) {
    if (ids.low[slot - 1] === low && ids.high[slot - 1] === high) return at;
    at = (at + 1) & mask;
  }
  return at;
}

export function addId(ids: Ids, low: number, high: number, time: number, row: IdRow): void {
  if (countIds(ids) === ids.low.length) grow(ids);
  const at = ids.end++ % ids.low.length;
  ids.low[at] = low;
  ids.high[at] = high;
  ids.times[at] = time;
  ids.queues[at] = row.queue;
  ids.rows[at] = row.first;
  ids.slots[slotOf(ids, low, high)] = at + 1;
}

function grow(ids: Ids): void {
  const { first, end, low, high, times, queues, rows } = ids;
  Object.assign(ids, { first: 0, end: 0, ...arraysFor(2 * low.length) });
  for (let place = first; place < end; place++) {
    const at = place % low.length;
    const row = { queue: queues[at] as number, first: rows[at] as number };
    addId(ids, low[at] as number, high[at] as number, times[at] as number, row);
  }
}

/** Forgets the oldest id. @returns the row that it is in */
export function forgetOldest(ids: Ids): IdRow {
  const at = ids.first++ % ids.low.length;
  const slot = slotOf(ids, ids.low[at] as number, ids.high[at] as number);
  // The same id may have come again, after its time.
  if (ids.slots[slot] === at + 1) emptySlot(ids, slot);
  return { queue: ids.queues[at] as number, first: ids.rows[at] as number };
}

/** Whether the oldest id that is left is in this row. */
export function isOldestIn(ids: Ids, { queue, first }: IdRow): boolean {
  const at = ids.first % ids.low.length;
  return countIds(ids) > 0 && ids.queues[at] === queue && ids.rows[at] === first;
}

/** Empties a slot, and moves those behind it that would not be found otherwise. */
function emptySlot({ slots, low }: Ids, empty: number): void {
  const mask = slots.length - 1;
  let hole = empty;
  slots[hole] = 0;
  for (let at = (hole + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
    const slot = slots[at] as number;
    const home = (low[slot - 1] as number) & mask;
    // It stays where its home lies behind the hole.
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots[hole] = slot;
    slots[at] = 0;
    hole = at;
  }
}
