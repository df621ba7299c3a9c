/**
 * Threads that bring a long log into the database. SQLite does a checkpoint in one piece, which takes long for a long
 * log, but a passive one stops no commit (https://sqlite.org/wal.html#ckpt). While a reader, such as a backup, prevents
 * it, the thread tries again and again. Its work ends when the log is short, and when the server asks for it. Then it
 * lingers: under load there is more to do soon, and to start a thread costs as much as to bring in a megabyte.
 */
import { Database } from "bun:sqlite";
import { fdatasyncSync } from "node:fs";

import { startWriting } from "../os/libc.ts";
import { type CheckpointerInput, PHASES } from "./checkpoint_thread.ts";
import type { LogState } from "./statements.ts";

/** Milliseconds between two attempts while a reader prevents it, and between two calls of the writer. */
const PAUSE = 100;
const WRITE_PAUSE = 5;
/** Milliseconds without work after which the threads are gone. */
const LINGER = 10_000;

const { starting, running, waiting, ended, failed, gone } = PHASES;

function run(input: CheckpointerInput): void {
  const phase = new Int32Array(input.phase);
  if (input.role === "writer") writeEarly(input, phase);
  else while (doWork(input, phase) && hasMoreWork(phase));
}

/** @returns whether there may be more work for this thread */
function doWork(input: CheckpointerInput, phase: Int32Array): boolean {
  if (Atomics.compareExchange(phase, 0, starting, running) !== starting) return false;
  let end: number = ended;
  try {
    bringIn(input, phase);
  } catch (error) {
    // The server's own checkpoints find all other errors.
    if (isSyncError(error as NodeJS.ErrnoException)) end = failed;
  }
  if (end === failed) Atomics.store(phase, 0, failed);
  else if (Atomics.compareExchange(phase, 0, running, ended) !== running)
    Atomics.store(phase, 0, gone);
  Atomics.notify(phase, 0);
  return Atomics.load(phase, 0) < failed;
}

/** Waits for more work, and is gone when there is none for long. */
function hasMoreWork(phase: Int32Array): boolean {
  Atomics.wait(phase, 0, ended, LINGER);
  const isIdle = Atomics.compareExchange(phase, 0, ended, gone) === ended;
  if (isIdle) Atomics.notify(phase, 0);
  return !isIdle;
}

function isSyncError({ code, syscall }: NodeJS.ErrnoException): boolean {
  return code === "SQLITE_IOERR_FSYNC" || syscall === "fdatasync";
}

function bringIn({ file, descriptor, few, most }: CheckpointerInput, phase: Int32Array): void {
  const database = new Database(file, { readwrite: true, strict: true });
  try {
    database.run("PRAGMA cache_size = 0");
    const checkpoint = database.prepare<LogState, []>("PRAGMA wal_checkpoint(PASSIVE)");
    const readState = database.prepare<LogState, []>("PRAGMA wal_checkpoint(NOOP)");
    let before = -1;
    let left = Infinity;
    while (Atomics.load(phase, 0) === running) {
      checkpoint.get();
      // SQLite syncs only in the checkpoint that reaches the end of the log: the server's, which must not take long.
      fdatasyncSync(descriptor);
      const { log, checkpointed } = readState.get() ?? { log: 0, checkpointed: 0 };
      // The last attempt left fewer pages for this one, as long as it is faster than the commits.
      const isHalved = log - checkpointed < left / 2;
      left = log - checkpointed;
      if (left < few || (left < most && !isHalved)) return;
      if (checkpointed === before) waitForReader(phase);
      before = checkpointed;
    }
  } finally {
    database.close(true);
  }
}

function waitForReader(phase: Int32Array): void {
  if (Atomics.compareExchange(phase, 0, running, waiting) !== running) return;
  Atomics.wait(phase, 0, waiting, PAUSE);
  Atomics.compareExchange(phase, 0, waiting, running);
}

/**
 * Has the disk begin with the pages that a checkpoint has written so far. Otherwise the sync at its end would write
 * hundreds of megabytes at once, and the syncs of commits would wait behind them.
 */
function writeEarly({ descriptor }: CheckpointerInput, phase: Int32Array): void {
  for (;;) {
    const now = Atomics.load(phase, 0);
    if (now === ended) Atomics.wait(phase, 0, ended);
    else if (now > ended || !startWriting(descriptor)) return;
    else Atomics.wait(phase, 0, now, WRITE_PAUSE);
  }
}

addEventListener("message", ({ data }: MessageEvent<CheckpointerInput>) => {
  run(data);
  process.exit(0);
});
