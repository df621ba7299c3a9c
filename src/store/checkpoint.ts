import { SQLiteError } from "bun:sqlite";

import {
  type CheckpointThread,
  endThread,
  newCheckpointThread,
  startWork,
  stateOf,
  yieldTo,
} from "./checkpoint_thread.ts";
import type { Home } from "./directory.ts";
import type { LogState, Statements } from "./statements.ts";
import { type Checkpoint, StoreError } from "./store.ts";
import { lacksFrames } from "./wal.ts";

/** Keeps the log (https://sqlite.org/wal.html) short. */
export interface LogKeeper {
  statements: Statements;
  home: Home;
  thread: CheckpointThread;
  /** A log of so many pages is brought into the database, and one of so many on the loop. */
  longLog: number;
  shortLog: number;
  /** Bytes. */
  pageSize: number;
  /** Bytes of the bodies that were written since the log was last brought in: see {@link hasManyPages}. */
  written: number;
  /** Length of the log when that was last tried, in pages. */
  tried: number;
  /** Its length at the last look, in pages. */
  seen: number;
  /** A checkpoint's sync failed: see {@link checkpoint}. */
  mustRewrite: boolean;
  /** The inode of the log. */
  inode: number | undefined;
  /** See {@link failIfEmptied}. */
  isEmptied: boolean;
}

/** A log of so many bytes is brought into the database: its file grows, and a kill makes the next start read it. */
const LONG_LOG = 8 * 1024 * 1024;
/** So many bytes of log are brought in on the loop: other clients hardly notice. The thread leaves less, if it can. */
const SHORT_LOG = 4 * 1024 * 1024;
const LITTLE_LOG = 1024 * 1024;
/** Bodies of so many bytes in the log fill so many pages that they are left to the thread. */
const MUCH_WRITTEN = 1024 * 1024;
/** A log that is so many times {@link LONG_LOG} is left to it in any case. */
const HUGE = 2;
/**
 * A log that is so many times {@link LONG_LOG} would become longer and longer if commits were faster than the thread. So
 * they wait a millisecond for so many bytes that they write, and longer the longer the log is, up to so many times.
 */
const FAR_BEHIND = 8;
const BYTES_PER_MS = 32 * 1024;
const MAX_SLOWDOWN = 4;
const MAX_WAIT_MS = 20;

/** @param pageSize bytes */
export function newLogKeeper(
  statements: Statements,
  home: Home,
  pageSize: number,
  inode: number | undefined,
): LogKeeper {
  const longLog = Math.ceil(LONG_LOG / pageSize);
  const shortLog = Math.ceil(SHORT_LOG / pageSize);
  return {
    statements,
    home,
    thread: newCheckpointThread(home, Math.ceil(LITTLE_LOG / pageSize), shortLog),
    longLog,
    shortLog,
    pageSize,
    written: 0,
    tried: 0,
    seen: 0,
    mustRewrite: false,
    inode,
    isEmptied: false,
  };
}

/**
 * Once another program has emptied the log, nothing may be written any more: the database has all up to the last
 * checkpoint, and the next start finds it so.
 * @throws StoreError
 */
export function failIfEmptied(keeper: LogKeeper): void {
  // Between the two looks of one try, another process may have brought the log in and emptied it as it should.
  keeper.isEmptied ||= isCut(keeper) && isCut(keeper);
  if (!keeper.isEmptied) return;
  throw new StoreError("the log of the database was emptied: stop the server and start it again");
}

function isCut(keeper: LogKeeper): boolean {
  const { log, checkpointed } = logState(keeper);
  return log > checkpointed && lacksFrames(`${keeper.home.file}-wal`, keeper.inode, log);
}

