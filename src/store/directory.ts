import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { lockFile } from "../os/libc.ts";
import { reasonIn, StoreError } from "./store.ts";

/** The directory that holds the database, locked for this process as long as it lives. */
export interface Home {
  directory: string;
  /** The database file. */
  file: string;
  lock: number;
}

const DATABASE = "memcacheq.db";

/**
 * Makes the directory with mode 0750 if it is not there.
 * @param owner whose it is to be, when that is not this process's user
 * @throws StoreError
 */
export function makeHome(directory: string, owner?: { uid: number; gid: number }): void {
  if (existsSync(directory)) return;
  // The directories above it must let its owner through, whatever the umask of whoever starts the server.
  const umask = process.umask(0o022);
  try {
    mkdirSync(dirname(directory), { recursive: true });
    mkdirSync(directory);
    chmodSync(directory, 0o750);
    if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
  } catch (error) {
    throw new StoreError(`cannot make the directory ${directory}: ${reasonIn(error)}`);
  } finally {
    process.umask(umask);
  }
}

/** Locks the directory, which must be there. @throws StoreError when another server uses it */
export function openHome(directory: string): Home {
  const lock = reach(directory);
  if (!lockFile(lock)) {
    closeSync(lock);
    throw new StoreError(`another memcacheq is using the directory ${directory}`);
  }
  return { directory, file: join(directory, DATABASE), lock };
}

/** Which file is in the database's place: undefined when there is none. */
export function fileInPlace({ file }: Home): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

export function closeHome(home: Home): void {
  closeSync(home.lock);
}

function reach(directory: string): number {
  try {
    return openSync(directory, "r");
  } catch (error) {
    throw new StoreError(`cannot use the directory ${directory}: ${reasonIn(error)}`);
  }
}
