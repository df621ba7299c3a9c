import { SQLiteError } from "bun:sqlite";

import type { Home } from "./directory.ts";
import type { LogState, Statements } from "./statements.ts";
import { type Checkpoint, StoreError } from "./store.ts";
import { lacksFrames } from "./wal.ts";

/** Keeps the log (https://sqlite.org/wal.html) short. */
export interface LogKeeper {
  statements: Statements;
  home: Home;
  /** A log of so many pages is brought into the database, and one of so many by a thread of its own. */
  longLog: number;
  hugeLog: number;
  /** Length of the log when that was last tried, in pages. */
  tried: number;
  /** What the thread does (see {@link PHASES}), when one was started. */
  phase: Int32Array | undefined;
  /** A checkpoint's sync failed: see {@link checkpoint}. */
  mustRewrite: boolean;
  /** The inode of the log. */
  inode: number | undefined;
  /** See {@link failIfEmptied}. */
  isEmptied: boolean;
}

/** What a thread of a checkpoint is started with. */
export interface CheckpointerInput {
  /** One thread does the checkpoint; the other has the disk begin early with the pages that it has written. */
  role: "checkpoint" | "writer";
  /** The database file, and a descriptor of it that stays open. */
  file: string;
  descriptor: number;
  /** Pages of log that may be left when it ends. */
  enough: number;
  /** One number, a {@link Phase}: both threads see it. */
  phase: SharedArrayBuffer;
}

/** `stopping`: it ends after its current step. `failed`: it ended because a sync failed. */
export const PHASES = { starting: 0, running: 1, stopping: 2, ended: 3, failed: 4 } as const;

/** A log of so many bytes is brought into the database: a long log makes reading slower, and its file grows. */
const LONG_LOG = 4 * 1024 * 1024;
/** To bring in so many bytes of log takes so long that other clients would notice. */
const HUGE_LOG = 16 * 1024 * 1024;

/** @param pageSize bytes */
export function newLogKeeper(
  statements: Statements,
  home: Home,
  pageSize: number,
  inode: number | undefined,
): LogKeeper {
  return {
    statements,
    home,
    longLog: Math.ceil(LONG_LOG / pageSize),
    hugeLog: Math.ceil(HUGE_LOG / pageSize),
    tried: 0,
    phase: undefined,
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
  if (isThreadRunning(keeper)) return;
  const { log, checkpointed } = logState(keeper);
  // A long read of another process, such as a backup, keeps pages in the log: then it is not tried at each commit.
  if (log < keeper.tried) keeper.tried = 0;
  if (log - Math.max(checkpointed, keeper.tried) < keeper.longLog) return;
  keeper.tried = log;
  bringIn(keeper, log - checkpointed);
}

/** See {@link Store.checkpoint}. */
export function checkpoint(keeper: LogKeeper, how: Checkpoint): void {
  if (how === "passive") {
    if (isThreadRunning(keeper)) return;
    const { log, checkpointed } = logState(keeper);
    bringIn(keeper, log - checkpointed);
    return;
  }
  endThread(keeper);
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

/** Waits until the thread, if there is one, has closed its connection. It is in the middle of a checkpoint at most. */
export function endThread(keeper: LogKeeper): void {
  const { phase } = keeper;
  if (phase === undefined) return;
  const { starting, running, stopping, ended } = PHASES;
  keeper.phase = undefined;
  if (Atomics.compareExchange(phase, 0, starting, ended) === starting) return;
  Atomics.compareExchange(phase, 0, running, stopping);
  Atomics.notify(phase, 0);
  Atomics.wait(phase, 0, stopping);
  if (Atomics.load(phase, 0) === PHASES.failed) keeper.mustRewrite = true;
}

function bringIn(keeper: LogKeeper, pages: number): void {
  failIfEmptied(keeper);
  if (pages >= keeper.hugeLog) startThread(keeper);
  else runCheckpoint(keeper, "passive");
}

/**
 * Linux marks pages as written even when their sync failed (https://lwn.net/Articles/752063/). After a later sync that
 * succeeds SQLite would drop the log, with pages that are nowhere else. So the file is opened anew after a failed sync,
 * and SQLite brings in the whole log once more. No commit fails because of that: all are in the log.
 */
function runCheckpoint(keeper: LogKeeper, how: Checkpoint): LogState | null {
  failIfEmptied(keeper);
  try {
    return keeper.statements.checkpoints[how].get();
  } catch (error) {
    if (error instanceof SQLiteError && error.code === "SQLITE_IOERR_FSYNC")
      keeper.mustRewrite = true;
    throw error;
  }
}

function startThread(keeper: LogKeeper): void {
  const { home, longLog } = keeper;
  const phase = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const input = { file: home.file, descriptor: home.fileLock, enough: longLog, phase };
  const shared = new Int32Array(phase);
  keeper.phase = shared;
  for (const role of ["checkpoint", "writer"] as const) {
    // The Worker of node:worker_threads would take 7 MB from the start, even when it is never used.
    const worker = new Worker(new URL("./checkpointer.ts", import.meta.url));
    worker.unref();
    worker.addEventListener("error", () => {
      if (role === "checkpoint") disableThread(keeper, shared);
    });
    worker.postMessage({ ...input, role });
  }
}

/** Where no thread can be started, checkpoints are done here: an endless log would be worse than a wait. */
function disableThread(keeper: LogKeeper, phase: Int32Array): void {
  const { starting, ended } = PHASES;
  if (Atomics.compareExchange(phase, 0, starting, ended) === starting) keeper.hugeLog = Infinity;
}

function isThreadRunning(keeper: LogKeeper): boolean {
  if (keeper.phase === undefined) return false;
  const phase = Atomics.load(keeper.phase, 0);
  if (phase !== PHASES.ended && phase !== PHASES.failed) return true;
  if (phase === PHASES.failed) keeper.mustRewrite = true;
  keeper.phase = undefined;
  keeper.tried = 0;
  return false;
}

function logState({ statements }: LogKeeper): LogState {
  return statements.logState.get() ?? { busy: 0, log: 0, checkpointed: 0 };
}