/** See {@link Store.autoCheckpoint}. */
export function autoCheckpoint(keeper: LogKeeper): void {
  const state = lookAtThread(keeper);
  if (state === "waiting" || state === "just failed") return;
  const { log, checkpointed } = logState(keeper);
  if (state === "running") return giveWay(keeper, log);
  // A long read of another process, such as a backup, keeps pages in the log: then it is not tried at each commit.
  if (log < keeper.tried) keeper.tried = 0;
  const pages = log - Math.max(checkpointed, keeper.tried);
  const enough = hasManyPages(keeper, pages) ? keeper.longLog : keeper.shortLog;
  if (state !== "just ended" && pages < enough) return;
  keeper.tried = log;
  bringIn(keeper, pages);
}

/**
 * Whether so many pages of log are many different ones. A commit of a few short messages writes the same two pages as the one
 * before it, and a checkpoint takes each page once: that is less work than to start a thread.
 */
function hasManyPages({ written, longLog }: LogKeeper, pages: number): boolean {
  return written >= MUCH_WRITTEN || pages >= HUGE * longLog;
}

/** Waits a little where the log is so long that the thread must become faster than the commits. */
function giveWay(keeper: LogKeeper, log: number): void {
  const { longLog, pageSize, thread, seen } = keeper;
  keeper.seen = log;
  const behind = log / (FAR_BEHIND * longLog);
  if (behind < 1 || log < seen) return;
  const milliseconds = ((log - seen) * pageSize * Math.min(behind, MAX_SLOWDOWN)) / BYTES_PER_MS;
  yieldTo(thread, Math.min(milliseconds, MAX_WAIT_MS));
}

/** See {@link Store.checkpoint}. */
export function checkpoint(keeper: LogKeeper, how: Checkpoint): void {
  if (how === "passive") {
    const state = lookAtThread(keeper);
    if (state === "running" || state === "waiting") return;
    const { log, checkpointed } = logState(keeper);
    bringIn(keeper, log - checkpointed);
    return;
  }
  endWork(keeper);
  const busy = runCheckpoint(keeper, how)?.busy ?? 0;
  if (busy !== 0) {
    throw new StoreError("another process uses the database, the log could not be brought in");
  }
}

/** See {@link Store.checkpointed}. */
export function checkpointed(keeper: LogKeeper): number {
  const { log, checkpointed } = logState(keeper);
  return log <= 0 ? 100 : (100 * checkpointed) / log;
}

/** Pages in the log that count: a commit that failed has none. */
export function logFrames(keeper: LogKeeper): number {
  return Math.max(0, logState(keeper).log);
}

/** Ends the thread, if there is one, and what it does. */
export function endWork(keeper: LogKeeper): void {
  if (endThread(keeper.thread)) keeper.mustRewrite = true;
}

function bringIn(keeper: LogKeeper, pages: number): void {
  failIfEmptied(keeper);
  const isLittle = pages < keeper.shortLog || !hasManyPages(keeper, pages);
  if (isLittle || keeper.thread.isImpossible) runCheckpoint(keeper, "passive");
  else startWork(keeper.thread);
}

/**
 * Linux marks pages as written even when their sync failed (https://lwn.net/Articles/752063/). After a later sync that
 * succeeds SQLite would drop the log, with pages that are nowhere else. So the file is opened anew after a failed sync,
 * and SQLite brings in the whole log once more. No commit fails because of that: all are in the log.
 */
function runCheckpoint(keeper: LogKeeper, how: Checkpoint): LogState | null {
  failIfEmptied(keeper);
  try {
    const state = keeper.statements.checkpoints[how].get();
    if (state?.checkpointed === state?.log) keeper.written = 0;
    return state;
  } catch (error) {
    if (error instanceof SQLiteError && error.code === "SQLITE_IOERR_FSYNC")
      keeper.mustRewrite = true;
    throw error;
  }
}

function lookAtThread(keeper: LogKeeper) {
  const state = stateOf(keeper.thread);
  if (state === "just ended" || state === "just failed") keeper.tried = 0;
  if (state === "just failed") keeper.mustRewrite = true;
  return state;
}

function logState({ statements }: LogKeeper): LogState {
  return statements.logState.get() ?? { busy: 0, log: 0, checkpointed: 0 };
}
