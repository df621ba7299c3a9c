/**
 * Threads beside the server that bring a long log into the database: SQLite's checkpoint is one piece of work, however
 * long, and a passive one stops no commit (https://sqlite.org/wal.html#ckpt). While a reader, such as a backup, keeps the
 * log from going in, it is tried again and again; it ends when the log is short, and when it is told to.
 */
import { Database } from "bun:sqlite";
import { fdatasyncSync } from "node:fs";

import { startWriting } from "../os/libc.ts";
import { type CheckpointerInput, PHASES } from "./checkpoint.ts";
import type { LogState } from "./statements.ts";

/** Milliseconds between two attempts while a reader is in the way, and between two looks at what is to be written. */
const PAUSE = 100;
const WRITE_PAUSE = 5;

function run(input: CheckpointerInput): void {
  const phase = new Int32Array(input.phase);
  if (input.role === "writer") keepWriting(input, phase);
  else runCheckpoint(input, phase);
}

function runCheckpoint(input: CheckpointerInput, phase: Int32Array): void {
  const { starting, running, ended, failed } = PHASES;
  if (Atomics.compareExchange(phase, 0, starting, running) !== starting) return;
  let end: number = ended;
  try {
    bringIn(input, phase);
  } catch (error) {
    // Of anything but a sync the server's own checkpoints tell.
    if (isSyncError(error as NodeJS.ErrnoException)) end = failed;
  } finally {
    Atomics.store(phase, 0, end);
    Atomics.notify(phase, 0);
  }
}

function isSyncError({ code, syscall }: NodeJS.ErrnoException): boolean {
  return code === "SQLITE_IOERR_FSYNC" || syscall === "fdatasync";
}

function bringIn({ file, descriptor, enough }: CheckpointerInput, phase: Int32Array): void {
  const database = new Database(file, { readwrite: true, strict: true });
  try {
    database.run("PRAGMA cache_size = 0");
    const checkpoint = database.prepare<LogState, []>("PRAGMA wal_checkpoint(PASSIVE)");
    const look = database.prepare<LogState, []>("PRAGMA wal_checkpoint(NOOP)");
    let before = -1;
    while (Atomics.load(phase, 0) === PHASES.running) {
      checkpoint.get();
      // SQLite leaves the sync to the checkpoint that meets the end of the log: the server's, which must not take long.
      fdatasyncSync(descriptor);
      const { log, checkpointed } = look.get() ?? { log: 0, checkpointed: 0 };
      if (log - checkpointed < enough) return;
      if (checkpointed === before) Atomics.wait(phase, 0, PHASES.running, PAUSE);
      before = checkpointed;
    }
  } finally {
    database.close(true);
  }
}

/**
 * Lets the disk begin with what a checkpoint has written so far. Left to the sync at its end, hundreds of megabytes
 * would go at once, and the commits' own syncs would wait behind them.
 */
function keepWriting({ descriptor }: CheckpointerInput, phase: Int32Array): void {
  let now = Atomics.load(phase, 0);
  while (now < PHASES.ended && startWriting(descriptor)) {
    Atomics.wait(phase, 0, now, WRITE_PAUSE);
    now = Atomics.load(phase, 0);
  }
}

addEventListener("message", ({ data }: MessageEvent<CheckpointerInput>) => {
  run(data);
  process.exit(0);
});
