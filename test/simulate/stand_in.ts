/**
 * A store in memory that keeps the contract of {@link Store}, for as long as the simulator lives: the process that uses
 * it may crash, and another one finds in it what was committed.
 */
import {
  type Batch,
  type DelayedMessage,
  type ExpiryStep,
  HEAD,
  type HeldMessage,
  type IdBatch,
  type StoredIds,
  type StoredSegment,
} from "../../src/store/batch.ts";
import {
  type DueMessage,
  type DuePlace,
  type Moved,
  ROW_BYTES,
  type Store,
  type StoredDelivery,
  type StoredQueue,
  StoreError,
} from "../../src/store/store.ts";
import type { Clock } from "../../src/util/clock.ts";
import { DURATIONS, newHistogram } from "../../src/util/histogram.ts";

interface Row {
  first: number;
  end: number;
  flags: number;
  body: Uint8Array;
  arrived: number;
}

interface Kept {
  id: number;
  name: string;
  head: number;
  tail: number;
  bytes: number;
  held: Map<number, HeldMessage>;
  paused: number | undefined;
  recount: boolean;
  delayed: Map<number, DelayedMessage>;
  /** Why messages came from other queues. */
  moved: Map<number, Moved>;
  /** How many are delayed, and how many of these not below the head, as the last batch that changed it says. */
  counts: { delayed: number; ahead: number };
  /** By their first number. */
  rows: Row[];
  /** How many of them were before the head, and stayed, when rows were removed last. */
  spared: number;
}

export interface Disk {
  queues: Map<number, Kept>;
  /** Dropped queues whose rows are not removed yet. */
  dropped: Map<number, Row[]>;
  lastId: number;
  /** Rows of ids, in the order of the commits. */
  ids: StoredIds[];
  /** Steps of the expiry, in the order of the commits. */
  steps: ExpiryStep[];
}

/** More than a group can use, and of these only a few before the first are used again. */
const MAX_IDS = 10_000;
const FIRST_ID = MAX_IDS - 20;
const NO_HELD: number[] = [];
const NONE: Pick<Kept, "held" | "delayed"> = { held: new Map(), delayed: new Map() };
/** So few rows without messages are not removed yet. */
const FEW_ROWS = 8;
/** Rows are read by so much smaller parts than asked for: so also a short queue is read in several. */
const READ_PARTS = 16;

export function newDisk(): Disk {
  return { queues: new Map(), dropped: new Map(), lastId: FIRST_ID, ids: [], steps: [] };
}

export function openStandIn(disk: Disk, clock: Clock): Store {
  return {
    queues: () =>
      [...disk.queues.values()]
        .map((kept) => ({ ...storedOf(kept), expires: lastExpiry(disk, kept.id) }))
        .sort((a, b) => a.queue - b.queue),
    newQueueId: () => newQueueId(disk),
    commit: (batch) => write(disk, batch, clock.calendar()),
    due: (after, until, most) => dueMessages(disk, after, until).slice(0, most),
    nextDue: (after) => nextDue(disk, after),
    leasedFrom(id, from, most) {
      const { held } = disk.queues.get(id) ?? NONE;
      return numbersFrom(held, from, most, ({ lease }) => lease !== undefined);
    },
    delayedFrom(id, from, most) {
      return numbersFrom((disk.queues.get(id) ?? NONE).delayed, from, most, () => true);
    },
    waitingFrom(id, from, most) {
      const { delayed } = disk.queues.get(id) ?? NONE;
      return numbersFrom(delayed, from, most, () => true).map((number) => {
        const { due, deliveries } = delayed.get(number) as DelayedMessage;
        return { number, due, deliveries: deliveries ?? 0 };
      });
    },
    firstFree(id, from) {
      const delayed = disk.queues.get(id)?.delayed;
      let free = from;
      while (delayed?.has(free) === true) free++;
      return free;
    },
    read: (id, from, bytes) => read(id, disk.queues.get(id)?.rows ?? [], from, bytes),
    measure(id, from, most) {
      const rows = (disk.queues.get(id)?.rows ?? []).filter(({ first }) => first >= from);
      const some = rows.slice(0, most);
      const total = some.reduce((sum, row) => sum + bodyBytes(row), 0);
      return { bytes: total, next: rows.length > most ? (some.at(-1)?.end ?? 0) : 0 };
    },
    moved: (id, number) => disk.queues.get(id)?.moved.get(number),
    arrived: (id, number) => rowOf(disk.queues.get(id)?.rows ?? [], number)?.arrived,
    expires: (id, number) =>
      disk.steps.findLast((step) => step.queue === id && step.number <= number)?.expires ?? 0,
    eachIds: (visit) => disk.ids.forEach(visit),
    autoCheckpoint: () => {},
    maintain() {
      disk.dropped.clear();
      for (const queue of disk.queues.values()) removeGone(queue, true);
      return false;
    },
    checkpoint: () => {},
    recover: () => {},
    syncs: newHistogram(DURATIONS),
    probe: () => {},
    extent: () => ({ database: 0, log: 0, pageSize: 4096, freePages: 0, available: 2 ** 40 }),
    checkpointed: () => 100,
    close: () => {},
  };
}

