import { existsSync, lstatSync, readFileSync, rmSync, statSync } from "node:fs";

import { failTurn, type Server } from "../engine/server.ts";
import { orLog, trace } from "../util/log.ts";
import {
  closeConnection,
  type Connection,
  drain,
  openConnection,
  receive,
  receiveEnd,
} from "./connection.ts";

/** Something that accepts clients. */
export interface Listener {
  /** Where, in words for the log: `127.0.0.1:22201`, `[::1]:22201`, `/run/memcacheq.sock`. */
  place: string;
  /** From now on clients are served; who comes before is turned away. */
  serve(server: Server): void;
  /** Accepts no more, and takes its socket file away; connections go on. */
  stop(): void;
}

/** Bytes of a Unix socket's path, the shortest limit of the systems served here (macOS). */
const LONGEST_PATH = 103;
/** After so many milliseconds of silence the system asks whether the client's machine is still there. */
const KEEP_ALIVE = 60_000;
const REFUSAL = "ERROR Too many open connections\r\n";
/** How long a refused client has to close, in seconds. */
const REFUSAL_SECONDS = 1;

/** Listens on one address, or, without one, on all of IPv4 and IPv6. @throws Error that names the address */
export function listenTcp(address: string | undefined, port: number): Listener {
  const hostname = address ?? "::";
  const place = placeName(hostname, port);
  try {
    const { serve, handlers } = acceptor();
    const listener = Bun.listen<Connection | undefined>({ hostname, port, ...handlers });
    return { place: placeName(hostname, listener.port), serve, stop: () => listener.stop() };
  } catch (error) {
    // A system without IPv6 has no `::`.
    if (address === undefined && code(error) !== "EADDRINUSE") {
      return listenTcp("0.0.0.0", port);
    }
    throw new Error(`cannot listen on ${place}: ${explain(error)}`);
  }
}

/**
 * Listens on a Unix socket. A file that a dead server left is replaced.
 * @param mode the access mode that the file has from its first moment on
 * @throws Error that names the file
 */
export async function listenUnix(file: string, mode: number): Promise<Listener> {
  if (Buffer.byteLength(file) > LONGEST_PATH) {
    throw new Error(`cannot listen on ${file}: a socket's path has at most ${LONGEST_PATH} bytes`);
  }
  await removeStale(file);
  const before = process.umask(0o777 & ~mode);
  try {
    const { serve, handlers } = acceptor();
    const listener = Bun.listen<Connection | undefined>({ unix: file, ...handlers });
    const { ino } = statSync(file);
    // Stopping removes the file, which by now may be another server's.
    const stop = () => {
      if (statSync(file, { throwIfNoEntry: false })?.ino === ino) listener.stop();
    };
    return { place: file, serve, stop: () => orLog(stop) };
  } catch (error) {
    throw new Error(`cannot listen on ${file}: ${explain(error)}`);
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
    (error: unknown) => code(error) ?? String(error),
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

/** What a listening socket does, and how to tell it which server it does it for. */
function acceptor() {
  let server: Server | undefined;
  const handlers: Omit<Bun.UnixSocketOptions<Connection | undefined>, "unix"> = {
    allowHalfOpen: true,
    socket: {
      open: (socket) => accept(server, socket as Bun.Socket<Connection | undefined>),
      // A connection that was turned away has no data.
      data: ({ data }, chunk) => data && receive(data, chunk),
      drain: ({ data }) => data && drain(data),
      close: ({ data }) => data && closeConnection(data),
      end: (socket) => {
        if (socket.data === undefined) socket.end();
        else receiveEnd(socket.data);
      },
      timeout: (socket) => socket.terminate(),
      // Something here threw: what it did half is undone, and its client can't be told what became of it.
      error: (socket, error) => {
        if (socket.data !== undefined) failTurn(socket.data.server, error);
        socket.terminate();
      },
    },
  };
  return { handlers, serve: (started: Server) => void (server = started) };
}

function accept(server: Server | undefined, socket: Bun.Socket<Connection | undefined>): void {
  if (server !== undefined && server.connections.size < server.options.connections) {
    socket.data = openConnection(server, socket);
    socket.setKeepAlive(true, KEEP_ALIVE);
    // A socket with a handler for it times out after two minutes otherwise, however busy it is.
    socket.timeout(0);
  } else {
    // Closing with something unread would be a reset, and take the refusal with it.
    if (server !== undefined) socket.write(REFUSAL);
    trace("a client was refused, too many are connected");
    socket.shutdown();
    socket.timeout(REFUSAL_SECONDS);
  }
}

export function placeName(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

export function explain(error: unknown): string {
  switch (code(error)) {
    case "EADDRINUSE":
      return "the address is in use";
    case "EADDRNOTAVAIL":
      return "no interface of this machine has the address";
    case "EACCES":
      return "permission denied";
    default:
      return code(error) ?? "no such address";
  }
}
