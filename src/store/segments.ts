import { HEAD, type NewSegment, type StoredSegment } from "./batch.ts";
import {
  failIfUnreadable,
  failUnlessLasting,
  isDamage,
  orDamage,
  type Suspects,
} from "./damage.ts";
import { isWhole, rowsOf } from "./rows.ts";
import { NUMBER_MASK } from "./schema.ts";
import type { SegmentHeader, Statements } from "./statements.ts";
import { type Measure, ROW_BYTES, StoreError } from "./store.ts";

/**
 * Inserts segments, each cut into rows that fit the pages.
 * @param pageSize bytes
 * @param now milliseconds since 1970
 * @throws StoreError when one of them could not be read again
 */
export function insertSegments(
  statements: Statements,
  segments: readonly NewSegment[],
  pageSize: number,
  now: number,
): void {
  for (const segment of segments) {
    if (!isWhole(segment)) {
      throw new StoreError(`messages from ${segment.first} on do not fit their segment`);
    }
    for (const { queue, first, count, flags, body } of rowsOf(segment, pageSize)) {
      statements.insert.run(queue, first, segment.arrived ?? now, count, flags, body);
    }
  }
}

/** See {@link Store.read}. */
export function readSegments(
  statements: Statements,
  queue: number,
  from: number,
  bytes: number,
  suspects: Suspects,
): StoredSegment[] {
  const found: StoredSegment[] = [];
  try {
    collect(statements, queue, from, bytes, found);
    return found;
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  // Segments before the damage are good. The next call goes on behind it.
  if (found.length > 0) return found;
  failUnlessLasting(suspects, queue, from);
  const next = nextWhole(statements, queue, from);
  failIfUnreadable(statements.database);
  return next === undefined ? [] : readSegments(statements, queue, next, bytes, suspects);
}

/** Looks again at what could not be read, now and then: only damage that lasts is damage of the file. */
export function recheckSuspects(statements: Statements, { since }: Suspects): void {
  for (const [queue, { from }] of since) {
    const isReadable = orDamage(() => {
      collect(statements, queue, from, 1, []);
      return true;
    }, false);
    if (isReadable) since.delete(queue);
  }
}

function collect(
  statements: Statements,
  queue: number,
  from: number,
  bytes: number,
  found: StoredSegment[],
): void {
  let total = 0;
  let next = -1;
  for (const row of statements.read.iterate(queue, from)) {
    const segment = { queue, ...row };
    const isUsable = isWhole(segment) && row.first + row.count > from;
    if (!isUsable && found.length === 0) continue;
    if (!isUsable || (found.length > 0 && row.first !== next)) return;
    found.push(segment);
    next = row.first + row.count;
    total += row.body.length + ROW_BYTES;
    if (total >= bytes) return;
  }
}

/** Behind damage: where the first segment begins that can be decoded, from the one that may hold message `from` on. */
function nextWhole(statements: Statements, queue: number, from: number): number | undefined {
  let next = nextReadable(statements, queue, from);
  while (next !== undefined) {
    if (canDecode(statements, queue, next)) return next;
    next = nextReadable(statements, queue, next + 1);
  }
  return undefined;
}

function canDecode(statements: Statements, queue: number, first: number): boolean {
  return orDamage(() => {
    const row = statements.readOne.get(queue, first);
    return row !== null && isWhole({ queue, ...row });
  }, false);
}

/**
 * Where to go on after a read from `from` on met damage; its last good row ended at `end`. When only the key of the
 * first row can be read, that row is skipped.
 */
export function nextBehindDamage(
  statements: Statements,
  queue: number,
  from: number,
  end = from,
): number | undefined {
  const next = nextReadable(statements, queue, end);
  return next === from ? next + 1 : next;
}

/** A step of the search for readable rows: the number where the next one begins, undefined for none, or damage. */
type Found = number | undefined | "damage";

/**
 * The first number from `from` on at which a row begins, behind pages that cannot be read. A page that is damaged takes
 * a range of keys with it, whose end is found by doubling steps and then by halving them.
 */
function nextReadable(statements: Statements, queue: number, from: number): number | undefined {
  const look = (number: number): Found =>
    orDamage(() => statements.next.get(queue, number)?.first, "damage");
  let found = look(from);
  let bad = from;
  for (let step = 1; found === "damage" && bad < NUMBER_MASK; step *= 2) {
    const number = Math.min(bad + step, NUMBER_MASK);
    found = look(number);
    if (found !== "damage") return lastStep(look, bad, number, found);
    bad = number;
  }
  return found === "damage" ? undefined : found;
}

/** Finds the end of the damage between a number that fails and one that does not. */
function lastStep(look: (number: number) => Found, bad: number, good: number, found: Found) {
  let result = found;
  let [low, high] = [bad, good];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const here = look(middle);
    if (here === "damage") {
      low = middle;
    } else {
      high = middle;
      result = here;
    }
  }
  return result === "damage" ? undefined : result;
}

/** See {@link Store.measure}. */
export function measure(
  statements: Statements,
  queue: number,
  from: number,
  rows: number,
): Measure {
  const result: Measure = { bytes: 0, next: from };
  let left = rows;
  try {
    for (const row of statements.headers.iterate(queue, from, rows)) {
      result.bytes += bodyBytes(row);
      result.next = row.first + Math.max(1, row.count);
      left--;
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    const end = result.next > from ? result.next : undefined;
    const next = nextBehindDamage(statements, queue, from, end) ?? 0;
    failIfUnreadable(statements.database);
    return { bytes: result.bytes, next };
  }
  if (left > 0) result.next = 0;
  return result;
}

/** Bytes of the bodies in a row; none when its header makes no sense. */
function bodyBytes({ count, bytes }: SegmentHeader): number {
  if (!(count >= 1)) return 0;
  return count === 1 ? bytes : Math.max(0, bytes - count * HEAD);
}

/** See {@link Store.arrived}. */
export function arrivedAt(
  statements: Statements,
  queue: number,
  number: number,
): number | undefined {
  const arrived = orDamage(() => statements.arrived.get(queue, number)?.arrived, "damage");
  if (arrived !== "damage") return arrived;
  failIfUnreadable(statements.database);
  return undefined;
}
