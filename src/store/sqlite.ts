import { constants, type Database, SQLiteError, type Statement } from "bun:sqlite";
import { statSync } from "node:fs";

import { DURATIONS, type Histogram, newHistogram, observeTime } from "../util/histogram.ts";
import type { Batch, StoredSegment } from "./batch.ts";
import { closeHome, fileInPlace, type Home, openHome } from "./directory.ts";
import { rowsOf } from "./rows.ts";
import { MAX_QUEUES, NUMBER_BITS, NUMBER_MASK, openDatabase, VERSION } from "./schema.ts";
import {
  type Checkpoint,
  type Extent,
  reasonIn,
  type Store,
  type StoredQueue,
  StoreError,
} from "./store.ts";
import {
  hasSwept,
  hasWork,
  newSweep,
  noteDone,
  noteDropped,
  noteMoved,
  type Sweep,
  sweepIfDue,
  sweepPortion,
} from "./vacuum.ts";

export interface StoreOptions {
  directory: string;
  /** Bytes, of a new database. */
  pageSize: number;
  /** Bytes that SQLite may keep pages in. */
  cache: number;
  /** A commit is on disk before it returns. */
  sync: boolean;
  /** Give the log's space back after a checkpoint. */
  shrinkLog: boolean;
  /** Milliseconds to wait for another process's lock on the file. */
  lockWait: number;
  /** Give disk space back when this many pages are free; 0 is never. */
  extentPages: number;
}

/** The store over SQLite in WAL mode (https://sqlite.org/wal.html), seen from inside. */
interface Sqlite {
  home: Home;
  /** The database file, and when it was last seen in its place, in milliseconds. */
  inode: number | undefined;
  seen: number;
  database: Database;
  /** How long the commits took that waited for the disk. */
  syncs: Histogram;
  sync: boolean;
  statements: ReturnType<typeof prepare>;
  sweep: Sweep;
  /** The ids of all queues, and of the dropped ones of which something is left. */
  ids: Set<number>;
  lastId: number;
  /** Bytes. */
  pageSize: number;
  /** From so many pages of log on they are brought into the database. */
  longLog: number;
  /** How long the log was, in pages, when that was last tried. */
  tried: number;
  extentPages: number;
  /** Free pages are being given back. */
  shrinking: boolean;
  /** How many were given back since the file itself was last made shorter. */
  givenBack: number;
}

/** Of the table `queue`; `held` is a list of numbers in JSON. */
interface QueueRow {
  id: number;
  name: Uint8Array;
  head: number;
  tail: number;
  bytes: number;
  held: string;
}

type Row<T> = Statement<T, []>;
/** Whether somebody else was in the way, pages in the log, and how many of them are in the database already. */
type LogState = { busy: number; log: number; checkpointed: number };

/** From so many bytes of log on it is brought into the database: reading gets slower with it, and the file grows. */
const LONG_LOG = 4 * 1024 * 1024;
/** What a segment takes beside its body, at least, so that empty ones are not all read at once. */
export const ROW_BYTES = 64;
/** How often a commit makes sure that the file is still in its place, in milliseconds. */
const LOOK_EVERY = 10;
/** Pages given back at a time, and how many of them make it worthwhile to shorten the file. */
const SHRINK_PAGES = 32;
const SHORTEN_PAGES = 1024;

/**
 * @param home the directory of the options, when this process has locked it already
 * @throws StoreError when there is no using the directory or the file
 */
export function openStore(options: StoreOptions, home = openHome(options.directory)): Store {
  try {
    return failing(() => start(home, options));
  } catch (error) {
    closeHome(home);
    throw error;
  }
}

function start(home: Home, options: StoreOptions): Store {
  const database = openDatabase(home.file, options.pageSize, options.lockWait);
  try {
    configure(database, options);
    return seenFromOutside(inside(home, database, options));
  } catch (error) {
    database.close();
    throw error;
  }
}

function inside(home: Home, database: Database, options: StoreOptions): Sqlite {
  const statements = prepare(database);
  const queues = statements.queues.all().map(storedQueue);
  const sweep = newSweep(database, queues);
  const pageBytes = pageSize(database);
  const ids = new Set([...queues.map(({ queue }) => queue), ...sweep.dropped]);
  return {
    home,
    inode: fileInPlace(home),
    seen: performance.now(),
    database,
    syncs: newHistogram(DURATIONS),
    sync: options.sync,
    statements,
    sweep,
    ids,
    lastId: [...ids].reduce((most, id) => Math.max(most, id), 0),
    pageSize: pageBytes,
    longLog: Math.ceil(LONG_LOG / pageBytes),
    tried: 0,
    extentPages: options.extentPages,
    shrinking: false,
    givenBack: 0,
  };
}

