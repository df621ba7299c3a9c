import { statfsSync, statSync } from "node:fs";

import { systemClock } from "../util/clock.ts";
import { DURATIONS, newHistogram, observeTime } from "../util/histogram.ts";
import { reasonIn } from "../util/reason.ts";
import type { Batch } from "./batch.ts";
import {
  autoCheckpoint,
  checkpoint,
  checkpointed,
  endWork,
  failIfEmptied,
  logFrames,
  type LogKeeper,
} from "./checkpoint.ts";
import { newSuspects } from "./damage.ts";
import { closeKeepingLog, openDatabase, reopenDatabase } from "./database.ts";
import { dueMessages, firstFree } from "./delays.ts";
import { closeHome, databaseInode, openHome } from "./directory.ts";
import { expiresAt } from "./expiry.ts";
import { eachIds } from "./ids.ts";
import { removedLogFile } from "./log_files.ts";
import { movedFrom } from "./moved.ts";
import { openingOf, type Sqlite, type StoreOptions } from "./opening.ts";
import { storedQueues } from "./queues.ts";
import {
  hasWork,
  noteDropped,
  noteMoved,
  noteProgress,
  type Removal,
  removePortion,
  skipDamage,
} from "./removal.ts";
import { MAX_QUEUES } from "./schema.ts";
import { arrivedAt, measure, readSegments, recheckSuspects } from "./segments.ts";
import { type Extent, type Store, StoreError } from "./store.ts";
import { giveSpaceBack } from "./vacuum.ts";
import { hasUncountedCommit } from "./wal.ts";
import { writeBatch } from "./write.ts";

/** How often a commit makes sure that the files are still in their place, in milliseconds. */
const CHECK_EVERY = 10;
/** Milliseconds between two attempts to open the file anew after a checkpoint's sync failed. */
const REWRITE_EVERY = 1000;
/** The index of a log takes 32 KB, and more when the log is long. */
const INDEX_BYTES = 1024 * 1024;
/** What cannot be read for so many milliseconds is damaged, and not a failure of the disk that passes. */
const LASTING_DAMAGE = 2000;
/** How often a transaction is repeated because it met damaged rows; each time it leaves out some more of them. */
const MOST_TRIES = 100;

/**
 * @param home the directory of the options, when this process has locked it already
 * @throws StoreError when the directory or the file cannot be used
 */
export function openStore(options: StoreOptions, home = openHome(options.directory)): Store {
  const { clock = systemClock } = options;
  try {
    return withStoreError(() => {
      const open = openingOf(openDatabase(home, options), home, options);
      return storeOver({
        home,
        options,
        inode: databaseInode(home),
        clock,
        seen: clock.monotonic(),
        syncs: newHistogram(DURATIONS),
        open,
        mustRecover: false,
        isClosed: false,
        rewriteAt: 0,
        lastId: [...open.ids].reduce((most, id) => Math.max(most, id), 0),
        suspects: newSuspects(clock, options.lastingDamage ?? LASTING_DAMAGE),
      });
    });
  } catch (error) {
    closeHome(home);
    throw error;
  }
}

