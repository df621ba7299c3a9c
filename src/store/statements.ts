import type { Database, Statement } from "bun:sqlite";

import type { DelayedMessage, StoredIds, StoredSegment } from "./batch.ts";
import { LEASED, MESSAGE_TABLES, NUMBER_BITS, NUMBER_MASK, VERSION } from "./schema.ts";
import type { Checkpoint, WaitingMessage } from "./store.ts";

/** Of the table `queue`. */
export interface QueueRow {
  id: number;
  name: Uint8Array;
  head: number;
  tail: number;
  bytes: number;
  paused: number | null;
  lost: number | null;
  delayed: number | null;
  ahead: number | null;
}

/** Of the table `held`. */
export interface HeldRow {
  queue: number;
  number: number;
  kind: number;
  deliveries: number;
  due: number | null;
  lease: number | null;
}

/** Of the table `delayed`, with the name of the queue, if it is there. */
export interface DueRow extends DelayedMessage {
  name: Uint8Array | null;
}

/** Of the table `moved`. */
export interface MovedRow {
  origin: Uint8Array;
  number: number;
  reason: string;
}

/** Whether another connection prevented it, pages in the log, and how many of them are in the database already. */
export interface LogState {
  busy: number;
  log: number;
  checkpointed: number;
}

/** A segment without its body, whose length is in bytes. */
export interface SegmentHeader {
  first: number;
  count: number;
  bytes: number;
}

/** A segment before the head: its first message, the number after its last, and the bytes of its body. */
export interface GoneRow {
  first: number;
  end: number;
  bytes: number;
}

export type Statements = ReturnType<typeof prepare>;

/** Pages that an incremental vacuum gives back at a time. */
export const VACUUM_PAGES = 32;

type Row<T> = Statement<T, []>;

/** SQL for the key of message `number` of queue `queue`, and for the number in a key. */
const keyOf = (queue: string, number: string) => `((${queue} << ${NUMBER_BITS}) + ${number})`;
const KEY = keyOf("?1", "?2");
const LAST_KEY = keyOf("?1", NUMBER_MASK.toString());
const NUMBER = `(key & ${NUMBER_MASK})`;
const QUEUE = `(key >> ${NUMBER_BITS})`;

export function prepare(database: Database) {
  return {
    database,
    begin: database.prepare<void, []>("BEGIN IMMEDIATE"),
    commit: database.prepare<void, []>("COMMIT"),
    rollback: database.prepare<void, []>("ROLLBACK"),
    // It writes the same number again: SQLite writes a page nevertheless.
    changeNothing: database.prepare<void, []>(`PRAGMA user_version = ${VERSION}`),
    ...forLog(database),
    ...forQueues(database),
    ...forDelayed(database),
    ...forIds(database),
    ...forExpiry(database),
    ...forMoved(database),
    ...forSegments(database),
    ...forRemoval(database),
    ...forVacuum(database),
  };
}

function forLog(database: Database) {
  const checkpoints: Record<Checkpoint, Row<LogState>> = {
    passive: database.prepare("PRAGMA wal_checkpoint(PASSIVE)"),
    full: database.prepare("PRAGMA wal_checkpoint(FULL)"),
    truncate: database.prepare("PRAGMA wal_checkpoint(TRUNCATE)"),
  };
  return {
    checkpoints,
    logState: database.prepare<LogState, []>("PRAGMA wal_checkpoint(NOOP)"),
  };
}

function forQueues(database: Database) {
  return {
    queues: database.prepare<QueueRow, []>(
      "SELECT id, name, head, tail, bytes, paused, lost, delayed, ahead FROM queue ORDER BY id",
    ),
    createQueue: database.prepare<void, [number, Uint8Array]>(
      "INSERT INTO queue (id, name, head, tail, bytes) VALUES (?1, ?2, 1, 1, 0)",
    ),
    moveQueue: database.prepare<void, [number, number, number, number]>(
      "UPDATE queue SET head = ?2, tail = ?3, bytes = ?4 WHERE id = ?1",
    ),
    dropQueue: database.prepare<void, [number]>("DELETE FROM queue WHERE id = ?1"),
    pauseQueue: database.prepare<void, [number, number | null]>(
      "UPDATE queue SET paused = ?2 WHERE id = ?1",
    ),
    recountQueue: database.prepare<void, [number, number | null]>(
      "UPDATE queue SET lost = ?2 WHERE id = ?1",
    ),
    noteDropped: database.prepare<void, [number]>("INSERT INTO dropped (queue) VALUES (?1)"),
    held: database.prepare<HeldRow, []>(
      `SELECT ${QUEUE} AS queue, ${NUMBER} AS number, kind, deliveries, due, lease FROM held ORDER BY key`,
    ),
    hold: database.prepare<void, [number, number, number, number, number | null, number | null]>(
      `INSERT OR REPLACE INTO held (key, kind, deliveries, due, lease) VALUES (${KEY}, ?3, ?4, ?5, ?6)`,
    ),
    release: database.prepare<void, [number, number]>(`DELETE FROM held WHERE key = ${KEY}`),
    leasedFrom: database.prepare<{ number: number }, [number, number, number]>(
      `SELECT ${NUMBER} AS number FROM held
        WHERE key >= ${KEY} AND key <= ${LAST_KEY} AND kind = ${LEASED} ORDER BY key LIMIT ?3`,
    ),
  };
}

