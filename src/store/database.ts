import { constants, Database, SQLiteError } from "bun:sqlite";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from "node:fs";

import { reasonIn } from "../util/reason.ts";
import { orAlone, takeAlone } from "./alone.ts";
import { databaseInode, findObstacle, type Home, lockDatabase } from "./directory.ts";
import { APPLICATION, createTables, hasTables, VERSION } from "./schema.ts";
import { StoreError } from "./store.ts";
import { isOld, type Progress, upgrade } from "./upgrade.ts";

export interface DatabaseOptions {
  /** Bytes, of a new database. */
  pageSize: number;
  /** Bytes of SQLite's page cache. */
  cache: number;
  /** A commit is on disk before it returns. */
  sync: boolean;
  /** Give the log's space back after a checkpoint. */
  shrinkLog: boolean;
  /** Milliseconds to wait for another process's lock on the file. */
  lockWait: number;
  /** How long something must be unreadable before its messages are skipped, in milliseconds; 2000 when absent. */
  lastingDamage?: number;
  /** Gets lines about the progress of an upgrade of an older file. */
  progress?: Progress;
}

/** Bytes of the smallest possible database, one page. */
const SMALLEST_FILE = 512;
/** Bytes of the header of a rollback journal, and where in it is the number of pages before the transaction. */
const JOURNAL_HEAD = 28;
const PAGES_BEFORE = 16;
/** A file up to this size, in bytes, is checked whole at the start: about 1 ms a megabyte. */
const CHECKED_WHOLE = 32 * 1024 * 1024;

/**
 * Opens the database file, makes it if it is not there, and upgrades it if it is of an older version.
 * @throws StoreError when the file is of another application, damaged, or of a later version; it is not changed then
 */
export function openDatabase(home: Home, options: DatabaseOptions): Database {
  const { file } = home;
  const { lockWait } = options;
  const obstacle = findObstacle(home);
  if (obstacle !== undefined) throw new StoreError(`cannot open ${file}: ${obstacle}`);
  return namingLog(file, () => {
    lockIfThere(home);
    if (isHalfMade(file)) emptyFile(file, lockWait);
    if (existsSync(file) && statSync(file).size > 0) {
      orAlone((alone) => inspect(file, lockWait, alone));
    } else closeSync(openSync(file, "a", 0o600));
    lockDatabase(home);
    return orAlone((alone) => connect(file, options, alone));
  });
}

/**
 * Opens the file again after it was closed because of a failed sync. SQLite's recovery decides which commits count.
 * @throws StoreError
 */
export function reopenDatabase(home: Home, options: DatabaseOptions): Database {
  return withStoreError(home.file, () => orAlone((alone) => connect(home.file, options, alone)));
}

/** Closes the database, and leaves its log beside it, so that all of it is brought in after the next opening. */
export function closeKeepingLog(database: Database): void {
  database.run("PRAGMA journal_size_limit = -1");
  database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
  database.close(true);
}

export function pageSizeOf(database: Database): number {
  return pragma(database, "page_size") || 4096;
}

/** Locks the file if it is there. When it cannot be read, SQLite gives the error later. */
function lockIfThere(home: Home): void {
  try {
    if (databaseInode(home) !== undefined) lockDatabase(home);
  } catch (error) {
    if (error instanceof StoreError) throw error;
  }
}

