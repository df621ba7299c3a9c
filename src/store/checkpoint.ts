import type { LogState, Statements } from "./statements.ts";
import { type Checkpoint, StoreError } from "./store.ts";

/** Keeps the log (https://sqlite.org/wal.html) from growing long. */
export interface LogKeeper {
  statements: Statements;
  file: string;
  /** From so many pages of log on they are brought into the database. */
  longLog: number;
  /** How long the log was, in pages, when that was last tried. */
  tried: number;
}

/** From so many bytes of log on it is brought into the database: reading gets slower with it, and the file grows. */
const LONG_LOG = 4 * 1024 * 1024;

/** @param pageSize bytes */
export function newLogKeeper(statements: Statements, file: string, pageSize: number): LogKeeper {
  return { statements, file, longLog: Math.ceil(LONG_LOG / pageSize), tried: 0 };
}

/** See {@link Store.autoCheckpoint}. */
export function autoCheckpoint(keeper: LogKeeper): void {
  const { log, checkpointed } = logState(keeper);
  // A long read of another process, such as a backup, keeps pages in the log: then it is not tried at each commit.
  if (log < keeper.tried) keeper.tried = 0;
  if (log - Math.max(checkpointed, keeper.tried) < keeper.longLog) return;
  keeper.tried = log;
  checkpoint(keeper, "passive");
}

/** See {@link Store.checkpoint}. */
export function checkpoint({ statements }: LogKeeper, how: Checkpoint): void {
  const busy = statements.checkpoints[how].get()?.busy ?? 0;
  if (busy !== 0 && how !== "passive") {
    throw new StoreError("another process uses the database, the log could not be brought in");
  }
}

/** See {@link Store.checkpointed}. */
export function checkpointed(keeper: LogKeeper): number {
  const { log, checkpointed } = logState(keeper);
  return log <= 0 ? 100 : (100 * checkpointed) / log;
}

function logState({ statements }: LogKeeper): LogState {
  return statements.logState.get() ?? { busy: 0, log: 0, checkpointed: 0 };
}