function lastExpiry({ steps }: Disk, id: number): number | undefined {
  return steps.findLast((step) => step.queue === id)?.expires;
}

function write(disk: Disk, batch: Batch, now: number): void {
  for (const id of batch.dropped) {
    const queue = keptIn(disk, id);
    disk.queues.delete(id);
    disk.dropped.set(id, queue.rows);
  }
  for (const { queue: id, name } of batch.created) {
    if (disk.queues.has(id) || disk.dropped.has(id)) throw new Error(`id ${id} is in use`);
    disk.queues.set(id, newKept(id, name));
  }
  for (const segment of batch.segments) {
    insert(keptIn(disk, segment.queue), segment, segment.arrived ?? now);
  }
  for (const held of batch.held) keptIn(disk, held.queue).held.set(held.number, { ...held });
  for (const delayed of batch.delays?.delayed ?? []) {
    keptIn(disk, delayed.queue).delayed.set(delayed.number, { ...delayed });
  }
  for (const { queue, number, origin, originNumber, reason } of batch.moved ?? []) {
    keptIn(disk, queue).moved.set(number, { origin, number: originNumber, reason });
  }
  // Of what is gone since an earlier commit: what this batch takes may come back.
  for (const position of batch.positions) removeGone(keptIn(disk, position.queue), false);
  for (const { queue: id, head, tail, bytes } of batch.positions) {
    const queue = keptIn(disk, id);
    if (head < queue.head || head > tail) throw new Error(`head ${head} of ${queue.head}`);
    Object.assign(queue, { head, tail, bytes });
  }
  disk.steps.push(...(batch.expiry?.steps ?? []));
  if (batch.ids !== undefined) writeIds(disk, batch.ids);
  for (const { queue, until } of batch.paused ?? []) keptIn(disk, queue).paused = until;
  for (const { queue, isDue } of batch.recounts ?? []) keptIn(disk, queue).recount = isDue;
  for (const { queue, number } of batch.released) {
    if (!keptIn(disk, queue).held.delete(number)) throw new Error(`${number} is not held`);
  }
  for (const { queue, number } of batch.delays?.undelayed ?? []) {
    if (!keptIn(disk, queue).delayed.delete(number)) throw new Error(`${number} is not delayed`);
  }
  for (const { queue: id, ...counts } of batch.delays?.counts ?? []) {
    const queue = keptIn(disk, id);
    queue.counts = { delayed: counts.delayed, ahead: counts.ahead };
    if (queue.delayed.size !== counts.delayed) {
      throw new Error(`${queue.delayed.size} are delayed, and ${counts.delayed} are counted`);
    }
  }
}

function writeIds(disk: Disk, { added, forgotten }: IdBatch): void {
  const isForgotten = ({ queue, first }: StoredIds) =>
    forgotten.some((row) => row.queue === queue && row.first === first);
  disk.ids = [...disk.ids.filter((row) => !isForgotten(row)), ...added];
}

/** The first so many numbers of a table from number `from` on. */
function numbersFrom<T>(
  table: ReadonlyMap<number, T>,
  from: number,
  most: number,
  which: (row: T) => boolean,
): number[] {
  const numbers: number[] = [];
  for (const [number, row] of table) if (number >= from && which(row)) numbers.push(number);
  return numbers.sort((a, b) => a - b).slice(0, most);
}

/** The delayed messages behind a place that are due, in that order. */
function dueMessages({ queues }: Disk, after: DuePlace, until: number): DueMessage[] {
  const found: DueMessage[] = [];
  for (const { name, delayed } of queues.values()) {
    for (const message of delayed.values()) {
      if (message.due <= until && compare(message, after) > 0) found.push({ ...message, name });
    }
  }
  return found.sort(compare);
}

/** When the first delayed message behind a place is due. */
function nextDue({ queues }: Disk, after: DuePlace): number | undefined {
  let next: number | undefined;
  for (const { delayed } of queues.values()) {
    for (const message of delayed.values()) {
      const isSooner = next === undefined || message.due < next;
      if (isSooner && compare(message, after) > 0) next = message.due;
    }
  }
  return next;
}

function compare(a: DuePlace, b: DuePlace): number {
  return a.due - b.due || a.queue - b.queue || a.number - b.number;
}

/** The disk loses the rows of a queue from number `from` in its list on, three at most. @returns the lost numbers */
export function loseRows(disk: Disk, name: string, from: number): number[] {
  const queue = [...disk.queues.values()].find((each) => each.name === name);
  const lost = queue?.rows.splice(from, 3) ?? [];
  return lost.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, n) => first + n));
}

