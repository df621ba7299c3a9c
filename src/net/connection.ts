import type { Socket } from "bun";

import { closeSession } from "../engine/disconnect.ts";
import type { Engine, Session, Sink } from "../engine/engine.ts";
import {
  newSession,
  receive,
  receiveEnd,
  refusePartial,
  resume,
  unreadBytes,
} from "../engine/session.ts";
import { countConnection } from "../engine/stats.ts";
import { endWait } from "../engine/waiters.ts";
import { bufferedBytes } from "../protocol/input.ts";
import { keyMemory } from "../protocol/request.ts";
import {
  type BufferUsage,
  evictStalledClients,
  isInputFull,
  isOutputFull,
  newBufferUsage,
  newShare,
  nextToAdmit,
  noteMoved,
  setInput,
  setOutput,
  type Share,
  SMALL_SHARE,
} from "./backpressure.ts";
import { type Outbox, sendOrKeep, sendUnsent, type Unsent } from "./output.ts";

/** All connected clients of one server. */
export interface Clients {
  engine: Engine;
  connections: Set<Connection>;
  usage: BufferUsage<Connection>;
  /** -c. */
  maxConnections: number;
  /** The id of the connection that was accepted last. */
  lastId: number;
}

/**
 * How far a connection is: it is served; all replies are made, and the last are being sent; everything is sent, and what
 * still arrives is thrown away until the client closes, so that no reset overtakes the replies; it is closed.
 */
type Phase = "served" | "sending" | "lingering" | "closed";

/** One client over TCP or a Unix socket. */
export interface Connection extends Outbox {
  clients: Clients;
  session: Session;
  socket: Socket<Connection | undefined>;
  phase: Phase;
  unsent: Unsent[];
  /** Its shares of the usage: what is held of its requests, and of the replies to it. */
  incoming: Share;
  outgoing: Share;
  /** Too much is unsent, to it or to all: nothing is gathered from it until that has changed. */
  blocked: boolean;
  /** Nothing is read: the client is blocked, or has sent much more than was gathered. */
  paused: boolean;
}

/** A client of which more bytes than this are not gathered is not read from before they are. */
const MAX_UNREAD = 64 * 1024;
/** What a client may be sent at once where replies of all clients take much: a message that is not large fits. */
const SMALL_ROOM = 32 * 1024;
/** A client with more than so many bytes of replies unsent is not served further before it reads them. */
const MAX_UNSENT = 256 * 1024;
/** How long a client has to close after the server did, in seconds. */
const LINGER_SECONDS = 2;

export function newClients(engine: Engine, maxConnections: number): Clients {
  return { engine, connections: new Set(), usage: newBufferUsage(), maxConnections, lastId: 0 };
}

