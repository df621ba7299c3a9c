import type { Database } from "bun:sqlite";

import { HEAD } from "./batch.ts";

/*
 * The file, schema 2. All times are milliseconds since 1970, all lengths of time milliseconds.
 *
 *   queue     a row a queue           id | name  head  tail  bytes  paused  lost  delayed  ahead
 *   dropped   a row a deleted queue   queue             that still has rows in other tables
 *
 *   Everything about messages has a key that begins with the queue's id, so that a queue is a range of keys:
 *
 *     62           43 42                     0
 *    +---------------+------------------------+
 *    |   queue's id  |   message's number     |
 *    +---------------+------------------------+
 *
 *   segment   consecutive messages    key of the first | arrived  count  flags  body
 *               count = 1:  body is the message's, flags are its flags
 *               count > 1:  body is  length flags body  length flags body ...   (32 bits each, little-endian)
 *   expiry    from a message on they expire then, 0 is never          key of that message | expires
 *   held      a message below the head that is still in the queue     key | kind  deliveries  due  lease
 *   delayed   a message that waits for its time, or waited            key | due  deliveries
 *   moved     a message that came from another queue                  key | origin  number  reason
 *   token     the ids that one commit brought to a queue              key of the first such message | arrived  hashes
 *
 *             1            head                  tail
 *   numbers   |--- gone ----|---- in the queue ----|--- not used yet
 *                 ^   ^          ^   ^
 *                 held, delayed: |   delayed, `ahead` of the head: the head skips them
 *                 in the queue, too
 *
 *   A server reads all of `held` when it starts, but of `delayed` only what is due: there may be millions. So the queue's
 *   row has their number: `delayed`, and `ahead` of them are not below the head.
 *
 *   `lost` is 1 as long as `bytes` has messages in it that are lost or dropped, and is not counted again: after damage, and
 *   in the middle of a flush.
 *
 * An unused table costs a page; a column of `segment` would cost each message of 100 bytes 3 % of its space.
 */

/** "MCQ1": distinguishes our files from files of other applications (https://sqlite.org/pragma.html#pragma_application_id). */
export const APPLICATION = 0x4d435131;
/** The version of the tables below, kept in the file's user_version. */
export const VERSION = 2;

/** A message's key is its queue's id and its number, 20 and 43 bits. */
export const NUMBER_BITS = 43;
export const NUMBER_MASK = 2 ** NUMBER_BITS - 1;
/** Ids begin at 1. */
export const MAX_QUEUES = 2 ** 20 - 1;
/** The `kind` of a held message. */
export const HELD = 0;
export const LEASED = 1;

/** The tables that have rows of a queue, besides `segment`: a dropped queue loses them, too. */
export const MESSAGE_TABLES = ["held", "delayed", "expiry", "moved", "token"] as const;

/** The four bytes at `at` of the packed `body`, little-endian: SQLite has no function for it. */
function number32(at: string): string {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  const byteAt = (offset: number) =>
    `instr(x'${bytes.join("")}', substr(body, ${at} + ${offset}, 1)) - 1`;
  const shifted = [0, 1, 2, 3].map((offset) => `((${byteAt(offset)}) << ${offset * 8})`);
  return shifted.join(" | ");
}

const QUEUE_TABLES = `
  CREATE TABLE queue (
    id     INTEGER PRIMARY KEY,
    name   BLOB NOT NULL UNIQUE,
    head   INTEGER NOT NULL,
    tail   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    paused INTEGER,
    lost   INTEGER,
    delayed INTEGER,
    ahead  INTEGER
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
`;

/**
 * The tables that schema 1 does not have. A held message's kind: 0 open or put back, 1 leased. Then `due` is the end of the
 * lease, and `lease` its length.
 */
