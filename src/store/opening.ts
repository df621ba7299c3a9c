import type { Database } from "bun:sqlite";

import type { Clock } from "../util/clock.ts";
import type { Histogram } from "../util/histogram.ts";
import { isAlone } from "./alone.ts";
import { type LogKeeper, newLogKeeper } from "./checkpoint.ts";
import type { Suspects } from "./damage.ts";
import { type DatabaseOptions, pageSizeOf } from "./database.ts";
import type { Home } from "./directory.ts";
import { findLogFiles, type LogFiles } from "./log_files.ts";
import { newRemoval, type Removal } from "./removal.ts";
import { prepare, type Statements } from "./statements.ts";
import { newVacuum, type Vacuum } from "./vacuum.ts";

export interface StoreOptions extends DatabaseOptions {
  directory: string;
  /** Give disk space back when this many pages are free; 0 is never. */
  extentPages: number;
  /** Gets what an operator should know. */
  warn?: (text: string) => void;
  /** The system's when absent. */
  clock?: Clock;
}

/** The state of a store over SQLite in WAL mode (https://sqlite.org/wal.html). */
export interface Sqlite {
  home: Home;
  options: StoreOptions;
  clock: Clock;
  /** The database file, and when it was last seen in its place, in milliseconds. */
  inode: number | undefined;
  seen: number;
  /** See {@link Store.syncs}. */
  syncs: Histogram;
  /** What is made anew each time when the file is opened. */
  open: Opening;
  /** The outcome of a commit is unknown: no other commit is accepted before the file was recovered. */
  mustRecover: boolean;
  /** The database could not be opened again yet. */
  isClosed: boolean;
  /** After a checkpoint's sync failed: when the file is opened anew at the earliest, in milliseconds. */
  rewriteAt: number;
  lastId: number;
  /** What could not be read, and may be damaged. */
  suspects: Suspects;
}

/** One opening of the file. {@link Store.recover} ends it, and makes another. */
export interface Opening {
  database: Database;
  statements: Statements;
  removal: Removal;
  vacuum: Vacuum;
  log: LogKeeper;
  logFiles: LogFiles;
  /** No other process can open it: see alone.ts. */
  isAlone: boolean;
  /** The ids of all queues, and of dropped queues that still have rows. */
  ids: Set<number>;
  /** Bytes. */
  pageSize: number;
}

/** Prepares what works on an open database, and closes that when it cannot be read. */
export function openingOf(database: Database, home: Home, options: StoreOptions): Opening {
  const { extentPages, warn } = options;
  try {
    const statements = prepare(database);
    const queues = statements.queues.all();
    const removal = newRemoval(
      statements,
      queues.map(({ id, head, tail, bytes }) => ({ queue: id, head, tail, bytes })),
    );
    const pageSize = pageSizeOf(database);
    const logFiles = findLogFiles(home);
    const log = newLogKeeper(statements, home, pageSize, logFiles.log);
    const alone = isAlone(database);
    if (alone) {
      // The thread of a checkpoint would be another connection.
      log.thread.isImpossible = true;
      warn?.(`${home.file} is open for this process alone: the disk is full`);
    }
    return {
      database,
      statements,
      removal,
      vacuum: newVacuum(statements, log, extentPages),
      log,
      logFiles,
      isAlone: alone,
      ids: new Set([...queues.map(({ id }) => id), ...removal.dropped.keys()]),
      pageSize,
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
