import { logInternal, trace } from "../util/log.ts";
import {
  type Clients,
  closeConnection,
  type Connection,
  drain,
  endInput,
  openConnection,
  receiveChunk,
} from "./connection.ts";

/** Something that accepts clients. */
export interface Listener<T = Clients> {
  /** Where, in words for the log: `127.0.0.1:22201`, `[::1]:22201`, `/run/memcacheq.sock`. */
  place: string;
  /** From now on clients are served; a client that comes before is turned away. */
  serve(clients: T): void;
  /** Accepts no more, and removes its socket file; connections go on. */
  stop(): void;
}

/** After so many milliseconds of silence the system asks whether the client's machine is still there. */
const KEEP_ALIVE_MS = 60_000;
const REFUSAL = "ERROR Too many open connections\r\n";
/** How long a refused client has to close, in seconds. */
const REFUSAL_SECONDS = 1;

/** What a listening socket does, and how it is told for which clients. */
export function newAcceptor() {
  let clients: Clients | undefined;
  const handlers: Omit<Bun.UnixSocketOptions<Connection | undefined>, "unix"> = {
    allowHalfOpen: true,
    socket: {
      open: (socket) => accept(clients, socket as Bun.Socket<Connection | undefined>),
      // A connection that was turned away has no data.
      data: ({ data }, chunk) => data && receiveChunk(data, chunk),
      drain: ({ data }) => data && drain(data),
      close: ({ data }) => data && closeConnection(data),
      end: (socket) => {
        if (socket.data === undefined) socket.end();
        else endInput(socket.data);
      },
      timeout: (socket) => socket.terminate(),
      // A mistake of ours in a handler: its client can't be told what became of its request.
      error: (socket, error) => {
        logInternal(error);
        socket.terminate();
      },
    },
  };
  return { handlers, serve: (served: Clients) => void (clients = served) };
}

function accept(clients: Clients | undefined, socket: Bun.Socket<Connection | undefined>): void {
  if (clients !== undefined && clients.connections.size < clients.maxConnections) {
    socket.data = openConnection(clients, socket);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // A socket with a handler for it times out after two minutes otherwise, however busy it is.
    socket.timeout(0);
  } else {
    // Closing with something unread would be a reset, and take the refusal with it.
    if (clients !== undefined) socket.write(REFUSAL);
    trace("a client was refused, too many are connected");
    socket.shutdown();
    socket.timeout(REFUSAL_SECONDS);
  }
}