function seenFromOutside(sqlite: Sqlite): Store {
  return {
    queues: () => failing(() => sqlite.statements.queues.all().map(storedQueue)),
    newQueueId: () => newQueueId(sqlite),
    commit: (batch) => failing(() => commit(sqlite, batch)),
    read: (queue, from, bytes) => failing(() => read(sqlite, queue, from, bytes)),
    arrived: (queue, number) => failing(() => arrived(sqlite, queue, number)),
    relieve: () => failing(() => relieve(sqlite)),
    tidy: () => failing(() => tidy(sqlite)),
    checkpoint: (how) => failing(() => checkpoint(sqlite, how)),
    syncs: sqlite.syncs,
    probe: () => failing(() => probe(sqlite)),
    extent: () => failing(() => extent(sqlite)),
    checkpointed: () => failing(() => checkpointed(sqlite)),
    close: () => close(sqlite),
  };
}

function configure(database: Database, options: StoreOptions): void {
  database.run("PRAGMA journal_mode = WAL");
  database.run(`PRAGMA synchronous = ${options.sync ? "FULL" : "NORMAL"}`);
  database.run("PRAGMA wal_autocheckpoint = 0");
  database.run(`PRAGMA journal_size_limit = ${options.shrinkLog ? 0 : -1}`);
  database.run(`PRAGMA cache_size = ${-Math.ceil(options.cache / 1024)}`);
  database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 0);
}

function pageSize(database: Database): number {
  return database.query<{ page_size: number }, []>("PRAGMA page_size").get()?.page_size ?? 4096;
}

function prepare(database: Database) {
  const key = `(?1 << ${NUMBER_BITS}) + ?2`;
  const checkpoints: Record<Checkpoint, Row<LogState>> = {
    passive: database.prepare("PRAGMA wal_checkpoint(PASSIVE)"),
    full: database.prepare("PRAGMA wal_checkpoint(FULL)"),
    truncate: database.prepare("PRAGMA wal_checkpoint(TRUNCATE)"),
  };
  return {
    checkpoints,
    logState: database.prepare<LogState, []>("PRAGMA wal_checkpoint(NOOP)"),
    freePages: database.prepare<{ freelist_count: number }, []>("PRAGMA freelist_count"),
    shrink: database.prepare(`PRAGMA incremental_vacuum(${SHRINK_PAGES})`),
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    // The same again: a page is written all the same.
    changeNothing: database.prepare(`PRAGMA user_version = ${VERSION}`),
    queues: database.prepare<QueueRow, []>(
      "SELECT id, name, head, tail, bytes, held FROM queue ORDER BY id",
    ),
    createQueue: database.prepare<void, [number, Uint8Array]>(
      "INSERT INTO queue (id, name, head, tail, bytes, held) VALUES (?1, ?2, 1, 1, 0, '[]')",
    ),
    moveQueue: database.prepare<void, [number, number, number, number, string]>(
      "UPDATE queue SET head = ?2, tail = ?3, bytes = ?4, held = ?5 WHERE id = ?1",
    ),
    dropQueue: database.prepare<void, [number]>("DELETE FROM queue WHERE id = ?1"),
    noteDropped: database.prepare<void, [number]>("INSERT INTO dropped (queue) VALUES (?1)"),
    insert: database.prepare<void, [number, number, number, number, number, Uint8Array]>(
      `INSERT INTO segment (key, arrived, count, flags, body) VALUES (${key}, ?3, ?4, ?5, ?6)`,
    ),
    read: database.prepare<Omit<StoredSegment, "queue">, [number, number]>(
      `SELECT key & ${NUMBER_MASK} AS first, count, flags, body FROM segment
        WHERE key >= (SELECT max(key) FROM segment WHERE key <= ${key})
          AND key >= (?1 << ${NUMBER_BITS}) AND key <= (?1 << ${NUMBER_BITS}) + ${NUMBER_MASK} ORDER BY key`,
    ),
    arrived: database.prepare<{ arrived: number }, [number, number]>(
      `SELECT arrived FROM segment
        WHERE key = (SELECT max(key) FROM segment WHERE key <= ${key}) AND key + count > ${key}`,
    ),
  };
}

