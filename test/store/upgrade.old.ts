/** Files as memcacheq 1.0 made them: its own SQL, letter by letter. */
import { Database } from "bun:sqlite";

import type { StoredSegment } from "../../src/store/batch.ts";
import { rowsOf } from "../../src/store/rows.ts";

const APPLICATION = 0x4d435131;
const VERSION = 1;
const HEAD = 8;
const NUMBER_BITS = 43;
const NUMBER_MASK = 2 ** NUMBER_BITS - 1;
const PAGE_SIZE = 4096;

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

/** Makes a file of schema 1, open as 1.0 has it. */
export function newOld(file: string): Database {
  const database = new Database(file, { create: true, readwrite: true, strict: true });
  database.run(`PRAGMA page_size = ${PAGE_SIZE}`);
  database.run("PRAGMA auto_vacuum = INCREMENTAL");
  database.run("PRAGMA journal_mode = WAL");
  database.transaction(() => {
    database.run(TABLES);
    database.run(`PRAGMA application_id = ${APPLICATION}`);
    database.run(`PRAGMA user_version = ${VERSION}`);
  })();
  database.run("PRAGMA synchronous = NORMAL");
  database.run("PRAGMA wal_autocheckpoint = 0");
  return database;
}

/** Inserts a segment as 1.0 did. @param arrived milliseconds since 1970 */
export function insertOld(database: Database, segment: StoredSegment, arrived = Date.now()): void {
  const insert = database.query(
    `INSERT INTO segment (key, arrived, count, flags, body) VALUES ((?1 << ${NUMBER_BITS}) + ?2, ?3, ?4, ?5, ?6)`,
  );
  for (const { queue, first, count, flags, body } of rowsOf(segment, PAGE_SIZE)) {
    insert.run(queue, first, arrived, count, flags, body);
  }
}