function storeOver(sqlite: Sqlite): Store {
  return {
    queues: () => withStoreError(() => storedQueues(sqlite.open.statements)),
    newQueueId: () => newQueueId(sqlite),
    commit: (batch) => withStoreError(() => commit(sqlite, batch)),
    read: (queue, from, bytes) =>
      withStoreError(() =>
        readSegments(sqlite.open.statements, queue, from, bytes, sqlite.suspects),
      ),
    measure: (queue, from, rows) =>
      withStoreError(() => measure(sqlite.open.statements, queue, from, rows)),
    leasedFrom: (queue, from, most) =>
      withStoreError(() =>
        sqlite.open.statements.leasedFrom.all(queue, from, most).map(({ number }) => number),
      ),
    due: (after, until, most) =>
      withStoreError(() => dueMessages(sqlite.open.statements, after, until, most)),
    nextDue: ({ queue, number, due }) =>
      withStoreError(() => sqlite.open.statements.nextDue.get(queue, number, due)?.due),
    delayedFrom: (queue, from, most) =>
      withStoreError(() =>
        sqlite.open.statements.delayedFrom.all(queue, from, most).map(({ number }) => number),
      ),
    waitingFrom: (queue, from, most) =>
      withStoreError(() => sqlite.open.statements.waitingFrom.all(queue, from, most)),
    firstFree: (queue, from, most) =>
      withStoreError(() => firstFree(sqlite.open.statements, queue, from, most)),
    moved: (queue, number) =>
      withStoreError(() => movedFrom(sqlite.open.statements, queue, number)),
    arrived: (queue, number) =>
      withStoreError(() => arrivedAt(sqlite.open.statements, queue, number)),
    expires: (queue, number) =>
      withStoreError(() => expiresAt(sqlite.open.statements, queue, number)),
    eachIds: (visit) => withStoreError(() => eachIds(sqlite.open.statements, visit)),
    autoCheckpoint: () => withStoreError(() => keepLogShort(sqlite)),
    maintain: () => withStoreError(() => maintain(sqlite)),
    checkpoint: (how) => withStoreError(() => checkpoint(sqlite.open.log, how)),
    recover: () => withStoreError(() => recover(sqlite)),
    syncs: sqlite.syncs,
    probe: () => withStoreError(() => probe(sqlite)),
    extent: () => withStoreError(() => extent(sqlite)),
    checkpointed: () => withStoreError(() => checkpointed(sqlite.open.log)),
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
  const isDue = sqlite.clock.monotonic() - sqlite.seen >= CHECK_EVERY;
  if (isDue || sqlite.open.log.isEmptied) checkFiles(sqlite);
  const { removal, ids } = sqlite.open;
  const progress = skippingDamage(removal, () =>
    transact(sqlite, () => writeBatch(sqlite.open, batch, sqlite.clock.calendar())),
  );
  for (const { body } of batch.segments) sqlite.open.log.written += body.length;
  noteProgress(removal, progress);
  for (const queue of batch.dropped) noteDropped(removal, queue);
  for (const { queue } of batch.created) ids.add(queue);
  noteMoved(removal, batch.positions, batch.released);
  for (const { queue } of batch.moved ?? []) removal.moved.add(queue);
  if (batch.delays !== undefined) noteMoved(removal, [], batch.delays.undelayed);
}

/** Repeats the work without removing damaged rows: a commit does not fail because of rows that it would only remove. */
function skippingDamage<T>(removal: Removal, work: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return work();
    } catch (error) {
      if (!skipDamage(removal) || tries === MOST_TRIES) throw error;
    }
  }
}

/** Without this check the server would go on writing to a file that was removed, or moved with its directory. */
function failIfMoved(sqlite: Sqlite): void {
  if (databaseInode(sqlite.home) !== sqlite.inode) {
    throw new StoreError("the database file is gone from its directory");
  }
  sqlite.seen = sqlite.clock.monotonic();
}

function checkFiles(sqlite: Sqlite): void {
  failIfMoved(sqlite);
  saveRemovedLog(sqlite);
  if (!sqlite.mustRecover) failIfEmptied(sqlite.open.log);
}

/**
 * Brings the log into the database if it was removed from the directory: it is in the open file only, and lost with this
 * process. Then the file is opened anew, with a log that is there.
 * @throws StoreError while that is not possible
 */
function saveRemovedLog(sqlite: Sqlite): void {
  const { home, open, options, mustRecover } = sqlite;
  if (mustRecover) return;
  const removed = removedLogFile(home, open.logFiles);
  if (removed === undefined) return;
  checkpoint(open.log, "full");
  reopenOrDoubt(sqlite);
  options.warn?.(`${removed} was removed: what was in it has been saved into the database`);
}

function probe(sqlite: Sqlite): void {
  checkFiles(sqlite);
  transact(sqlite, () => void sqlite.open.statements.changeNothing.run());
}

/** @param hasWritten whether the work changed something, so that the commit waits for the disk */
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
    const since = sqlite.clock.monotonic();
    statements.commit.run();
    if (sqlite.options.sync && hasWritten(result)) {
      observeTime(sqlite.syncs, sqlite.clock.monotonic() - since);
    }
    return result;
  } catch (error) {
    // SQLite has rolled back after some failures, such as a full disk (https://sqlite.org/lang_transaction.html).
    if (database.inTransaction) statements.rollback.run();
    if (isComplete) failIfUnknown(sqlite, error);
    throw error;
  }
}

