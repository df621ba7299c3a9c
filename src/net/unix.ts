import { existsSync, lchownSync, lstatSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { withLockFile } from "../os/lock_file.ts";
import { asUser, type User } from "../os/user.ts";
import { orLog } from "../util/log.ts";
import { reasonIn } from "../util/reason.ts";
import type { Connection } from "./clients.ts";
import { type Listener, newAcceptor } from "./listener.ts";
import { errorCode, explainListenError } from "./place.ts";

/** Bytes of a Unix socket's path: the lowest limit of the supported systems (macOS). */
const MAX_PATH = 103;
/** New files in a directory with it have the directory's group. */
const SETGID = 0o2000;

/**
 * Listens on a Unix socket. A file that is left from a dead server is replaced.
 * @param mode the access mode of the file, from the moment it exists
 * @param owner its owner, when that is not this process's user; its group is that of a directory that gives its own to
 *   new files (setgid), or else the owner's
 * @throws Error that names the file
 */
export async function listenUnix(file: string, mode: number, owner?: User): Promise<Listener> {
  if (Buffer.byteLength(file) > MAX_PATH) {
    throw new Error(`cannot listen on ${file}: a socket's path has at most ${MAX_PATH} bytes`);
  }
  try {
    // Two that find the same dead server: the second must not remove the socket of the first.
    return await withLockFile(file, async () => {
      await removeStale(file);
      return bind(file, mode, owner);
    });
  } catch (error) {
    throw new Error(`cannot listen on ${file}: ${explain(error, file)}`);
  }
}

/** Listens on a file that is not there yet. */
function bind(file: string, mode: number, owner: User | undefined): Listener {
  const before = process.umask(0o777 & ~mode);
  try {
    const { serve, handlers } = newAcceptor();
    const listenHere = () => Bun.listen<Connection | undefined>({ unix: file, ...handlers });
    const listener = owner === undefined ? listenHere() : bindFor(owner, file, listenHere);
    const own = identify(file);
    // Stopping removes the file, which may belong to another server by now.
    const stop = () => {
      if (identify(file) === own) listener.stop();
    };
    return { place: file, serve, stop: () => orLog(stop) };
  } finally {
    process.umask(before);
  }
}

/** Binds as the owner or, in a directory where only root may, as root, and gives the file away. */
function bindFor<T>(owner: User, file: string, listen: () => T): T {
  try {
    return asUser(owner, listen);
  } catch (error) {
    if (errorCode(error) !== "EACCES") throw error;
  }
  const listener = listen();
  // Only root can change the directory, so the name still means this file. A link would not be followed.
  const group = isSetgid(dirname(file)) ? lstatSync(file).gid : owner.gid;
  lchownSync(file, owner.uid, group);
  return listener;
}

function isSetgid(directory: string): boolean {
  return (statSync(directory).mode & SETGID) !== 0;
}

/** Tells a file from any other that has its name, or had its inode. Undefined when there is none. */
function identify(file: string): string | undefined {
  const found = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino} ${found.birthtimeNs}`;
}

function explain(error: unknown, file: string): string {
  const directory = dirname(file);
  if (!existsSync(directory)) return `there is no directory ${directory}`;
  return errorCode(error) === undefined ? (error as Error).message : explainListenError(error);
}

/** Removes the file when it is a socket that refuses connections: it has no server. Anything else is an error. */
async function removeStale(file: string): Promise<void> {
  if (!existsSync(file)) return;
  if (!lstatSync(file).isSocket()) throw new Error("it is no socket");
  const failure: unknown = await Bun.connect({ unix: file, socket: { data() {} } }).then(
    (socket) => void socket.terminate(),
    (error: unknown) => error,
  );
  if (failure === undefined) throw new Error("another server does");
  const code = errorCode(failure);
  const isStale = code === "ECONNREFUSED" && !isBound(file);
  if (!isStale && code !== "ENOENT") {
    throw new Error(`another server may (${reasonIn(failure)})`);
  }
  rmSync(file, { force: true });
}

/**
 * Whether Linux knows a socket with that path: a server that has no room for another client refuses connections, too.
 */
function isBound(file: string): boolean {
  try {
    const sockets = readFileSync("/proc/net/unix", "latin1").split("\n");
    const path = Buffer.from(file).toString("latin1");
    return sockets.some((line) => line.endsWith(` ${path}`));
  } catch {
    return false;
  }
}