/** How many rows there are. */
export function countRows({ queues, dropped }: Disk): number {
  const lists = [...[...queues.values()].map(({ rows }) => rows), ...dropped.values()];
  return lists.reduce((total, { length }) => total + length, 0);
}

function newQueueId(disk: Disk): number | undefined {
  const isUsed = () => disk.queues.has(disk.lastId) || disk.dropped.has(disk.lastId);
  if (disk.queues.size + disk.dropped.size >= MAX_IDS) return undefined;
  do disk.lastId = (disk.lastId % MAX_IDS) + 1;
  while (isUsed());
  return disk.lastId;
}

function newKept(id: number, name: string): Kept {
  return {
    id,
    name,
    head: 1,
    tail: 1,
    bytes: 0,
    held: new Map(),
    rows: [],
    spared: 0,
    paused: undefined,
    recount: false,
    delayed: new Map(),
    moved: new Map(),
    counts: { delayed: 0, ahead: 0 },
  };
}

function keptIn({ queues }: Disk, id: number): Kept {
  const queue = queues.get(id);
  if (queue === undefined) throw new StoreError(`there is no queue ${id}`);
  return queue;
}

function storedOf({
  id,
  name,
  head,
  tail,
  bytes,
  held,
  paused,
  recount,
  counts,
}: Kept): StoredQueue {
  const delivery: StoredDelivery = { deliveries: new Map(), leases: [], ...counts };
  const numbers: number[] = [];
  for (const { number, deliveries = 0, lease } of held.values()) {
    if (lease !== undefined) delivery.leases.push({ number, deliveries, ...lease });
    else numbers.push(number);
    if (lease === undefined && deliveries > 0) delivery.deliveries.set(number, deliveries);
  }
  const isKnown = delivery.deliveries.size + delivery.leases.length + counts.delayed > 0;
  return {
    queue: id,
    name,
    head,
    tail,
    bytes,
    paused,
    recount: recount ? true : undefined,
    held: numbers.length === 0 ? NO_HELD : numbers.sort((a, b) => a - b),
    delivery: isKnown ? delivery : undefined,
  };
}

function insert(
  { rows }: Kept,
  { first, count, flags, body }: StoredSegment,
  arrived: number,
): void {
  const row = {
    first,
    end: first + count,
    flags,
    // Of a Buffer, slice would be a part of it, and the server uses its buffers again.
    body: new Uint8Array(body),
    arrived,
  };
  let at = rows.length;
  while (at > 0 && (rows[at - 1] as Row).first > first) at--;
  const before = rows[at - 1];
  const after = rows[at];
  if (
    (before !== undefined && before.end > first) ||
    (after !== undefined && after.first < row.end)
  ) {
    throw new Error(`messages from ${first} on are there already`);
  }
  if (at === rows.length) rows.push(row);
  else rows.splice(at, 0, row);
}

/**
 * Removes rows whose messages are all gone, as of the last commit: all of them, or when there are many.
 */
function removeGone(queue: Kept, isAll: boolean): void {
  const { rows, head, held, delayed } = queue;
  const gone = firstEndingBehind(rows, head);
  if (gone === 0 || (!isAll && gone < queue.spared * 2 + FEW_ROWS)) return;
  const isHeld = ({ first, end }: Row) => {
    for (let number = first; number < end; number++)
      if (held.has(number) || delayed.has(number)) return true;
    return false;
  };
  const removed = rows.splice(0, gone);
  const spared = held.size + delayed.size > 0 ? removed.filter(isHeld) : [];
  queue.spared = spared.length;
  if (spared.length > 0) rows.unshift(...spared);
}

function rowOf(rows: readonly Row[], number: number): Row | undefined {
  const row = rows[firstEndingBehind(rows, number)];
  return row !== undefined && row.first <= number ? row : undefined;
}

function read(id: number, rows: readonly Row[], from: number, bytes: number): StoredSegment[] {
  const found: StoredSegment[] = [];
  let left = bytes / READ_PARTS;
  let next = -1;
  for (let n = firstEndingBehind(rows, from); n < rows.length; n++) {
    const { first, end, flags, body } = rows[n] as Row;
    if (found.length > 0 && (left <= 0 || first !== next)) break;
    // The caller may keep the body, and use the buffer of several messages again.
    const bytes = end - first > 1 ? body.slice() : body;
    found.push({ queue: id, first, count: end - first, flags, body: bytes });
    left -= body.length + ROW_BYTES;
    next = end;
  }
  return found;
}

/** The place of the first row whose messages are not all before number `from`. */
function firstEndingBehind(rows: readonly Row[], from: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as Row).end <= from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function bodyBytes({ first, end, body }: Row): number {
  const count = end - first;
  return count === 1 ? body.length : body.length - count * HEAD;
}
