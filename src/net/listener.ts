import { logInternal, trace } from "../util/log.ts";
import type { Clients, Connection } from "./clients.ts";
import { closeConnection, drain, endInput, openConnection, receiveChunk } from "./connection.ts";
import { beginTls, type ServerTls, type TlsHandlers } from "./tls.ts";

/** A socket that accepts clients. */
export interface Listener<T = Clients> {
  /** Its address, in words for the log: `127.0.0.1:22201`, `[::1]:22201`, `/run/memcacheq.sock`. */
  place: string;
  /** Serves clients from now on, those that are connected already, too. */
  serve(clients: T): void;
  /** Accepts no more, and removes its socket file; connections go on. */
  stop(): void;
}

/** After so many milliseconds without data, the system asks whether the client's machine is still there. */
const KEEP_ALIVE_MS = 60_000;
/** The answer to a client when `-c` are connected. */
export const REFUSAL = "ERROR Too many open connections\r\n";

/** Seconds that a refused client has to close the connection, and how many such clients keep their descriptors. */
const REFUSAL_SECONDS = 1;
const MAX_REFUSED = 16;
/** Clients that wait until the server has started: it may take seconds to reach its queues. */
const MAX_EARLY = 1024;

type ClientSocket = Bun.Socket<Connection | undefined>;

/** Clients that were refused, and have not closed their connections yet. The first was refused first. */
type Refused = Set<ClientSocket>;

/** Clients that came before the server has started. Nothing is read from them. */
type Early = Set<ClientSocket>;

type Handlers = Omit<Bun.UnixSocketOptions<Connection | undefined>, "unix">;

/** The handlers of a listening socket, and the function that begins to serve. @param tls undefined: without TLS */
export function newAcceptor(tls?: ServerTls) {
  let clients: Clients | undefined;
  const refused: Refused = new Set();
  const early: Early = new Set();
  const isTls = tls !== undefined;
  const socket: TlsHandlers<Connection | undefined> = {
    open(socket) {
      if (clients === undefined) holdBack(early, socket as ClientSocket);
      else accept(clients, refused, socket as ClientSocket, isTls);
    },
    // A refused connection has no data.
    data: ({ data }, chunk) => data && receiveChunk(data, chunk),
    drain: ({ data }) => data && drain(data),
    close(socket) {
      if (socket.data !== undefined) return closeConnection(socket.data);
      refused.delete(socket as ClientSocket);
      early.delete(socket as ClientSocket);
    },
    end: (socket) => {
      if (socket.data === undefined) socket.end();
      else endInput(socket.data);
    },
    timeout: (socket) => socket.terminate(),
    // A bug in a handler: the client cannot be told what happened to its request.
    error: (socket, error) => {
      logInternal(error);
      socket.terminate();
    },
  };
  const handlers: Handlers = {
    allowHalfOpen: true,
    socket: tls === undefined ? socket : startTls(tls, socket),
  };
  const serve = (served: Clients): void => {
    clients = served;
    for (const socket of early) {
      accept(served, refused, socket, isTls);
      socket.resume();
    }
    early.clear();
  };
  return { handlers, serve };
}

/** The handlers of sockets whose clients speak TLS: what is read on them is read by TLS. */
function startTls(
  tls: ServerTls,
  handlers: TlsHandlers<Connection | undefined>,
): Bun.SocketHandler<Connection | undefined> {
  return {
    open: (raw) => beginTls(tls, raw as Bun.Socket<unknown>, handlers),
    // Bun wants one of the handlers of bytes.
    drain: () => undefined,
    error: (raw, error) => {
      logInternal(error);
      raw.terminate();
    },
  };
}

function holdBack(early: Early, socket: ClientSocket): void {
  if (early.size >= MAX_EARLY) return void socket.terminate();
  early.add(socket);
  socket.pause();
}

function accept(clients: Clients, refused: Refused, socket: ClientSocket, isTls: boolean): void {
  if (clients.connections.size < clients.maxConnections) {
    socket.data = openConnection(clients, socket, isTls);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // Without this, a socket with a timeout handler times out after two minutes, busy or not.
    socket.timeout(0);
  } else {
    // To close a socket that has unread bytes is a reset, and the client might not get the refusal.
    socket.write(REFUSAL);
    trace("a client was refused, too many are connected");
    socket.shutdown();
    socket.timeout(REFUSAL_SECONDS);
    refused.add(socket);
    const [first] = refused;
    if (refused.size > MAX_REFUSED) first?.close();
  }
}
