/**
 * Threads that bring a long log into the database. SQLite does a checkpoint in one piece, which takes long for a long
 * log, but a passive one stops no commit (https://sqlite.org/wal.html#ckpt). While a reader, such as a backup, prevents
 * it, the thread tries again and again. It ends when the log is short, and when the server asks for it.
 */
import { Database } from "bun:sqlite";
import { fdatasyncSync } from "node:fs";

import { startWriting } from "../os/libc.ts";
import { type CheckpointerInput, PHASES } from "./checkpoint.ts";
import type { LogState } from "./statements.ts";

/** Milliseconds between two attempts while a reader prevents it, and between two calls of the writer. */
const PAUSE = 100;
const WRITE_PAUSE = 5;

function run(input: CheckpointerInput): void {
  const phase = new Int32Array(input.phase);
  if (input.role === "writer") writeEarly(input, phase);
  else runCheckpoint(input, phase);
}

function runCheckpoint(input: CheckpointerInput, phase: Int32Array): void {
  const { starting, running, ended, failed } = PHASES;
  if (Atomics.compareExchange(phase, 0, starting, running) !== starting) return;
  let end: number = ended;
  try {
    bringIn(input, phase);
  } catch (error) {
    // The server's own checkpoints find all other errors.
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
    const readState = database.prepare<LogState, []>("PRAGMA wal_checkpoint(NOOP)");
    let before = -1;
    while (Atomics.load(phase, 0) === PHASES.running) {
      checkpoint.get();
      // SQLite syncs only in the checkpoint that reaches the end of the log: the server's, which must not take long.
      fdatasyncSync(descriptor);
      const { log, checkpointed } = readState.get() ?? { log: 0, checkpointed: 0 };
      if (log - checkpointed < enough) return;
      if (checkpointed === before) Atomics.wait(phase, 0, PHASES.running, PAUSE);
      before = checkpointed;
    }
  } finally {
    database.close(true);
  }
}

/**
 * Has the disk begin with the pages that a checkpoint has written so far. Otherwise the sync at its end would write
 * hundreds of megabytes at once, and the syncs of commits would wait behind them.
 */
function writeEarly({ descriptor }: CheckpointerInput, phase: Int32Array): void {
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