function forExpiry(database: Database) {
  const start = keyOf("?1", "0");
  return {
    addStep: database.prepare<void, [number, number, number]>(
      `INSERT OR REPLACE INTO expiry (key, expires) VALUES (${KEY}, ?3)`,
    ),
    /** Those before the one that holds for message ?2. */
    removeSteps: database.prepare<void, [number, number]>(
      `DELETE FROM expiry WHERE key >= ${start}
          AND key < (SELECT max(key) FROM expiry WHERE key >= ${start} AND key <= ${KEY})`,
    ),
    stepAt: database.prepare<{ expires: number }, [number, number]>(
      `SELECT expires FROM expiry WHERE key >= ${start} AND key <= ${KEY} ORDER BY key DESC LIMIT 1`,
    ),
    /** The last one of each queue that has any; one look into the table for each. */
    lastSteps: database.prepare<{ queue: number; expires: number }, []>(
      `WITH RECURSIVE last (key) AS (
        SELECT max(key) FROM expiry
        UNION ALL SELECT (SELECT max(key) FROM expiry
          WHERE expiry.key < last.key >> ${NUMBER_BITS} << ${NUMBER_BITS}) FROM last WHERE last.key IS NOT NULL
      ) SELECT last.key >> ${NUMBER_BITS} AS queue, expires FROM last JOIN expiry ON expiry.key = last.key`,
    ),
  };
}

function forIds(database: Database) {
  return {
    addIds: database.prepare<void, [number, number, number, Uint8Array]>(
      `INSERT OR REPLACE INTO token (key, arrived, hashes) VALUES (${KEY}, ?3, ?4)`,
    ),
    forgetIds: database.prepare<void, [number, number]>(`DELETE FROM token WHERE key = ${KEY}`),
    ids: database.prepare<StoredIds, []>(
      `SELECT ${QUEUE} AS queue, ${NUMBER} AS first, arrived, hashes FROM token ORDER BY arrived, key`,
    ),
  };
}

function forDelayed(database: Database) {
  return {
    delay: database.prepare<void, [number, number, number, number]>(
      `INSERT OR REPLACE INTO delayed (key, due, deliveries) VALUES (${KEY}, ?3, ?4)`,
    ),
    undelay: database.prepare<void, [number, number]>(`DELETE FROM delayed WHERE key = ${KEY}`),
    countDelayed: database.prepare<void, [number, number, number]>(
      "UPDATE queue SET delayed = ?2, ahead = ?3 WHERE id = ?1",
    ),
    /** Behind the place of message ?2 of queue ?1 that is due at ?3, up to ?4, at most ?5. */
    due: database.prepare<DueRow, [number, number, number, number, number]>(
      `SELECT queue.name, ${QUEUE} AS queue, ${NUMBER} AS number, due, deliveries
        FROM delayed LEFT JOIN queue ON queue.id = ${QUEUE}
        WHERE due <= ?4 AND (due, key) > (?3, ${KEY}) ORDER BY due, key LIMIT ?5`,
    ),
    nextDue: database.prepare<{ due: number }, [number, number, number]>(
      `SELECT due FROM delayed WHERE (due, key) > (?3, ${KEY}) ORDER BY due, key LIMIT 1`,
    ),
    delayedFrom: database.prepare<{ number: number }, [number, number, number]>(
      `SELECT ${NUMBER} AS number FROM delayed WHERE key >= ${KEY} AND key <= ${LAST_KEY} ORDER BY key LIMIT ?3`,
    ),
    waitingFrom: database.prepare<WaitingMessage, [number, number, number]>(
      `SELECT ${NUMBER} AS number, due, deliveries FROM delayed
        WHERE key >= ${KEY} AND key <= ${LAST_KEY} ORDER BY key LIMIT ?3`,
    ),
    /** From message ?2 on, before ?3. */
    delayedWithin: database.prepare<{ count: number }, [number, number, number]>(
      `SELECT count(*) AS count FROM delayed WHERE key >= ${KEY} AND key < ${keyOf("?1", "?3")}`,
    ),
  };
}

