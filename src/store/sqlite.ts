import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";

import { DURATIONS, type Histogram, newHistogram, observeTime } from "../util/histogram.ts";
import type { Batch } from "./batch.ts";
import {
  autoCheckpoint,
  checkpoint,
  checkpointed,
  endThread,
  logFrames,
  type LogKeeper,
  newLogKeeper,
} from "./checkpoint.ts";
import {
  closeKeepingLog,
  type DatabaseOptions,
  openDatabase,
  pageSizeOf,
  reopenDatabase,
} from "./database.ts";
import { closeHome, databaseInode, type Home, openHome } from "./directory.ts";
import { storedQueues } from "./queues.ts";
import {
  hasWork,
  newProgress,
  newRemoval,
  noteDropped,
  noteMoved,
  noteProgress,
  type Progress,
  type Removal,
  removeIfDue,
  removePortion,
  skipDamage,
} from "./removal.ts";
import { MAX_QUEUES } from "./schema.ts";
import { arrivedAt, insertSegments, measure, readSegments } from "./segments.ts";
import { prepare, type Statements } from "./statements.ts";
import { type Extent, reasonIn, type Store, StoreError } from "./store.ts";
import { giveSpaceBack, newVacuum, type Vacuum } from "./vacuum.ts";
import { hasUncountedCommit } from "./wal.ts";

export interface StoreOptions extends DatabaseOptions {
  directory: string;
  /** Give disk space back when this many pages are free; 0 is never. */
  extentPages: number;
}

/** The store over SQLite in WAL mode (https://sqlite.org/wal.html), seen from inside. */
interface Sqlite {
  home: Home;
  options: StoreOptions;
  /** The database file, and when it was last seen in its place, in milliseconds. */
  inode: number | undefined;
  seen: number;
  /** How long the commits took that waited for the disk. */
  syncs: Histogram;
  /** What belongs to one opening of the file. */
  open: Opened;
  /** The outcome of a commit is unknown: no other is accepted before the file was recovered. */
  mustRecover: boolean;
  /** The database could not be opened again yet. */
  isClosed: boolean;
  /** Not before then it is tried again to bring in a log after a checkpoint's sync failed, in milliseconds. */
  rewriteAt: number;
  lastId: number;
}

/** Ends with {@link Store.recover}, which makes another. */
interface Opened {
  database: Database;
  statements: Statements;
  removal: Removal;
  vacuum: Vacuum;
  log: LogKeeper;
  /** The ids of all queues, and of the dropped ones of which something is left. */
  ids: Set<number>;
  /** Bytes. */
  pageSize: number;
}

/** How often a commit makes sure that the file is still in its place, in milliseconds. */
const LOOK_EVERY = 10;
/** Milliseconds between two attempts to bring in a log after a checkpoint's sync failed. */
const REWRITE_EVERY = 1000;
/** How often a transaction is done again because of damaged rows in its way: each time without some more of them. */
const MOST_TRIES = 100;

/**
 * @param home the directory of the options, when this process has locked it already
 * @throws StoreError when there is no using the directory or the file
 */
export function openStore(options: StoreOptions, home = openHome(options.directory)): Store {
  try {
    return failing(() => {
      const open = opened(openDatabase(home, options), home, options);
      return seenFromOutside({
        home,
        options,
        inode: databaseInode(home),
        seen: performance.now(),
        syncs: newHistogram(DURATIONS),
        open,
        mustRecover: false,
        isClosed: false,
        rewriteAt: 0,
        lastId: [...open.ids].reduce((most, id) => Math.max(most, id), 0),
      });
    });
  } catch (error) {
    closeHome(home);
    throw error;
  }
}

