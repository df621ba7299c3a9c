import { Database, SQLiteError } from "bun:sqlite";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";

import { HEAD } from "./batch.ts";
import { reasonIn, StoreError } from "./store.ts";

/** "MCQ1": tells our files from those of other applications (https://sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION = 0x4d435131;
/** The version of the tables below, kept in the file's user_version. */
export const VERSION = 1;
/** Bytes of the smallest database there can be, one page. */
const SMALLEST_FILE = 512;
/** Bytes of the head of a rollback journal, and where in it is how many pages there were before. */
const JOURNAL_HEAD = 28;
const PAGES_BEFORE = 16;
/** A file up to this size, in bytes, is checked whole at the start: about 1 ms a megabyte. */
const CHECKED_WHOLE = 32 * 1024 * 1024;

/** A segment's key is its queue's id and the number of its first message, 20 and 43 bits. */
export const NUMBER_BITS = 43;
export const NUMBER_MASK = 2 ** NUMBER_BITS - 1;
/** Ids begin at 1. */
export const MAX_QUEUES = 2 ** 20 - 1;

/** The four bytes at `at` of the packed `body`, little-endian: SQLite has no function for it. */
function number32(at: string): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  const byteAt = (offset: number) =>
    `instr(x'${bytes.join("")}', substr(body, ${at} + ${offset}, 1)) - 1`;
  const shifted = [0, 1, 2, 3].map((offset) => `((${byteAt(offset)}) << ${offset * 8})`);
  return shifted.join(" | ");
}

/** `message` shows one message a row, for people with an SQLite shell; the server doesn't use it. */
const TABLES = `
  CREATE TABLE queue (
    id    INTEGER PRIMARY KEY,
    name  BLOB NOT NULL UNIQUE,
    head  INTEGER NOT NULL,
    tail  INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    held  TEXT NOT NULL
  );
  CREATE TABLE dropped (
    queue INTEGER PRIMARY KEY
  );
  CREATE TABLE segment (
    key     INTEGER PRIMARY KEY,
    arrived INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    flags   INTEGER NOT NULL,
    body    BLOB NOT NULL
  );
  CREATE VIEW message AS
    WITH RECURSIVE place (key, number, at, length, flags, rest) AS (
      SELECT key, key & ${NUMBER_MASK}, 1, ${number32("1")}, ${number32("5")}, count - 1
        FROM segment WHERE count > 1
      UNION ALL
      SELECT key, number + 1, at + ${HEAD} + length,
             ${number32(`at + ${HEAD} + length`)}, ${number32(`at + ${HEAD + 4} + length`)}, rest - 1
        FROM place JOIN segment USING (key) WHERE rest > 0
    )
    SELECT CAST(queue.name AS TEXT) AS queue, number, place.flags AS flags,
           datetime(arrived / 1000, 'unixepoch') AS arrived, substr(body, at + ${HEAD}, length) AS body
      FROM place JOIN segment USING (key) JOIN queue ON queue.id = key >> ${NUMBER_BITS}
      WHERE number >= head OR number IN (SELECT value FROM json_each(held))
    UNION ALL
    SELECT CAST(name AS TEXT), key & ${NUMBER_MASK}, flags,
           datetime(arrived / 1000, 'unixepoch'), body
      FROM segment JOIN queue ON queue.id = key >> ${NUMBER_BITS}
      WHERE count = 1
        AND (key & ${NUMBER_MASK} >= head OR key & ${NUMBER_MASK} IN (SELECT value FROM json_each(held)));
`;

/**
 * Opens the database file, and makes it if it is not there.
 * @param pageSize bytes, of a new file
 * @param lockWait milliseconds to wait for another process's lock on it
 * @throws StoreError when the file is none of ours, damaged, or of a later version; it is not changed then
 */
export function openDatabase(file: string, pageSize: number, lockWait: number): Database {
  try {
    if (wasBeingMade(file)) takeBack(file, lockWait);
    if (existsSync(file) && statSync(file).size > 0) inspect(file, lockWait);
    else closeSync(openSync(file, "a", 0o600));
    const database = new Database(file, { readwrite: true, strict: true });
    database.run(`PRAGMA busy_timeout = ${lockWait}`);
    if (!hasTables(database)) create(database, pageSize);
    return database;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(explain(file, error));
  }
}

/**
 * Whether a process ended while it made the file: then there is a rollback journal of a database that had no pages
 * before (https://sqlite.org/fileformat.html#the_rollback_journal). A file of ours has none any more once it is made.
 */
function wasBeingMade(file: string): boolean {
  const journal = `${file}-journal`;
  if (!existsSync(file) || !existsSync(journal)) return false;
  const bytes = readFileSync(journal);
  return bytes.length >= JOURNAL_HEAD && bytes.readUInt32BE(PAGES_BEFORE) === 0;
}

/** Makes the file empty again. SQLite does so before it reads the first page, if only it may write. */
function takeBack(file: string, lockWait: number): void {
  using database = new Database(file, { readwrite: true, strict: true });
  database.run(`PRAGMA busy_timeout = ${lockWait}`);
  hasTables(database);
}

/** Looks at a file that is there, without changing it. */
function inspect(file: string, lockWait: number): void {
  const { size } = statSync(file);
  // SQLite takes a file of a byte or two for an empty one, and would write over it.
  if (size < SMALLEST_FILE) throw new StoreError(`${file} is no database of memcacheq`);
  const hasLog = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  using database = new Database(file, { readonly: true, strict: true });
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
  if (!hasLog && size % pragma(database, "page_size") !== 0)
    throw new StoreError(`${file} is damaged: its end is missing`);
  if (size > CHECKED_WHOLE) return;
  const result = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  if (result?.quick_check !== "ok") {
    throw new StoreError(`${file} is damaged: ${result?.quick_check.split("\n").at(-1)}`);
  }
}

function hasTables(database: Database): boolean {
  return database.query("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== null;
}

function create(database: Database, pageSize: number): void {
  database.run(`PRAGMA page_size = ${pageSize}`);
  database.run("PRAGMA auto_vacuum = INCREMENTAL");
  database.run("PRAGMA journal_mode = WAL");
  database.transaction(() => {
    database.run(TABLES);
    database.run(`PRAGMA application_id = ${APPLICATION}`);
    database.run(`PRAGMA user_version = ${VERSION}`);
  })();
}

function pragma(database: Database, name: string): number {
  const row = database.query<Record<string, number>, []>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
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