function forMoved(database: Database) {
  return {
    move: database.prepare<void, [number, number, Uint8Array, number, string]>(
      `INSERT OR REPLACE INTO moved (key, origin, number, reason) VALUES (${KEY}, ?3, ?4, ?5)`,
    ),
    moved: database.prepare<MovedRow, [number, number]>(
      `SELECT origin, number, reason FROM moved WHERE key = ${KEY}`,
    ),
    /** The ids of queues with messages from others; one look into the table for each. */
    movedQueues: database.prepare<{ queue: number }, []>(
      `WITH RECURSIVE found (queue) AS (
        SELECT min(key) >> ${NUMBER_BITS} FROM moved
        UNION ALL SELECT (SELECT min(key) >> ${NUMBER_BITS} FROM moved
          WHERE key >= (found.queue + 1) << ${NUMBER_BITS}) FROM found WHERE found.queue IS NOT NULL
      ) SELECT queue FROM found WHERE queue IS NOT NULL`,
    ),
    /** From message ?2 on, before ?3. */
    forgetMoved: database.prepare<void, [number, number, number]>(
      `DELETE FROM moved WHERE key >= ${KEY} AND key < ${keyOf("?1", "?3")}`,
    ),
  };
}

function forSegments(database: Database) {
  const columns = `${NUMBER} AS first, count, flags, body`;
  const holder = `SELECT max(key) FROM segment WHERE key <= ${KEY}`;
  return {
    insert: database.prepare<void, [number, number, number, number, number, Uint8Array]>(
      `INSERT INTO segment (key, arrived, count, flags, body) VALUES (${KEY}, ?3, ?4, ?5, ?6)`,
    ),
    /** From the one that begins at the message or before it; the one before may be of no use. */
    read: database.prepare<Omit<StoredSegment, "queue">, [number, number]>(
      `SELECT ${columns} FROM segment WHERE key >= coalesce((${holder}), ${KEY})
          AND key >= ${keyOf("?1", "0")} AND key <= ${LAST_KEY} ORDER BY key`,
    ),
    readOne: database.prepare<Omit<StoredSegment, "queue">, [number, number]>(
      `SELECT ${columns} FROM segment WHERE key = ${KEY}`,
    ),
    next: database.prepare<{ first: number }, [number, number]>(
      `SELECT ${NUMBER} AS first FROM segment WHERE key >= ${KEY} AND key <= ${LAST_KEY} ORDER BY key LIMIT 1`,
    ),
    headers: database.prepare<SegmentHeader, [number, number, number]>(
      `SELECT ${NUMBER} AS first, count, length(body) AS bytes FROM segment
        WHERE key >= ${KEY} AND key <= ${LAST_KEY} ORDER BY key LIMIT ?3`,
    ),
    arrived: database.prepare<{ arrived: number }, [number, number]>(
      `SELECT arrived FROM segment WHERE key = (${holder}) AND key + count > ${KEY}`,
    ),
  };
}

function forRemoval(database: Database) {
  const forgetMessages = MESSAGE_TABLES.map((table) =>
    database.prepare<void, [number, number]>(
      `DELETE FROM ${table} WHERE key >= ${keyOf("?1", "0")} AND key <= ${LAST_KEY} LIMIT ?2`,
    ),
  );
  return {
    dropped: database.prepare<{ queue: number }, []>("SELECT queue FROM dropped"),
    forgetDropped: database.prepare<void, [number]>("DELETE FROM dropped WHERE queue = ?1"),
    forgetMessages,
    /** Segments from message ?2 on that end at ?3 or before, at most ?4. */
    findGone: database.prepare<GoneRow, [number, number, number, number]>(
      `SELECT ${NUMBER} AS first, ${NUMBER} + count AS end, length(body) AS bytes
        FROM segment WHERE key >= ${KEY} AND key < ${keyOf("?1", "?3")}
          AND ${NUMBER} + count <= ?3 AND count > 0 ORDER BY key LIMIT ?4`,
    ),
    nextHeld: database.prepare<{ number: number | null }, [number, number]>(
      `SELECT (key & ${NUMBER_MASK}) AS number FROM (
        SELECT min(key) AS key FROM (
          SELECT min(key) AS key FROM held WHERE key >= ${KEY} AND key <= ${LAST_KEY}
          UNION ALL SELECT min(key) FROM delayed WHERE key >= ${KEY} AND key <= ${LAST_KEY}))`,
    ),
    remove: database.prepare<void, [number, number, number]>(
      `DELETE FROM segment WHERE key >= ${KEY} AND key <= ${keyOf("?1", "?3")}`,
    ),
    /** The segment that holds message ?2, when it ends at ?3 or before and no message of it is held. */
    removeHolder: database.prepare<void, [number, number, number]>(
      `DELETE FROM segment WHERE key = (SELECT max(key) FROM segment WHERE key <= ${KEY})
          AND key + count > ${KEY} AND ${NUMBER} + count <= ?3 
          AND NOT EXISTS (SELECT 1 FROM held WHERE held.key >= segment.key AND held.key < segment.key + count)
          AND NOT EXISTS (SELECT 1 FROM delayed WHERE delayed.key >= segment.key AND delayed.key < segment.key + count)`,
    ),
  };
}

function forVacuum(database: Database) {
  return {
    freePages: database.prepare<{ freelist_count: number }, []>("PRAGMA freelist_count"),
    vacuum: database.prepare<void, []>(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`),
  };
}