function opened(database: Database, home: Home, { extentPages }: StoreOptions): Opened {
  try {
    const statements = prepare(database);
    const queues = statements.queues.all();
    const removal = newRemoval(
      statements,
      queues.map(({ id, head, tail, bytes }) => ({ queue: id, head, tail, bytes })),
    );
    const pageSize = pageSizeOf(database);
    const log = newLogKeeper(statements, home, pageSize);
    return {
      database,
      statements,
      removal,
      vacuum: newVacuum(statements, log, extentPages),
      log,
      ids: new Set([...queues.map(({ id }) => id), ...removal.dropped.keys()]),
      pageSize,
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function seenFromOutside(sqlite: Sqlite): Store {
  return {
    queues: () => failing(() => storedQueues(sqlite.open.statements)),
    newQueueId: () => newQueueId(sqlite),
    commit: (batch) => failing(() => commit(sqlite, batch)),
    read: (queue, from, bytes) =>
      failing(() => readSegments(sqlite.open.statements, queue, from, bytes)),
    measure: (queue, from, rows) =>
      failing(() => measure(sqlite.open.statements, queue, from, rows)),
    arrived: (queue, number) => failing(() => arrivedAt(sqlite.open.statements, queue, number)),
    autoCheckpoint: () => failing(() => keepLogShort(sqlite)),
    maintain: () => failing(() => maintain(sqlite)),
    checkpoint: (how) => failing(() => checkpoint(sqlite.open.log, how)),
    recover: () => failing(() => recover(sqlite)),
    syncs: sqlite.syncs,
    probe: () => failing(() => probe(sqlite)),
    extent: () => failing(() => extent(sqlite)),
    checkpointed: () => failing(() => checkpointed(sqlite.open.log)),
    close: () => close(sqlite),
  };
}

/** The next id that is free; all are used before one is used again. */
function newQueueId(sqlite: Sqlite): number | undefined {
  const { ids } = sqlite.open;
  if (ids.size >= MAX_QUEUES) return undefined;
  do sqlite.lastId = (sqlite.lastId % MAX_QUEUES) + 1;
  while (ids.has(sqlite.lastId));
  return sqlite.lastId;
}

function commit(sqlite: Sqlite, batch: Batch): void {
  if (performance.now() - sqlite.seen >= LOOK_EVERY) lookForFile(sqlite);
  const { removal, ids } = sqlite.open;
  const progress = aroundDamage(removal, () => transact(sqlite, () => write(sqlite.open, batch)));
  noteProgress(removal, progress);
  for (const queue of batch.dropped) noteDropped(removal, queue);
  for (const { queue } of batch.created) ids.add(queue);
  noteMoved(removal, batch.positions, batch.released);
}

/** A commit does not fail because of damaged rows that it would only have cleared away. */
function aroundDamage<T>(removal: Removal, work: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return work();
    } catch (error) {
      if (!skipDamage(removal) || tries === MOST_TRIES) throw error;
    }
  }
}

/** A file that was removed, or moved with its directory, is written to all the same, and could not be found again. */
function lookForFile(sqlite: Sqlite): void {
  if (databaseInode(sqlite.home) !== sqlite.inode) {
    throw new StoreError("the database file is gone from its directory");
  }
  sqlite.seen = performance.now();
}

function probe(sqlite: Sqlite): void {
  lookForFile(sqlite);
  transact(sqlite, () => void sqlite.open.statements.changeNothing.run());
}

/** @returns what was removed on the way */
function write({ statements, removal, pageSize }: Opened, batch: Batch): Progress {
  for (const queue of batch.dropped) {
    statements.dropQueue.run(queue);
    statements.noteDropped.run(queue);
  }
  for (const { queue, name } of batch.created) {
    statements.createQueue.run(queue, Buffer.from(name, "latin1"));
  }
  insertSegments(statements, batch.segments, pageSize);
  for (const { queue, number } of batch.held) statements.hold.run(queue, number);
  const progress = newProgress();
  for (const { queue, head, tail, bytes } of batch.positions) {
    statements.moveQueue.run(queue, head, tail, bytes);
    removeIfDue(removal, queue, progress);
  }
  // The last to come: what is released here may be put back, and its segment must be there then.
  for (const { queue, number } of batch.released) statements.release.run(queue, number);
  return progress;
}

/** @param hasWritten whether the work left something to write, for which the disk is waited for */
function transact<T>(
  sqlite: Sqlite,
  work: () => T,
  hasWritten: (result: T) => boolean = () => true,
): T {
  if (sqlite.mustRecover) throw new StoreError("the database is not recovered yet");
  const { statements, database } = sqlite.open;
  statements.begin.run();
  let isComplete = false;
  try {
    const result = work();
    isComplete = true;
    const since = performance.now();
    statements.commit.run();
    if (sqlite.options.sync && hasWritten(result)) observeTime(sqlite.syncs, since);
    return result;
  } catch (error) {
    // Some failures, such as a full disk, have rolled back already (https://sqlite.org/lang_transaction.html).
    if (database.inTransaction) statements.rollback.run();
    if (isComplete) tellOutcome(sqlite, error);
    throw error;
  }
}

/** After a COMMIT that failed. @throws StoreError when it may be true all the same */
function tellOutcome(sqlite: Sqlite, error: unknown): void {
  try {
    if (!hasUncountedCommit(`${sqlite.home.file}-wal`, logFrames(sqlite.open.log))) return;
  } catch {
    // Without a look into the log there is no knowing.
  }
  sqlite.mustRecover = true;
  throw new StoreError(reasonIn(error), "unknown");
}

/** See {@link Store.recover}. */
function recover(sqlite: Sqlite): void {
  if (sqlite.mustRecover) reopen(sqlite);
}

/**
 * Opens the file anew, so that SQLite itself decides from the log what is so, and brings the log into it, all of it.
 * Only then a commit is safe again: Linux takes pages whose sync failed for written, the log might lack them on disk,
 * and what is behind them would be lost with them.
 */
function reopen(sqlite: Sqlite): void {
  const { home, options } = sqlite;
  lookForFile(sqlite);
  endThread(sqlite.open.log);
  const wasInDoubt = sqlite.mustRecover;
  // Without an open database nothing can be committed either.
  sqlite.mustRecover = true;
  if (!sqlite.isClosed) closeKeepingLog(sqlite.open.database);
  sqlite.isClosed = true;
  sqlite.open = opened(reopenDatabase(home, options), home, options);
  sqlite.isClosed = false;
  sqlite.mustRecover = wasInDoubt;
  sqlite.open.log.mustRewrite = true;
  checkpoint(sqlite.open.log, "truncate");
  sqlite.open.log.mustRewrite = false;
  sqlite.mustRecover = false;
}

/** See {@link Store.autoCheckpoint}. */
function keepLogShort(sqlite: Sqlite): void {
  if (!sqlite.open.log.mustRewrite) return autoCheckpoint(sqlite.open.log);
  if (sqlite.mustRecover || performance.now() < sqlite.rewriteAt) return;
  sqlite.rewriteAt = performance.now() + REWRITE_EVERY;
  try {
    reopen(sqlite);
  } catch (error) {
    // The database is closed: whatever comes next needs a recovery.
    if (sqlite.mustRecover) throw new StoreError(reasonIn(error), "unknown");
    throw error;
  }
}

function extent({ home, open }: Sqlite): Extent {
  const bytes = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return {
    database: bytes(home.file),
    log: bytes(`${home.file}-wal`),
    pageSize: open.pageSize,
    freePages: open.statements.freePages.get()?.freelist_count ?? 0,
  };
}

/** One portion of the work that can wait; a portion takes a few milliseconds at most. */
function maintain(sqlite: Sqlite): boolean {
  keepLogShort(sqlite);
  if (removeGone(sqlite)) return true;
  return giveSpaceBack(sqlite.open.vacuum, (work) => transact(sqlite, work));
}

/** Clears up behind queues: true while there is more. What goes by while messages are taken waits for the next time. */
function removeGone(sqlite: Sqlite): boolean {
  const { removal, ids } = sqlite.open;
  if (!hasWork(removal)) return false;
  const progress = aroundDamage(removal, () =>
    transact(
      sqlite,
      () => removePortion(removal),
      ({ hasRemoved, forgotten }) => hasRemoved || forgotten.length > 0,
    ),
  );
  for (const id of progress.forgotten) ids.delete(id);
  return noteProgress(removal, progress);
}

function close({ open, home, isClosed }: Sqlite): void {
  endThread(open.log);
  if (!isClosed) {
    try {
      open.statements.checkpoints.truncate.get();
    } catch {
      // The log is complete without it; the next start brings it in.
    }
    open.database.close(true);
  }
  closeHome(home);
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
