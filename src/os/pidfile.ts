import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";

import { error } from "../util/log.ts";
import { reasonIn } from "../util/reason.ts";

// No link is followed: root would overwrite, and give away, the file that it points to. Without O_NONBLOCK a named
// pipe would block the start for ever.
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE = 0o644;

/**
 * Writes this process's id to `path` as one line, over a file left behind by an earlier one. All users may read it; it
 * belongs to `owner` when given, so that the server can still change it after it has become that user.
 * On a full disk there is none, which is logged: a restart must not end a server because of that.
 * @throws Error that names the path when it cannot be written
 */
export function writePidFile(path: string, owner?: { uid: number; gid: number }): void {
  try {
    const fd = openSync(path, FLAGS, MODE);
    try {
      write(fd, owner);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const message = `-P ${path}: the PID file cannot be written: ${reasonIn(cause)}`;
    if (!isFull(cause)) throw new Error(message);
    // Queues that can be emptied are worth more than the file.
    error(message);
    attempt(() => unlinkSync(path));
  }
}

function isFull(cause: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((cause as NodeJS.ErrnoException).code ?? "");
}

function write(fd: number, owner?: { uid: number; gid: number }): void {
  if (!fstatSync(fd).isFile()) throw new Error("it is not a regular file");
  const text = ownText();
  fchmodSync(fd, MODE);
  if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
  writeSync(fd, text, 0);
  ftruncateSync(fd, text.length);
}

/** Removes the PID file if it still holds this process's id. Never throws. */
export function removePidFile(path: string): void {
  if (!holdsOwnText(path)) return;
  if (attempt(() => unlinkSync(path))) return;
  // The directory may belong to root. An empty file at least never names another program's process.
  attempt(() => truncateSync(path));
}

function holdsOwnText(path: string): boolean {
  let text: string | undefined;
  attempt(() => (text = readFileSync(path, "utf8")));
  return text === ownText();
}

function ownText(): string {
  return `${process.pid}\n`;
}

function attempt(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}