function storedQueue({ id, name, head, tail, bytes, held }: QueueRow): StoredQueue {
  const numbers: number[] = JSON.parse(held);
  return {
    queue: id,
    name: Buffer.from(name).toString("latin1"),
    head,
    tail,
    bytes,
    held: numbers,
  };
}

/** The next id that is free; all are used before one is used again. */
function newQueueId(sqlite: Sqlite): number | undefined {
  const { ids } = sqlite;
  if (ids.size >= MAX_QUEUES) return undefined;
  do sqlite.lastId = (sqlite.lastId % MAX_QUEUES) + 1;
  while (ids.has(sqlite.lastId));
  return sqlite.lastId;
}

function commit(sqlite: Sqlite, batch: Batch): void {
  if (performance.now() - sqlite.seen >= LOOK_EVERY) lookForFile(sqlite);
  const swept = transact(sqlite, () => write(sqlite, batch));
  for (const queue of batch.dropped) noteDropped(sqlite.sweep, queue);
  for (const { queue } of batch.created) sqlite.ids.add(queue);
  for (const position of batch.positions) {
    noteMoved(sqlite.sweep, position, swept.has(position.queue));
  }
}

/** A file that was removed, or moved with its directory, is written to all the same, and nobody would find it again. */
function lookForFile(sqlite: Sqlite): void {
  if (fileInPlace(sqlite.home) !== sqlite.inode) {
    throw new StoreError("the database file is gone from its directory");
  }
  sqlite.seen = performance.now();
}

function probe(sqlite: Sqlite): void {
  lookForFile(sqlite);
  transact(sqlite, () => void sqlite.statements.changeNothing.run());
}

/** @returns the queues that were swept on the way */
function write(sqlite: Sqlite, batch: Batch): Set<number> {
  const { statements } = sqlite;
  for (const queue of batch.dropped) {
    statements.dropQueue.run(queue);
    statements.noteDropped.run(queue);
  }
  for (const { queue, name } of batch.created) {
    statements.createQueue.run(queue, Buffer.from(name, "latin1"));
  }
  const now = Date.now();
  for (const segment of batch.segments) {
    for (const { queue, first, count, flags, body } of rowsOf(segment, sqlite.pageSize)) {
      statements.insert.run(queue, first, now, count, flags, body);
    }
  }
  const swept = new Set<number>();
  for (const position of batch.positions) {
    const { queue, head, tail, bytes, held } = position;
    statements.moveQueue.run(queue, head, tail, bytes, listed(held));
    if (sweepIfDue(sqlite.sweep, position)) swept.add(queue);
  }
  return swept;
}

/** A list of thousands is often the same in many commits, and to write it out takes longer than the rest of one. */
const lists = new WeakMap<readonly number[], string>();

/** The numbers in JSON. */
function listed(held: readonly number[]): string {
  if (held.length === 0) return "[]";
  let text = lists.get(held);
  if (text === undefined) lists.set(held, (text = `[${held}]`));
  return text;
}

/** @param hasWritten whether the work left something to write, for which the disk is waited for */
function transact<T>(
  sqlite: Sqlite,
  work: () => T,
  hasWritten: (result: T) => boolean = () => true,
): T {
  const { statements, database } = sqlite;
  statements.begin.run();
  try {
    const result = work();
    const since = performance.now();
    statements.commit.run();
    if (sqlite.sync && hasWritten(result)) observeTime(sqlite.syncs, since);
    return result;
  } catch (error) {
    // Some failures, such as a full disk, have rolled back already (https://sqlite.org/lang_transaction.html).
    if (database.inTransaction) statements.rollback.run();
    if (isDiskError(error)) overwriteFailed(sqlite);
    throw error;
  }
}

function isDiskError(error: unknown): boolean {
  const code = error instanceof SQLiteError ? (error.code ?? "") : "";
  return code.startsWith("SQLITE_IOERR") || code === "SQLITE_FULL";
}

/**
 * When the sync fails, the commit is in the log all the same, and would come true if the server were killed before the
 * next one is written over it (https://sqlite.org/walformat.html#recovery). So one that changes nothing is.
 */
