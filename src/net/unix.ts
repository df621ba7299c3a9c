import { existsSync, lstatSync, readFileSync, rmSync, statSync } from "node:fs";

import { orLog } from "../util/log.ts";
import type { Connection } from "./connection.ts";
import { type Listener, newAcceptor } from "./listener.ts";
import { errorCode, explainListenError } from "./place.ts";

/** Bytes of a Unix socket's path, the shortest limit of the systems served here (macOS). */
const MAX_PATH = 103;

/**
 * Listens on a Unix socket. A file that a dead server left is replaced.
 * @param mode the access mode that the file has from its first moment on
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
    // Stopping removes the file, which by now may be another server's.
    const stop = () => {
      if (statSync(file, { throwIfNoEntry: false })?.ino === ino) listener.stop();
    };
    return { place: file, serve, stop: () => orLog(stop) };
  } catch (error) {
    throw new Error(`cannot listen on ${file}: ${explainListenError(error)}`);
  } finally {
    process.umask(before);
  }
}

/** Only a socket that refuses connections has no server. It is removed; anything else is left alone. */
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

/** Whether Linux knows a socket of that path: one without room for another client is reported as refusing, too. */
function isBound(file: string): boolean {
  try {
    const sockets = readFileSync("/proc/net/unix", "latin1").split("\n");
    const path = Buffer.from(file).toString("latin1");
    return sockets.some((line) => line.endsWith(` ${path}`));
  } catch {
    return false;
  }
}
