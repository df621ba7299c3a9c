import type { Database, Statement } from "bun:sqlite";

import type { StoredSegment } from "./batch.ts";
import { MESSAGE_TABLES, NUMBER_BITS, NUMBER_MASK, VERSION } from "./schema.ts";
import type { Checkpoint } from "./store.ts";

/** Of the table `queue`. */
export interface QueueRow {
  id: number;
  name: Uint8Array;
  head: number;
  tail: number;
  bytes: number;
  paused: number | null;
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
      "SELECT id, name, head, tail, bytes, paused FROM queue ORDER BY id",
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
    noteDropped: database.prepare<void, [number]>("INSERT INTO dropped (queue) VALUES (?1)"),
    held: database.prepare<{ queue: number; number: number }, []>(
      `SELECT key >> ${NUMBER_BITS} AS queue, ${NUMBER} AS number FROM held ORDER BY key`,
    ),
    hold: database.prepare<void, [number, number]>(`INSERT INTO held (key) VALUES (${KEY})`),
    release: database.prepare<void, [number, number]>(`DELETE FROM held WHERE key = ${KEY}`),
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
    nextHeld: database.prepare<{ number: number }, [number, number]>(
      `SELECT ${NUMBER} AS number FROM held WHERE key >= ${KEY} AND key <= ${LAST_KEY} ORDER BY key LIMIT 1`,
    ),
    remove: database.prepare<void, [number, number, number]>(
      `DELETE FROM segment WHERE key >= ${KEY} AND key <= ${keyOf("?1", "?3")}`,
    ),
    /** The segment that holds message ?2, when it ends at ?3 or before and no message of it is held. */
    removeHolder: database.prepare<void, [number, number, number]>(
      `DELETE FROM segment WHERE key = (SELECT max(key) FROM segment WHERE key <= ${KEY})
          AND key + count > ${KEY} AND ${NUMBER} + count <= ?3 
          AND NOT EXISTS (SELECT 1 FROM held WHERE held.key >= segment.key AND held.key < segment.key + count)`,
    ),
  };
}

function forVacuum(database: Database) {
  return {
    freePages: database.prepare<{ freelist_count: number }, []>("PRAGMA freelist_count"),
    vacuum: database.prepare<void, []>(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`),
  };
}
