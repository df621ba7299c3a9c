import { constants, type Database, SQLiteError } from "bun:sqlite";
import { closeSync, openSync, readSync } from "node:fs";

import type { Clock } from "../util/clock.ts";
import { StoreError } from "./store.ts";

/** Of Linux, macOS and the BSDs: EIO, ENXIO and ERANGE. */
const READ_ERRORS = [5, 6, 34];
/** Bytes of the log that are read at a time. */
const CHUNK = 1024 * 1024;

/**
 * Whether the error says that the file is damaged. A row of a damaged page may also seem longer than SQLite allows
 * (https://sqlite.org/rescode.html#toobig).
 */
export function isDamage(error: unknown): boolean {
  const code = error instanceof SQLiteError ? (error.code ?? "") : "";
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_TOOBIG";
}

/** The result of the work, or `damaged` when it meets damage. */
export function orDamage<T, D>(work: () => T, damaged: D): T | D {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return damaged;
  }
}

/**
 * Call it before messages are declared lost. SQLite gives the same error for a damaged page and for one that the disk
 * failed to read (https://sqlite.org/rescode.html#ioerr_corruptfs); the latter may succeed a moment later. An error of
 * the database file is remembered as long as it is open: until then messages that cannot be read are not declared lost.
 * @throws StoreError when the disk failed
 */
export function failIfUnreadable(database: Database): void {
  if (READ_ERRORS.includes(lastErrorNumber(database)) || !canRead(`${database.filename}-wal`)) {
    throw new StoreError("disk I/O error");
  }
}

/**
 * Queues in which something could not be read. A disk that fails for a moment looks the same to SQLite as a damaged page,
 * and messages that are skipped are gone: so it must last.
 */
export interface Suspects {
  /** By the queue: from which message on, and since when, on the monotonic clock. */
  since: Map<number, { from: number; at: number }>;
  clock: Clock;
  /** How long it must last, in milliseconds. */
  lasting: number;
}

export function newSuspects(clock: Clock, lasting: number): Suspects {
  return { since: new Map(), clock, lasting };
}

/** @throws StoreError while it is not known yet whether this lasts */
export function failUnlessLasting(
  { since, clock, lasting }: Suspects,
  queue: number,
  from: number,
): void {
  const now = clock.monotonic();
  const known = since.get(queue);
  if (known === undefined) since.set(queue, { from, at: now });
  if (now - (known?.at ?? now) < lasting) throw new StoreError("disk I/O error");
  since.delete(queue);
}

/** The number of the last error of the database file (https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html). */
function lastErrorNumber(database: Database): number {
  // SQLite writes one int, but Bun requires room for two.
  const result = new Int32Array(2);
  database.fileControl(constants.SQLITE_FCNTL_LAST_ERRNO, result);
  return result[0] ?? 0;
}

/** Whether all of a file can be read, or it does not exist. SQLite does not lock the log, so closing it is safe. */
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
