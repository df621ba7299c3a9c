import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from "node:fs";

import { lockFile } from "./libc.ts";

// No link is followed, and a named pipe is not waited for.
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE = 0o600;
/** Milliseconds until the wait for another process is over, and between two tries. */
const MAX_WAIT = 5000;
const PAUSE = 10;

/**
 * Does the work while no other process does work of this kind for the same path. Meanwhile there is a file `<path>.lock`
 * beside it; where that can't be made, the work is done without.
 * @throws Error when another process has been at it for too long
 */
export async function withLockFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  const file = `${path}.lock`;
  const fd = await takeLock(file);
  try {
    return await work();
  } finally {
    if (fd !== undefined) releaseLock(fd, file);
  }
}

/** @returns the descriptor that holds the lock; undefined when there can be none */
async function takeLock(file: string): Promise<number | undefined> {
  const deadline = performance.now() + MAX_WAIT;
  for (;;) {
    const fd = openLock(file);
    if (fd === undefined) return undefined;
    // The one that had it before has removed its file: then this is a lock of nothing.
    if (lockFile(fd) && isAt(fd, file)) return fd;
    closeSync(fd);
    if (performance.now() > deadline) throw new Error(`another process holds ${file}`);
    await Bun.sleep(PAUSE);
  }
}

function openLock(file: string): number | undefined {
  try {
    return openSync(file, FLAGS, MODE);
  } catch {
    return undefined;
  }
}

function isAt(fd: number, file: string): boolean {
  const there = lstatSync(file, { throwIfNoEntry: false });
  const { dev, ino } = fstatSync(fd);
  return there?.ino === ino && there.dev === dev;
}

function releaseLock(fd: number, file: string): void {
  try {
    unlinkSync(file);
  } finally {
    closeSync(fd);
  }
}
