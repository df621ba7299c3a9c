import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Bytes of the header of the log, and of a frame; a page follows that (https://sqlite.org/walformat.html#walfile). */
const LOG_HEADER = 32;
const FRAME_HEADER = 24;
/** Where in the log's header are the page size, the two salts and the checksum. */
const PAGE_SIZE = 8;
const LOG_SALTS = 16;
const LOG_SUM = 24;
/** Where in a frame's header are the mark of a commit, the salts and the checksum; that includes no salts. */
const COMMIT_MARK = 4;
const FRAME_SALTS = 8;
const FRAME_SUM = 16;
/** The first number of every log, but for {@link BIG_ENDIAN}. */
const MAGIC = 0x377f0682;
/** Bytes of two salts, or of the two numbers of a checksum. */
const PAIR = 8;
/** The last bit of the log's first four bytes: checksums are made of big-endian numbers. */
const BIG_ENDIAN = 1;

/**
 * Whether the log has a whole commit behind the frames that count. SQLite's next recovery would accept that commit: this
 * checks the same fields as a recovery (https://sqlite.org/walformat.html#recovery).
 *
 * SQLite writes the frames of a commit in order, the one with the mark last. So, when COMMIT fails
 *
 * - with a write (of the log's header, of a frame, on a full disk), that frame is not whole, and nothing happened;
 * - with the sync of a new header, which comes before any frame when the log begins anew: the same;
 * - with the sync behind the frames, they are all there, on disk or only in memory: the outcome is unknown. That is the
 *   second sync of a commit with which the log begins, and the only one of all others;
 * - with anything after that (the index of the log cannot grow), the commit is even on disk: unknown, too.
 *
 * When the log begins anew and its header cannot be written, the old frames still match the old header. They look like a
 * commit, too: to say that the outcome is unknown is never wrong.
 * @param frames how many count
 * @throws when the log cannot be read
 */
export function hasUncountedCommit(log: string, frames: number): boolean {
  const fd = openSync(log, "r");
  try {
    return findCommit(fd, frames);
  } finally {
    // SQLite locks the database and the index of the log, never the log itself: to close it here loses no lock.
    closeSync(fd);
  }
}

/**
 * Whether frames that count are missing, because another program has emptied the log or cut it off. SQLite does not notice:
 * it writes the next frames behind a hole, and its checkpoint writes the hole's zeros over good pages of the database.
 * @param inode of the log that is open; of any other file it is false, as when there is none
 * @param frames how many count
 */
export function lacksFrames(log: string, inode: number | undefined, frames: number): boolean {
  const fd = openIfPossible(log);
  if (fd === undefined) return false;
  try {
    const { ino, size } = fstatSync(fd);
    if (ino !== inode) return false;
    const header = bytesAt(fd, 0, LOG_HEADER);
    const hasHeader = header.readUInt32BE(0) - (header.readUInt32BE(0) & BIG_ENDIAN) === MAGIC;
    const step = FRAME_HEADER + header.readUInt32BE(PAGE_SIZE);
    return !hasHeader || size < LOG_HEADER + frames * step;
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is no such file, or no descriptor is left: then it is looked at the next time. */
function openIfPossible(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch {
    return undefined;
  }
}

function findCommit(fd: number, frames: number): boolean {
  const { size } = fstatSync(fd);
  if (size < LOG_HEADER) return false;
  const header = bytesAt(fd, 0, LOG_HEADER);
  const salts = header.subarray(LOG_SALTS, LOG_SALTS + PAIR);
  const littleEndian = (header.readUInt32BE(0) & BIG_ENDIAN) === 0;
  const step = FRAME_HEADER + header.readUInt32BE(PAGE_SIZE);
  const start = LOG_HEADER + frames * step;
  // Each checksum begins with the one before.
  let sum = frames === 0 ? header.subarray(LOG_SUM) : bytesAt(fd, start - step + FRAME_SUM, PAIR);
  for (let at = start; at + step <= size; at += step) {
    const frame = bytesAt(fd, at, step);
    const head = frame.subarray(0, FRAME_SALTS);
    const page = frame.subarray(FRAME_HEADER);
    sum = checksum(checksum(sum, head, littleEndian), page, littleEndian);
    const isWhole =
      frame.subarray(FRAME_SALTS, FRAME_SUM).equals(salts) &&
      frame.subarray(FRAME_SUM, FRAME_HEADER).equals(sum);
    if (!isWhole) return false;
    if (frame.readUInt32BE(COMMIT_MARK) !== 0) return true;
  }
  return false;
}

/** See https://sqlite.org/walformat.html#checksum_algorithm; a sum is two big-endian numbers. */
function checksum(before: Buffer, bytes: Buffer, littleEndian: boolean): Buffer {
  let first = before.readUInt32BE(0);
  let second = before.readUInt32BE(4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += PAIR) {
    first = (first + view.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + view.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  const sum = Buffer.alloc(PAIR);
  sum.writeUInt32BE(first, 0);
  sum.writeUInt32BE(second, 4);
  return sum;
}

function bytesAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, at);
  return bytes;
}
