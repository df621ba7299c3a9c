import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

import { findUserName, lockFile } from "../os/libc.ts";
import { reasonIn } from "../util/reason.ts";
import { StoreError } from "./store.ts";

/** The directory of the database, which is locked until this process ends. */
export interface Home {
  directory: string;
  /** The database file. */
  file: string;
  /** Descriptors that hold the locks, of the directory and of the file once that is there. */
  lock: number;
  fileLock: number | undefined;
}

const DATABASE = "memcacheq.db";

/**
 * Makes the directory with mode 0750 if it is not there.
 * @param owner its owner, when that is not this process's user
 * @throws StoreError
 */
export function makeHome(directory: string, owner?: { uid: number; gid: number }): void {
  if (existsSync(directory)) return;
  // The directories above it must let its owner through, also when the shell that starts the server has a strict umask.
  const umask = process.umask(0o022);
  try {
    mkdirSync(dirname(directory), { recursive: true });
    mkdirSync(directory);
    giveAway(directory, owner);
  } catch (error) {
    throw new StoreError(`cannot make the directory ${directory}: ${reasonIn(error)}`);
  } finally {
    process.umask(umask);
  }
}

/** By its descriptor: a user that may write in the directory above could put a link in its place meanwhile. */
function giveAway(directory: string, owner: { uid: number; gid: number } | undefined): void {
  const fd = openSync(directory, constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchmodSync(fd, 0o750);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
}

/** Locks the directory, which must be there. @throws StoreError when another server uses it */
export function openHome(directory: string): Home {
  const lock = openDirectory(directory);
  if (!lockFile(lock)) {
    closeSync(lock);
    throw new StoreError(`another memcacheq is using the directory ${directory}`);
  }
  return { directory, file: join(directory, DATABASE), lock, fileLock: undefined };
}

/**
 * Locks the database file, which must be there, for as long as the home is open: a hard link in another directory is
 * the same file with another log, and SQLite's own locks notice that too late. They are lost when this process closes
 * any descriptor of the file (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_),
 * so this one is opened before SQLite's and closed after them. Only on Linux locks of flock and of fcntl do not affect
 * each other (flock(2)); elsewhere the directory's lock must be enough.
 * @throws StoreError when another server uses it
 */
export function lockDatabase(home: Home): void {
  if (home.fileLock !== undefined) return;
  const lock = openSync(home.file, "r");
  if (process.platform === "linux" && !lockFile(lock)) {
    closeSync(lock);
    throw new StoreError(`another memcacheq is using ${home.file}`);
  }
  home.fileLock = lock;
}

/** The inode of the database file; undefined when there is none. */
export function databaseInode({ file }: Home): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

/** Why SQLite can't work with the files, in words for the user; undefined when this process may write them. */
export function findObstacle({ directory, file }: Home): string | undefined {
  const files = [file, `${file}-wal`, `${file}-shm`].filter((path) => existsSync(path));
  const { R_OK, W_OK, X_OK } = constants;
  return (
    firstObstacle(ancestorsOf(directory), X_OK, "can't be entered") ??
    firstObstacle([directory, ...files], R_OK | W_OK, "can't be written")
  );
}

/** The directories that are passed on the way to this one, from the root on. */
function ancestorsOf(directory: string): string[] {
  const above = dirname(resolve(directory));
  return above === dirname(above) ? [above] : [...ancestorsOf(above), above];
}

function firstObstacle(paths: string[], access: number, what: string): string | undefined {
  for (const path of paths) {
    try {
      accessSync(path, access);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === "EACCES" ? `${path} ${what} by user ${userName()}` : reasonIn(error);
    }
  }
  return undefined;
}

function userName(): string {
  const id = process.geteuid?.() ?? 0;
  return findUserName(id) ?? `${id}`;
}

export function closeHome(home: Home): void {
  if (home.fileLock !== undefined) closeSync(home.fileLock);
  home.fileLock = undefined;
  closeSync(home.lock);
}

function openDirectory(directory: string): number {
  try {
    return openSync(directory, "r");
  } catch (error) {
    throw new StoreError(`cannot use the directory ${directory}: ${reasonIn(error)}`);
  }
}