/** Called after a COMMIT that failed. @throws StoreError when the changes may be on disk nevertheless */
function failIfUnknown(sqlite: Sqlite, error: unknown): void {
  try {
    if (!hasUncountedCommit(`${sqlite.home.file}-wal`, logFrames(sqlite.open.log))) return;
  } catch {
    // The log cannot be read, so the outcome is unknown.
  }
  sqlite.mustRecover = true;
  throw new StoreError(reasonIn(error), "unknown");
}

/** See {@link Store.recover}. */
function recover(sqlite: Sqlite): void {
  if (sqlite.mustRecover) reopen(sqlite);
}

/**
 * Opens the file anew, so that SQLite itself decides from the log which commits count, and brings all of the log into
 * the file. Only then a commit is safe again: Linux marks pages as written even when their sync failed. The log on disk
 * might lack them, and all later commits would be lost with them.
 */
function reopen(sqlite: Sqlite): void {
  const { home, options } = sqlite;
  failIfMoved(sqlite);
  endWork(sqlite.open.log);
  const wasInDoubt = sqlite.mustRecover;
  // Without an open database nothing can be committed either.
  sqlite.mustRecover = true;
  if (!sqlite.isClosed) closeKeepingLog(sqlite.open.database);
  sqlite.isClosed = true;
  sqlite.open = openingOf(reopenDatabase(home, options), home, options);
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
  const now = sqlite.clock.monotonic();
  if (sqlite.mustRecover || now < sqlite.rewriteAt) return;
  sqlite.rewriteAt = now + REWRITE_EVERY;
  reopenOrDoubt(sqlite);
}

/** After a start on a full disk: opens the file as usual as soon as there is space for the index of its log. */
function shareAgain(sqlite: Sqlite): void {
  const { open, mustRecover, home, clock, options } = sqlite;
  if (!open.isAlone || mustRecover || clock.monotonic() < sqlite.rewriteAt) return;
  sqlite.rewriteAt = clock.monotonic() + REWRITE_EVERY;
  if (availableBytes(home.directory) < INDEX_BYTES) return;
  reopenOrDoubt(sqlite);
  options.warn?.(`${home.file} is open as usual again: there is space on the disk`);
}

function reopenOrDoubt(sqlite: Sqlite): void {
  try {
    reopen(sqlite);
  } catch (error) {
    // The database is closed: a recovery must come before anything else.
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
    available: availableBytes(home.directory),
  };
}

/** What the file system of a directory has left for this user. */
function availableBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** One portion of the work that can wait; a portion takes a few milliseconds at most. */
function maintain(sqlite: Sqlite): boolean {
  if (sqlite.open.log.isEmptied) return false;
  // Without commits nothing else would notice it.
  if (databaseInode(sqlite.home) === sqlite.inode) saveRemovedLog(sqlite);
  if (!sqlite.mustRecover) failIfEmptied(sqlite.open.log);
  shareAgain(sqlite);
  keepLogShort(sqlite);
  recheckSuspects(sqlite.open.statements, sqlite.suspects);
  if (removeGone(sqlite)) return true;
  return giveSpaceBack(sqlite.open.vacuum, (work) => transact(sqlite, work));
}

/** Removes a portion of the rows that are no longer needed. @returns whether there may be more to do */
function removeGone(sqlite: Sqlite): boolean {
  const { removal, ids } = sqlite.open;
  if (!hasWork(removal)) return false;
  const progress = skippingDamage(removal, () =>
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
  endWork(open.log);
  if (!isClosed && !hasLostLog(open.log)) {
    try {
      open.statements.checkpoints.truncate.get();
    } catch {
      // The log is complete without it; the next start brings it in.
    }
    open.database.close(true);
  }
  closeHome(home);
}

/** Then the database stays open until the process ends: closing it is a checkpoint. */
function hasLostLog(log: LogKeeper): boolean {
  try {
    failIfEmptied(log);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
  return log.isEmptied;
}

/** Does the work; any error is thrown as a {@link StoreError}, with a reason in one line. */
function withStoreError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(reasonIn(error));
  }
}