function connect(file: string, options: DatabaseOptions, alone: boolean): Database {
  const database = new Database(file, { readwrite: true, strict: true });
  try {
    if (alone) takeAlone(database);
    database.run(`PRAGMA busy_timeout = ${options.lockWait}`);
    if (!hasTables(database)) createTables(database, options.pageSize);
    configure(database, options);
    // What was made of the index that could not be made.
    if (alone) rmSync(`${file}-shm`, { force: true });
    if (isOld(database)) upgrade(database, options.progress ?? (() => undefined));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function configure(database: Database, options: DatabaseOptions): void {
  database.run("PRAGMA journal_mode = WAL");
  database.run(`PRAGMA synchronous = ${options.sync ? "FULL" : "NORMAL"}`);
  database.run("PRAGMA wal_autocheckpoint = 0");
  database.run(`PRAGMA journal_size_limit = ${options.shrinkLog ? 0 : -1}`);
  database.run(`PRAGMA cache_size = ${-Math.ceil(options.cache / 1024)}`);
  database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 0);
}

/**
 * Whether a process ended while it made the file: then there is a rollback journal of a database that had no pages
 * before (https://sqlite.org/fileformat.html#the_rollback_journal). A file of ours has none any more once it is made.
 */
function isHalfMade(file: string): boolean {
  const journal = `${file}-journal`;
  if (!existsSync(file) || !existsSync(journal)) return false;
  const bytes = readFileSync(journal);
  return bytes.length >= JOURNAL_HEAD && bytes.readUInt32BE(PAGES_BEFORE) === 0;
}

/** Makes the file empty again: SQLite does that before it reads the first page, if it may write. */
function emptyFile(file: string, lockWait: number): void {
  using database = new Database(file, { readwrite: true, strict: true });
  database.run(`PRAGMA busy_timeout = ${lockWait}`);
  hasTables(database);
}

/** Checks an existing file without changing it. */
function inspect(file: string, lockWait: number, alone: boolean): void {
  const { size } = statSync(file);
  // SQLite takes a file of a byte or two for an empty one, and would write over it.
  if (size < SMALLEST_FILE) throw new StoreError(`${file} is no database of memcacheq`);
  const isLogged = hasLog(file);
  const access = alone ? { readwrite: true } : { readonly: true };
  using database = new Database(file, { ...access, strict: true });
  if (alone) takeAlone(database);
  database.run(`PRAGMA busy_timeout = ${lockWait}`);
  const application = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  if (application !== APPLICATION && (application !== 0 || hasTables(database))) {
    throw new StoreError(`${file} is the database of another application`);
  }
  if (version > VERSION) {
    throw new StoreError(
      `${file} was made by a later memcacheq (schema ${version}, this one knows ${VERSION})`,
    );
  }
  // With a log, the end of the file may be a page that a crash cut short: it is in the log, too.
  if (!isLogged && size % pragma(database, "page_size") !== 0)
    throw new StoreError(`${file} is damaged: its end is missing`);
  if (size > CHECKED_WHOLE) return;
  const result = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  if (result?.quick_check !== "ok") {
    throw new StoreError(`${file} is damaged: ${result?.quick_check.split("\n").at(-1)}`);
  }
}

function pragma(database: Database, name: string): number {
  const row = database.query<Record<string, number>, []>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
}

/**
 * The same. Where the file is damaged and there is a log beside it, the error names the log, too: a file that was put back
 * from a copy has the log of the file before it, whose pages are not its own.
 */
function namingLog<T>(file: string, work: () => T): T {
  const hadLog = hasLog(file);
  try {
    return withStoreError(file, work);
  } catch (error) {
    const isDamaged = error instanceof StoreError && error.message.startsWith(`${file} is damaged`);
    if (!hadLog || !isDamaged) throw error;
    throw new StoreError(
      `${error.message}. If it was put back from a copy, its log is that of the file before: ` +
        `put the copy back again without ${file}-wal and ${file}-shm`,
    );
  }
}

/** False also where that cannot be seen. */
function hasLog(file: string): boolean {
  try {
    return statSync(`${file}-wal`).size > 0;
  } catch {
    return false;
  }
}

/** Does the work; any error is thrown as a {@link StoreError} that names the file. */
function withStoreError<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(explain(file, error));
  }
}

function explain(file: string, error: unknown): string {
  const code = error instanceof SQLiteError ? error.code : undefined;
  if (code === "SQLITE_NOTADB") return `${file} is no database of memcacheq`;
  if (code?.startsWith("SQLITE_CORRUPT")) return `${file} is damaged`;
  if (code === "SQLITE_READONLY_ROLLBACK") {
    return `${file} was being changed by another application that ended in the middle of it`;
  }
  return `cannot open ${file}: ${reasonIn(error)}`;
}
