import { existsSync, lstatSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { orLog } from "../util/log.ts";
import type { Connection } from "./clients.ts";
import { type Listener, newAcceptor } from "./listener.ts";
import { errorCode, explainListenError } from "./place.ts";

/** Bytes of a Unix socket's path: the lowest limit of the supported systems (macOS). */
const MAX_PATH = 103;

/**
 * Listens on a Unix socket. A file that is left from a dead server is replaced.
 * @param mode the access mode of the file, from the moment it exists
 * @throws Error that names the file
 */
export async function listenUnix(file: string, mode: number): Promise<Listener> {
  if (Buffer.byteLength(file) > MAX_PATH) {
    throw new Error(`cannot listen on ${file}: a socket's path has at most ${MAX_PATH} bytes`);
  }
  await removeStale(file);
  const before = process.umask(0o777 & ~mode);
  try {
    const { serve, handlers } = newAcceptor();
    const listener = Bun.listen<Connection | undefined>({ unix: file, ...handlers });
    const { ino } = statSync(file);
    // Stopping removes the file, which may belong to another server by now.
    const stop = () => {
      if (statSync(file, { throwIfNoEntry: false })?.ino === ino) listener.stop();
    };
    return { place: file, serve, stop: () => orLog(stop) };
  } catch (error) {
    const reason =
      errorCode(error) === "ENOENT"
        ? `there is no directory ${dirname(file)}`
        : explainListenError(error);
    throw new Error(`cannot listen on ${file}: ${reason}`);
  } finally {
    process.umask(before);
  }
}

/** Removes the file when it is a socket that refuses connections: it has no server. Anything else is an error. */
async function removeStale(file: string): Promise<void> {
  if (!existsSync(file)) return;
  if (!lstatSync(file).isSocket()) throw new Error(`cannot listen on ${file}: it is no socket`);
  const answer = await Bun.connect({ unix: file, socket: { data() {} } }).then(
    (socket) => socket.terminate(),
    (error: unknown) => errorCode(error) ?? String(error),
  );
  const isStale = answer === "ECONNREFUSED" && !isBound(file);
  if (isStale || answer === "ENOENT") return rmSync(file, { force: true });
  const reason = answer === undefined ? "another server does" : `another server may (${answer})`;
  throw new Error(`cannot listen on ${file}: ${reason}`);
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