export function openConnection(
  clients: Clients,
  socket: Socket<Connection | undefined>,
): Connection {
  const { engine, usage } = clients;
  const sink: Sink = {
    send: (bytes, start, end, stable) => send(connection, bytes, start, end, stable),
    room: () => (isOutputFull(usage) ? SMALL_ROOM : Infinity),
    isBlocked: () => connection.blocked,
    awaitRoom: () => awaitRoom(connection),
    gathered: () => noteGathered(connection),
    end: () => endReplies(connection),
  };
  const id = ++clients.lastId;
  const connection: Connection = {
    clients,
    session: newSession(engine, sink, { id, hasConnection: true, binary: undefined }),
    socket,
    phase: "served",
    unsent: [],
    incoming: newShare(),
    outgoing: newShare(),
    blocked: false,
    paused: false,
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

/** Bytes have come. */
export function receiveChunk(connection: Connection, chunk: Buffer): void {
  const { incoming, session, clients } = connection;
  if (connection.phase !== "served") return;
  if (incoming.bytes > 0) noteMoved(incoming, chunk.length, clients.engine.runtime.monotonic());
  receive(session, chunk);
}

/** The client sends nothing more, or is not listened to any more: what has arrived is still replied to. */
export function endInput(connection: Connection): void {
  if (connection.phase === "lingering") {
    connection.session.inputEnded = true;
    connection.socket.end();
  } else if (connection.phase !== "closed") {
    receiveEnd(connection.session);
  }
}

/** The session has looked at its input. */
function noteGathered(connection: Connection): void {
  updateReadInterest(connection);
  updateInputUsage(connection);
  const { clients, session } = connection;
  if (clients.usage.admitted === connection && !session.stepping) {
    clients.usage.admitted = undefined;
    admitSoon(clients);
  }
}

/** Bytes of requests that have not arrived whole, or are not done to their end. */
function heldBytes({ input, current, deferred }: Session): number {
  let held = bufferedBytes(input) + (current === undefined ? 0 : keyMemory(current));
  for (const { request } of deferred) held += request.body.length + keyMemory(request);
  return held;
}

/** Counts what is held of the client's requests, and refuses that where it is too much of all that is held. */
function updateInputUsage(connection: Connection): void {
  const { clients, session, incoming } = connection;
  const { engine, usage } = clients;
  const held = heldBytes(session);
  if (held !== incoming.bytes) setInput(usage, incoming, held, engine.runtime.monotonic());
  if (held <= SMALL_SHARE || !isInputFull(usage, engine.settings.maxBody)) return;
  usage.refused = true;
  shedInput(connection);
}

/** Gives up what is held of the client's requests, if that can be done without ending the connection. */
function shedInput(connection: Connection): void {
  const { clients, session, incoming } = connection;
  const { engine, usage } = clients;
  if (session.wait !== undefined) endWait(engine, session);
  else if (refusePartial(session)) {
    setInput(usage, incoming, heldBytes(session), engine.runtime.monotonic());
  }
}

/** Where memory is short, evicts clients that make the server hold much and have stalled. */
export function evictStalled({ usage, connections, engine }: Clients): void {
  const now = engine.runtime.monotonic();
  evictStalledClients(usage, connections, now, (connection, which) => {
    // A client that waits for a message is told that it waits no longer.
    const isTold = which === "incoming" && connection.session.wait !== undefined;
    if (which === "incoming") shedInput(connection);
    if (!isTold && connection[which].bytes > 0) connection.socket.terminate();
  });
}

/** Nothing is gathered from the client until others have taken what they were sent. */
function awaitRoom(connection: Connection): void {
  const { clients } = connection;
  connection.blocked = true;
  if (clients.usage.admitted === connection) clients.usage.admitted = undefined;
  clients.usage.awaiting.add(connection);
  admitSoon(clients);
}

/** Lets one of the clients that wait for room go on, after what is being done now. */
function admitSoon(clients: Clients): void {
  if (clients.usage.awaiting.size > 0) clients.engine.runtime.soon(() => admitNext(clients));
}

/** One at a time, since each takes of the room. */
function admitNext({ usage }: Clients): void {
  const next = nextToAdmit(usage);
  if (next === undefined) return;
  usage.awaiting.delete(next);
  usage.admitted = next;
  next.blocked = isBehind(next);
  resume(next.session);
}

/** Whether so much is unsent that the client must read before it is served further. */
function isBehind({ clients, outgoing }: Connection): boolean {
  return outgoing.bytes > (isOutputFull(clients.usage) ? 0 : MAX_UNSENT);
}

/** Reads from the client, or not, as it is with it now. */
function updateReadInterest(connection: Connection): void {
  const { phase, blocked, session } = connection;
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

/** Sends what the system takes, and keeps the rest. @returns false when the client is gone and gets nothing of it */
function send(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): boolean {
  if (connection.phase === "closed") return false;
  const isGone = !sendOrKeep(connection, bytes, start, end, stable);
  if (connection.outgoing.bytes > 0 && isBehind(connection)) {
    connection.blocked = true;
    updateReadInterest(connection);
  }
  return !isGone;
}

/** @returns how many of the bytes the system took; -1 when the client is gone */
function write(connection: Connection, bytes: Buffer, start: number, end: number): number {
  const sent = connection.socket.write(bytes, start, end - start);
  if (sent < 0) {
    // What is learned by writing may never be told again.
    setImmediate(() => connection.socket.terminate());
    return -1;
  }
  connection.clients.engine.stats.bytesWritten += sent;
  return sent;
}

/** All replies are made: the connection ends once they are sent. */
function endReplies(connection: Connection): void {
  if (connection.phase !== "served") return;
  connection.phase = "sending";
  closeOrLinger(connection);
}

/** Whether something is still to be done for the client, or to be sent, before its connection ends. */
export function isOwed({ phase }: Connection): boolean {
  return phase === "served" || phase === "sending";
}

function closeOrLinger(connection: Connection): void {
  if (connection.phase !== "sending" || connection.outgoing.bytes > 0) return;
  connection.phase = "lingering";
  connection.blocked = false;
  updateReadInterest(connection);
  if (connection.session.inputEnded) {
    connection.socket.end();
  } else {
    connection.socket.shutdown();
    connection.socket.timeout(LINGER_SECONDS);
  }
}

/** The system has room again. */
export function drain(connection: Connection): void {
  const { clients, outgoing, session } = connection;
  const moved = sendUnsent(connection);
  if (moved > 0) noteMoved(outgoing, moved, clients.engine.runtime.monotonic());
  admitSoon(clients);
  if (outgoing.bytes > 0) return;
  if (connection.blocked && !clients.usage.awaiting.has(connection)) {
    connection.blocked = false;
    resume(session);
  }
  closeOrLinger(connection);
}