function overwriteFailed({ statements }: Sqlite): void {
  try {
    statements.changeNothing.run();
  } catch {
    // The sync may fail again: what counts is that it is written.
  }
}

function read(sqlite: Sqlite, queue: number, from: number, bytes: number): StoredSegment[] {
  const segments: StoredSegment[] = [];
  let total = 0;
  let next = from;
  for (const row of sqlite.statements.read.iterate(queue, from)) {
    if (row.first > next || row.first + row.count <= next) break;
    segments.push({ queue, ...row });
    next = row.first + row.count;
    total += row.body.length + ROW_BYTES;
    if (total >= bytes) break;
  }
  if (segments.length === 0) throw missing();
  return segments;
}

function relieve(sqlite: Sqlite): void {
  const { log, checkpointed } = logState(sqlite);
  // Somebody else's long read, such as a backup, keeps pages in the log: then it is not tried at each commit.
  if (log < sqlite.tried) sqlite.tried = 0;
  if (log - Math.max(checkpointed, sqlite.tried) < sqlite.longLog) return;
  sqlite.tried = log;
  checkpoint(sqlite, "passive");
}

function logState(sqlite: Sqlite): LogState {
  return sqlite.statements.logState.get() ?? { busy: 0, log: 0, checkpointed: 0 };
}

function extent({ home, database, statements }: Sqlite): Extent {
  const bytes = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return {
    database: bytes(home.file),
    log: bytes(`${home.file}-wal`),
    pageSize: pageSize(database),
    freePages: statements.freePages.get()?.freelist_count ?? 0,
  };
}

function arrived(sqlite: Sqlite, queue: number, number: number): number {
  const row = sqlite.statements.arrived.get(queue, number);
  if (row === null) throw missing();
  return row.arrived;
}

function missing(): StoreError {
  return new StoreError("the database is damaged: messages are missing");
}

/** One portion of the work that can wait; a portion takes a few milliseconds at most. */
function tidy(sqlite: Sqlite): boolean {
  relieve(sqlite);
  return sweep(sqlite) || shrink(sqlite);
}

/** Clears up behind queues: true while there is more. What goes by while messages are taken waits for the next time. */
function sweep(sqlite: Sqlite): boolean {
  if (!hasWork(sqlite.sweep)) return false;
  const done = transact(sqlite, () => sweepPortion(sqlite.sweep), hasSwept);
  for (const id of done.dropped) sqlite.ids.delete(id);
  return noteDone(sqlite.sweep, done);
}

/** Gives free pages back, once there are enough of them: all, in portions (https://sqlite.org/pragma.html#pragma_incremental_vacuum). */
function shrink(sqlite: Sqlite): boolean {
  const { statements, extentPages } = sqlite;
  if (extentPages === 0) return false;
  const free = statements.freePages.get()?.freelist_count ?? 0;
  if (free >= extentPages) sqlite.shrinking = true;
  if (!sqlite.shrinking) return false;
  if (free > 0) statements.shrink.run();
  else sqlite.shrinking = false;
  sqlite.givenBack += SHRINK_PAGES;
  if (!sqlite.shrinking || sqlite.givenBack >= SHORTEN_PAGES) shorten(sqlite);
  return true;
}

/** The file gets shorter only when a checkpoint brings its new length into it; much at once takes long. */
function shorten(sqlite: Sqlite): void {
  sqlite.givenBack = 0;
  checkpoint(sqlite, "passive");
}

function checkpoint(sqlite: Sqlite, how: Checkpoint): void {
  const busy = sqlite.statements.checkpoints[how].get()?.busy ?? 0;
  if (busy !== 0 && how !== "passive") {
    throw new StoreError("another process uses the database, the log could not be brought in");
  }
}

function checkpointed(sqlite: Sqlite): number {
  const { log, checkpointed } = logState(sqlite);
  return log <= 0 ? 100 : (100 * checkpointed) / log;
}

function close(sqlite: Sqlite): void {
  try {
    sqlite.statements.checkpoints.truncate.get();
  } catch {
    // The log is complete without it; the next start brings it in.
  }
  sqlite.database.close(true);
  closeHome(sqlite.home);
}

/** Lets only {@link StoreError} out, with a reason in one line. */
function failing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(reasonIn(error));
  }
}
