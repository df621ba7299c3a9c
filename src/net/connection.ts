import { closeSession } from "../engine/disconnect.ts";
import type { Sink } from "../engine/engine.ts";
import { newSession, receive, receiveEnd, resume, unreadBytes } from "../engine/session.ts";
import { countConnection } from "../engine/stats.ts";
import { newShare, noteMoved, setInput, setOutput } from "./backpressure.ts";
import {
  admitSoon,
  awaitRoom,
  type Clients,
  type ClientSocket,
  type Connection,
  endAdmission,
  hasTooMuchUnsent,
  heldBytes,
  updateInputUsage,
} from "./clients.ts";
import { sendOrKeep, sendUnsent } from "./output.ts";
import { clientAddress, placeName } from "./place.ts";
import { noteReceived, noteSent } from "./silence.ts";

/** A client is not read from while more than so many of its bytes are not gathered yet. */
const MAX_UNREAD = 64 * 1024;
/** Bytes that a client may be sent at once while too many replies of all clients are unsent: most messages fit. */
const SMALL_ROOM = 32 * 1024;
/** Seconds that a client has to close the connection after the server did. */
const LINGER_SECONDS = 2;

export function openConnection(clients: Clients, socket: ClientSocket, isTls = false): Connection {
  const { engine, usage } = clients;
  const sink: Sink = {
    client: () => clientName(connection),
    send: (bytes, start, end, stable) => send(connection, bytes, start, end, stable),
    room: () => (usage.outputFull ? SMALL_ROOM : Infinity),
    blocked: false,
    pressure: usage,
    awaitRoom: () => awaitRoom(connection),
    gathered: () => noteGathered(connection),
    end: () => endReplies(connection),
  };
  const id = ++clients.lastId;
  const connection: Connection = {
    clients,
    session: newSession(engine, sink, {
      id,
      hasConnection: true,
      binary: undefined,
      address: () => clientAddress(socket.remoteAddress),
    }),
    socket,
    phase: "served",
    openedAt: engine.runtime.monotonic(),
    unsent: [],
    incoming: newShare(),
    outgoing: newShare(),
    isTls,
    paused: false,
    sent: 0,
    watched: socket.remotePort === undefined ? undefined : true,
    count: (bytes) => {
      const { outgoing } = connection;
      setOutput(usage, outgoing, outgoing.bytes + bytes, engine.runtime.monotonic());
    },
    write: (bytes, start, end) => write(connection, bytes, start, end),
  };
  clients.connections.add(connection);
  countConnection(engine.stats);
  return connection;
}

export function closeConnection(connection: Connection): void {
  const { clients, session } = connection;
  if (!clients.connections.delete(connection)) return;
  const { engine, usage } = clients;
  engine.stats.currentConnections--;
  connection.phase = "closed";
  connection.unsent.length = 0;
  const now = engine.runtime.monotonic();
  setInput(usage, connection.incoming, 0, now);
  setOutput(usage, connection.outgoing, 0, now);
  usage.awaiting.delete(connection);
  if (usage.admitted === connection) usage.admitted = undefined;
  closeSession(session);
  admitSoon(clients);
}

/** Bytes of requests have arrived. */
export function receiveChunk(connection: Connection, chunk: Buffer): void {
  const { incoming, session, clients } = connection;
  if (connection.phase !== "served") return;
  noteReceived(connection, connection.outgoing.bytes === 0);
  if (incoming.bytes > 0) noteMoved(incoming, chunk.length, clients.engine.runtime.monotonic());
  receive(session, chunk);
}

/** The client sends nothing more, or the server reads nothing more from it: what has arrived is still replied to. */
export function endInput(connection: Connection): void {
  if (connection.phase === "lingering") {
    connection.session.inputEnded = true;
    connection.socket.end();
  } else if (connection.phase !== "closed") {
    receiveEnd(connection.session);
  }
}

/** The session has gathered what it can from its input. */
function noteGathered(connection: Connection): void {
  const { incoming, session, clients, paused } = connection;
  const held = heldBytes(session);
  const { engine } = clients;
  // What is left of its requests waits for the server, and not for the client.
  if (held > 0 && engine.runnable.has(session)) incoming.since = engine.runtime.monotonic();
  if (paused || held > 0 || incoming.bytes > 0) {
    updateReading(connection);
    updateInputUsage(connection, held);
  }
  // One whose message went to another client meanwhile waits, and keeps no others from their turn.
  const isDone = session.current === undefined || session.wait !== undefined;
  if (clients.usage.admitted === connection && isDone) endAdmission(connection);
}

/** Pauses reading from the client, or resumes it. */
function updateReading(connection: Connection): void {
  const { phase, session } = connection;
  const { blocked } = session.sink;
  const isWaiting = session.wait !== undefined;
  const pause =
    phase !== "lingering" &&
    phase !== "closed" &&
    (blocked || (!isWaiting && unreadBytes(session) > MAX_UNREAD));
  if (pause === connection.paused) return;
  connection.paused = pause;
  if (pause) connection.socket.pause();
  else connection.socket.resume();
}

/** Sends what the system takes, and keeps the rest. @returns false when the client is gone */
function send(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): boolean {
  if (connection.phase === "closed") return false;
  const isGone = !sendOrKeep(connection, bytes, start, end, stable);
  if (connection.outgoing.bytes > 0 && hasTooMuchUnsent(connection)) {
    connection.session.sink.blocked = true;
    updateReading(connection);
  }
  return !isGone;
}

/** @returns how many of the bytes the system took; -1 when the client is gone */
function write(connection: Connection, bytes: Buffer, start: number, end: number): number {
  const sent = connection.socket.write(bytes, start, end - start);
  if (sent < 0) {
    // The socket may not report this failure again.
    connection.clients.engine.runtime.soon(() => connection.socket.terminate());
    return -1;
  }
  connection.clients.engine.stats.bytesWritten += sent;
  noteSent(connection, sent);
  return sent;
}

/** Where the client is: its address, or for a Unix socket, which has none, its number in the log. */
function clientName({ socket, session }: Connection): string {
  const { remoteAddress, remotePort } = socket;
  if (!remoteAddress || !remotePort) return `Unix socket, connection ${session.id}`;
  return placeName(remoteAddress, remotePort);
}

/** All replies are made: the connection ends once they are sent. */
function endReplies(connection: Connection): void {
  if (connection.phase !== "served") return;
  connection.phase = "sending";
  closeWhenSent(connection);
}

/** Whether replies are still to be made or sent before the connection ends. */
export function isUnfinished({ phase }: Connection): boolean {
  return phase === "served" || phase === "sending";
}

/** Closes the connection, on the server's side, once all replies are made and sent. */
function closeWhenSent(connection: Connection): void {
  if (connection.phase !== "sending" || connection.outgoing.bytes > 0) return;
  connection.phase = "lingering";
  connection.session.sink.blocked = false;
  updateReading(connection);
  if (connection.session.inputEnded) {
    connection.socket.end();
  } else {
    connection.socket.shutdown();
    connection.socket.timeout(LINGER_SECONDS);
  }
}

/** The system takes bytes again. */
export function drain(connection: Connection): void {
  const { clients, outgoing, session } = connection;
  const moved = sendUnsent(connection);
  if (moved > 0) noteMoved(outgoing, moved, clients.engine.runtime.monotonic());
  admitSoon(clients);
  if (outgoing.bytes > 0) return;
  if (session.sink.blocked && !clients.usage.awaiting.has(connection)) {
    session.sink.blocked = false;
    resume(session);
  }
  closeWhenSent(connection);
}