export const LATER_TABLES = `
  CREATE TABLE expiry (
    key     INTEGER PRIMARY KEY,
    expires INTEGER NOT NULL
  );
  CREATE TABLE held (
    key        INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0,
    due        INTEGER,
    lease      INTEGER
  );
  CREATE TABLE delayed (
    key        INTEGER PRIMARY KEY,
    due        INTEGER NOT NULL,
    deliveries INTEGER NOT NULL
  );
  CREATE INDEX delayed_due ON delayed (due);
  CREATE TABLE moved (
    key    INTEGER PRIMARY KEY,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    reason TEXT NOT NULL
  );
  CREATE TABLE token (
    key     INTEGER PRIMARY KEY,
    arrived INTEGER NOT NULL,
    hashes  BLOB NOT NULL
  );
`;

/** Milliseconds since 1970. */
const NOW = "(julianday('now') - 2440587.5) * 86400000";

/** `message` shows one message a row, for people with an SQLite shell; the server doesn't use it. */
export const MESSAGE_VIEW = `
  CREATE VIEW message AS
    WITH RECURSIVE place (segment, key, at, length, flags, rest) AS (
      SELECT key, key, 1, ${number32("1")}, ${number32("5")}, count - 1
        FROM segment WHERE count > 1
      UNION ALL
      SELECT segment, place.key + 1, at + ${HEAD} + length,
             ${number32(`at + ${HEAD} + length`)}, ${number32(`at + ${HEAD + 4} + length`)}, rest - 1
        FROM place JOIN segment ON segment.key = place.segment WHERE rest > 0
    ),
    each (key, segment, flags, arrived, body) AS (
      SELECT place.key, segment.key, place.flags, arrived, substr(body, at + ${HEAD}, length)
        FROM place JOIN segment ON segment.key = place.segment
      UNION ALL
      SELECT key, key, flags, arrived, body FROM segment WHERE count = 1
    )
    SELECT CAST(queue.name AS TEXT) AS queue, each.key & ${NUMBER_MASK} AS number, flags,
           datetime(arrived / 1000, 'unixepoch') AS arrived, body,
           CASE WHEN kind = 1 THEN 'leased' WHEN kind = 0 THEN 'held'
             WHEN delayed.due <= ${NOW} THEN 'due'
             WHEN delayed.deliveries > 0 THEN 'retry' WHEN delayed.key IS NOT NULL THEN 'delayed'
             WHEN paused = 0 OR paused > ${NOW} THEN 'paused' ELSE 'ready' END AS state,
           coalesce(held.deliveries, delayed.deliveries, 0) AS deliveries,
           datetime(coalesce(held.due, delayed.due) / 1000, 'unixepoch') AS due, lease,
           datetime((SELECT nullif(expires, 0) FROM expiry
             WHERE expiry.key <= each.key AND expiry.key >= queue.id << ${NUMBER_BITS}
             ORDER BY expiry.key DESC LIMIT 1) / 1000, 'unixepoch') AS expires,
           CAST(origin AS TEXT) AS origin, moved.number AS origin_number, reason
      FROM each JOIN queue ON queue.id = each.key >> ${NUMBER_BITS}
        LEFT JOIN held ON held.key = each.key LEFT JOIN delayed ON delayed.key = each.key
        LEFT JOIN moved ON moved.key = each.key
      WHERE each.key & ${NUMBER_MASK} >= head OR held.key IS NOT NULL OR delayed.key IS NOT NULL;
`;

/** Makes the tables in an empty file, in one transaction. @param pageSize bytes */
export function createTables(database: Database, pageSize: number): void {
  database.run(`PRAGMA page_size = ${pageSize}`);
  database.run("PRAGMA auto_vacuum = INCREMENTAL");
  database.run("PRAGMA journal_mode = WAL");
  database.transaction(() => {
    database.run(QUEUE_TABLES);
    database.run(LATER_TABLES);
    database.run(MESSAGE_VIEW);
    database.run(`PRAGMA application_id = ${APPLICATION}`);
    database.run(`PRAGMA user_version = ${VERSION}`);
  })();
}

export function hasTables(database: Database): boolean {
  return database.query("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== null;
}
