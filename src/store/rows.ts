import { HEAD, type StoredSegment } from "./batch.ts";
import { MAX_QUEUES, NUMBER_MASK } from "./schema.ts";

/** A segment that fills so many pages is one row, of any length. */
const WHOLE_PAGES = 4;
/** How many rows should fit into a page, and what SQLite adds to one: its key, sizes and other columns. */
const ROWS_PER_PAGE = 6;
const ROW_COST = 32;

/**
 * Cuts a segment into the rows that it is kept in. Of rows that are a little longer than half a page only one fits into
 * each page (https://sqlite.org/fileformat.html#b_tree_pages), and disk space doubles: a segment of such a length is
 * cut at the messages' bounds. A long one loses little, and is a row as it is.
 * @param pageSize bytes
 */
export function rowsOf(segment: StoredSegment, pageSize: number): StoredSegment[] {
  const { queue, first, count, body } = segment;
  const most = pageSize / ROWS_PER_PAGE - ROW_COST;
  if (count === 1 || body.length <= most || body.length >= WHOLE_PAGES * pageSize) return [segment];
  // Rows of about the same length waste the least space.
  const share = body.length / Math.ceil(body.length / most);
  const heads = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const rows: StoredSegment[] = [];
  let start = 0;
  let end = 0;
  let number = first;
  for (let next = first; next < first + count; next++) {
    const after = end + HEAD + heads.getUint32(end, true);
    if (after > share * (rows.length + 1) && end > start) {
      rows.push(row(queue, number, next - number, body, start, end));
      number = next;
      start = end;
    }
    end = after;
  }
  rows.push(row(queue, number, first + count - number, body, start, end));
  return rows;
}

/** A row of one message has its body alone, and its flags beside it. */
function row(
  queue: number,
  first: number,
  count: number,
  packed: Uint8Array,
  start: number,
  end: number,
): StoredSegment {
  const body = packed.subarray(start, end);
  if (count > 1) return { queue, first, count, flags: 0, body };
  const flags = new DataView(body.buffer, body.byteOffset).getUint32(4, true);
  return { queue, first, count, flags, body: body.subarray(HEAD) };
}

/**
 * Whether the segment can be stored and read again: its numbers are possible, and the lengths of its messages add up to
 * its body. Checked before it is written, and after it is read.
 */
export function isWhole(segment: StoredSegment): boolean {
  const { queue, first, count, body } = segment;
  if (!isWithin(queue, 1, MAX_QUEUES) || !isWithin(first, 0, NUMBER_MASK)) return false;
  if (!isWithin(count, 1, NUMBER_MASK - first + 1) || !(body instanceof Uint8Array)) return false;
  return count === 1 ? isWithin(segment.flags, 0, 2 ** 32 - 1) : addsUp(body, count);
}

/** Whether the body is exactly so many heads, each with a body of the length that it says. */
function addsUp(body: Uint8Array, count: number): boolean {
  const { length } = body;
  let at = 0;
  for (let n = 0; n < count; n++) {
    if (at + HEAD > length) return false;
    at += HEAD + read32(body, at);
  }
  return at === length;
}

/** Faster than a DataView, which would be made anew for each commit. */
function read32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  const high = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
  return (low | high) >>> 0;
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
