import { constants, type Database, SQLiteError } from "bun:sqlite";
import { closeSync, openSync, readSync } from "node:fs";

import { StoreError } from "./store.ts";

/** Of Linux, macOS and the BSDs: EIO, ENXIO and ERANGE. */
const READ_ERRORS = [5, 6, 34];
/** Bytes of the log that are read at a time. */
const CHUNK = 1024 * 1024;

/**
 * Whether what was read makes no sense. A row of a damaged page may also claim to be longer than any can be
 * (https://sqlite.org/rescode.html#toobig).
 */
export function isDamage(error: unknown): boolean {
  const code = error instanceof SQLiteError ? (error.code ?? "") : "";
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_TOOBIG";
}

/** What the work gives, or `damaged` when what it reads makes no sense. */
export function orDamage<T, D>(work: () => T, damaged: D): T | D {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return damaged;
  }
}

/**
 * To be asked before messages are taken for lost: SQLite says the same of a page that makes no sense and of one that the
 * disk failed to read (https://sqlite.org/rescode.html#ioerr_corruptfs), which may be back in a moment. Errors of the
 * database file are remembered for as long as it is open: messages then rather fail to be read than to be there.
 * @throws StoreError when the disk failed
 */
export function failIfUnreadable(database: Database): void {
  if (READ_ERRORS.includes(lastErrorNumber(database)) || !canRead(`${database.filename}-wal`)) {
    throw new StoreError("disk I/O error");
  }
}

/** Of the last call on the database file that failed (https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html). */
function lastErrorNumber(database: Database): number {
  // An int, for which Bun wants the room of two.
  const result = new Int32Array(2);
  database.fileControl(constants.SQLITE_FCNTL_LAST_ERRNO, result);
  return result[0] ?? 0;
}

/** Whether all of a file can be read; one that is not there has nothing to be read. SQLite does not lock the log. */
function canRead(file: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    const bytes = Buffer.allocUnsafe(CHUNK);
    let at = 0;
    for (let read = CHUNK; read > 0; at += read) read = readSync(fd, bytes, 0, CHUNK, at);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
