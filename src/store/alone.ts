import { type Database, SQLiteError } from "bun:sqlite";

/**
 * The index of the log is a file that all processes share. On a full disk it can't be made. A process that has the
 * database for itself keeps the index in its memory instead (https://sqlite.org/wal.html#use_of_wal_without_shared_memory).
 */

/** Does the work with a shared index or, where the disk has no space for that, for this process alone. */
export function orAlone<T>(work: (alone: boolean) => T): T {
  try {
    return work(false);
  } catch (error) {
    if (!lacksIndex(error)) throw error;
    return work(true);
  }
}

/** From its first read on the database is this process's alone, until it is closed. */
export function takeAlone(database: Database): void {
  database.run("PRAGMA locking_mode = EXCLUSIVE");
}

export function isAlone(database: Database): boolean {
  const row = database.query<{ locking_mode: string }, []>("PRAGMA locking_mode").get();
  return row?.locking_mode === "exclusive";
}

/** SQLITE_IOERR_SHMSIZE, SHMOPEN, SHMMAP. */
function lacksIndex(error: unknown): boolean {
  return error instanceof SQLiteError && error.code?.startsWith("SQLITE_IOERR_SHM") === true;
}
