import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Bytes of the log's header and of a frame's, which is followed by a page (https://sqlite.org/walformat.html#walfile). */
const LOG_HEADER = 32;
const FRAME_HEADER = 24;
/** Where in the log's header are the page size and the two salts, and in a frame's the mark of a commit and the salts. */
const PAGE_SIZE = 8;
const LOG_SALTS = 16;
const COMMIT_MARK = 4;
const FRAME_SALTS = 8;
const SALTS = 8;

/**
 * Whether the log has a whole commit behind the frames that count, which the next recovery would therefore make true
 * (https://sqlite.org/walformat.html#recovery). Checksums are left aside: true may be too careful, false is certain.
 *
 * A commit that fails has written its frames in order, the one with the mark last, and the mark before the page. So
 *
 * - with a write that failed (of the log's header, of a frame, on a full disk) that one is not whole, and nothing happened;
 * - the same when the log begins anew and the sync of its header fails, which comes before any frame;
 * - when the sync behind the frames fails they are all there, on disk or only in memory: the outcome is unknown. That is
 *   the second sync of a commit with which the log begins, and the only one of all others;
 * - when anything fails after that sync (the index of the log cannot grow), the commit is even on disk: unknown as well.
 *
 * When the log begins anew and its header cannot be written, the frames of before still match it: that is taken for
 * unknown too, and does no harm.
 * @param frames how many count
 * @throws when the log cannot be read
 */
export function hasUncountedCommit(log: string, frames: number): boolean {
  const fd = openSync(log, "r");
  try {
    const { size } = fstatSync(fd);
    if (size < LOG_HEADER) return false;
    const header = bytesAt(fd, 0, LOG_HEADER);
    const salts = header.subarray(LOG_SALTS, LOG_SALTS + SALTS);
    const step = FRAME_HEADER + header.readUInt32BE(PAGE_SIZE);
    for (let at = LOG_HEADER + frames * step; at + step <= size; at += step) {
      const frame = bytesAt(fd, at, FRAME_HEADER);
      if (!frame.subarray(FRAME_SALTS, FRAME_SALTS + SALTS).equals(salts)) return false;
      if (frame.readUInt32BE(COMMIT_MARK) !== 0) return true;
    }
    return false;
  } finally {
    // SQLite locks the database and the index of the log, never the log itself: closing it here lets go of no lock.
    closeSync(fd);
  }
}

function bytesAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, at);
  return bytes;
}
