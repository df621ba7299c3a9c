import { statSync } from "node:fs";

import type { Home } from "./directory.ts";

/** The inodes of the log and of its index, as they were when the database was opened; undefined when there was none. */
export interface LogFiles {
  log: number | undefined;
  index: number | undefined;
}

/** The log and its index as they are in the directory now. */
export function findLogFiles({ file }: Home): LogFiles {
  return { log: inodeOf(`${file}-wal`), index: inodeOf(`${file}-shm`) };
}

/**
 * The name of a file that was removed from the directory, or replaced, since it was found; undefined when all are there.
 * SQLite goes on with a file that is no longer there: a kill then loses the log, and another process that opens the
 * database sees neither the log nor the locks in its index.
 */
export function removedLogFile(home: Home, opened: LogFiles): string | undefined {
  const { log, index } = findLogFiles(home);
  if (opened.log !== undefined && log !== opened.log) return `${home.file}-wal`;
  if (opened.index !== undefined && index !== opened.index) return `${home.file}-shm`;
  return undefined;
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
