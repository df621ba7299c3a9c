import type { Socket } from "bun";

import { execute } from "../handler.ts";
import { verbosity } from "../log.ts";
import { writeFailure } from "../protocol/binary/reply.ts";
import { newBytes } from "../protocol/bytes.ts";
import { feed, type Input, newInput } from "../protocol/input.ts";
import { nextCommand } from "../protocol/parser.ts";
import { refusalLine, writeLine } from "../protocol/text/reply.ts";
import { dismiss } from "../queue/broker.ts";
import { newConsumer } from "../queue/consumer.ts";
import { removeWaiter } from "../queue/waiters.ts";
import { endTurn, failTurn, isTurnLarge, scheduleEnd, type Server } from "../server.ts";
import { countConnection } from "../stats.ts";
import type { Client, Patience } from "../turn.ts";

/**
 * How far a connection is: it is served; it is done, and its last answers wait for the turn to end; they are being
 * sent; everything is sent, and what still arrives is thrown away until the client closes, so that no reset overtakes
 * the answers; it is closed.
 */
type Phase = "open" | "finishing" | "sending" | "lingering" | "closed";

/** Bytes that the system had no room for yet. */
interface Unsent {
  bytes: Buffer;
  start: number;
  end: number;
}

/** One client over TCP or a Unix socket. */
export interface Connection extends Client {
  server: Server;
  socket: Socket<Connection | undefined>;
  input: Input;
  patience: Patience;
  phase: Phase;
  unsent: Unsent[];
  unsentBytes: number;
  /** Too much is unsent: nothing is read or executed until it is gone. */
  blocked: boolean;
  /** Nothing is read: the client is blocked, or has sent more than was executed. */
  paused: boolean;
}

/** A client with more than so many bytes of answers unsent is not served further before it reads them. */
const MOST_UNSENT = 256 * 1024;
/** Small answers that must wait are gathered in pieces of this size. */
const UNSENT_PIECE = 64 * 1024;
/** A client that sends so many bytes more while it waits is not kept waiting. */
const MOST_AHEAD = 1024 * 1024;
/** A client of which more bytes than this are not executed is not read from before they are. */
const MOST_BEHIND = 64 * 1024;
/** How long a client has to close after the server did, in seconds. */
const LINGER_SECONDS = 2;

let lastId = 0;

export function openConnection(server: Server, socket: Socket<Connection | undefined>): Connection {
  const connection: Connection = {
    server,
    id: ++lastId,
    socket,
    input: newInput(server.options.maxBody),
    consumer: newConsumer(),
    patience: {
      waiter: undefined,
      rest: undefined,
      ended: false,
      resume: () => resume(connection),
    },
    phase: "open",
    unsent: [],
    unsentBytes: 0,
    blocked: false,
    paused: false,
    deliver: (bytes, start, end, stable) => deliver(connection, bytes, start, end, stable),
    fail: (reason, held, start) => fail(connection, reason, held, start),
  };
  server.connections.add(connection);
  countConnection(server.stats);
  return connection;
}

export function closeConnection(connection: Connection): void {
  const { server, patience, consumer } = connection;
  if (!server.connections.delete(connection)) return;
  server.stats.currentConnections--;
  connection.phase = "closed";
  connection.unsent.length = 0;
  if (patience.waiter !== undefined) removeWaiter(server.broker.waiters, patience.waiter);
  try {
    dismiss(server.broker, consumer);
  } catch (error) {
    failTurn(server, error);
  }
  scheduleEnd(server);
}

export function receive(connection: Connection, chunk: Buffer): void {
  if (connection.phase !== "open" || connection.patience.ended) return;
  connection.server.stats.bytesRead += chunk.length;
  connection.input.keepLines = verbosity() >= 2;
  feed(connection.input, chunk);
  if (connection.patience.waiter === undefined) serve(connection);
  // A connection that is not read from would not be seen to end, and its message would be lost.
  else if (ahead(connection) > MOST_AHEAD) endWaiting(connection);
}

/** How many bytes were received and not looked at yet. */
function ahead({ input }: Connection): number {
  return input.chunk.length - input.at;
}

/** The client has what it waited for, or it is its turn again. */
function resume(connection: Connection): void {
  if (connection.paused && !connection.blocked) unpause(connection);
  serve(connection);
}

function pause(connection: Connection): void {
  connection.paused = true;
  connection.socket.pause();
}

function unpause(connection: Connection): void {
  connection.paused = false;
  connection.socket.resume();
}

/** The client sends nothing more, or is not listened to any more: what has arrived is still answered. */
export function receiveEnd(connection: Connection): void {
  connection.patience.ended = true;
  if (connection.phase === "lingering") connection.socket.end();
  else if (connection.patience.waiter === undefined) serve(connection);
  else endWaiting(connection);
}

/** The client gets the answer that there is no message, though it would have waited longer. */
function endWaiting({ patience, server }: Connection): void {
  if (patience.waiter === undefined) return;
  removeWaiter(server.broker.waiters, patience.waiter);
  patience.waiter.giveUp();
}

/** Executes what has arrived, as far as the client takes the answers. */
function serve(connection: Connection): void {
  const { server, patience } = connection;
  while (connection.phase === "open" && !connection.blocked && patience.waiter === undefined) {
    const { rest } = patience;
    patience.rest = undefined;
    if (rest !== undefined) rest();
    else if (!executeNext(connection)) break;
    // Others come first before a large request goes on.
    if (patience.rest !== undefined) break;
    if (!isTurnLarge(server)) continue;
    endTurn(server);
    if (ahead(connection) > 0) {
      giveWay(connection);
      break;
    }
  }
  scheduleEnd(server);
}

/** Lets the other connections be served before this one goes on. */
function giveWay(connection: Connection): void {
  if (ahead(connection) > MOST_BEHIND && !connection.paused) pause(connection);
  setImmediate(() => resume(connection));
}

/** Executes the next request: false when it has not arrived. */
function executeNext(connection: Connection): boolean {
  const { server, input, patience } = connection;
  if (!nextCommand(input)) {
    if (patience.ended) finish(connection);
    return false;
  }
  const { kind, fatal } = input.command;
  execute(server, connection, input.command);
  if (kind === "quit" || (kind === "refused" && fatal)) finish(connection);
  return true;
}

/** Ends the connection once everything it is owed is sent. */
function finish(connection: Connection): void {
  const { server } = connection;
  if (connection.phase !== "open") return;
  connection.phase = "finishing";
  server.turn.afterwards.push(() => {
    if (connection.phase === "finishing") connection.phase = "sending";
    endIfSent(connection);
  });
  scheduleEnd(server);
}

/** Whether something is still to be done for the client, or to be sent, before its connection ends. */
export function isOwed({ phase }: Connection): boolean {
  return phase !== "lingering" && phase !== "closed";
}

function endIfSent(connection: Connection): void {
  if (connection.phase !== "sending" || connection.unsentBytes > 0) return;
  connection.phase = "lingering";
  if (connection.paused) unpause(connection);
  if (connection.patience.ended) {
    connection.socket.end();
  } else {
    connection.socket.shutdown();
    connection.socket.timeout(LINGER_SECONDS);
  }
}

function deliver(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): void {
  if (connection.phase === "closed" || start === end) return;
  let sent = 0;
  if (connection.unsentBytes === 0) {
    sent = Math.max(0, connection.socket.write(bytes, start, end - start));
    connection.server.stats.bytesWritten += sent;
  }
  if (start + sent === end) return;
  keepUnsent(connection, bytes, start + sent, end, stable);
  if (connection.unsentBytes > MOST_UNSENT && !connection.blocked) {
    connection.blocked = true;
    pause(connection);
  }
}

/** Tells the client why nothing of a held answer has happened. */
function fail(connection: Connection, reason: string, held: Buffer, start: number): void {
  const answer = newBytes(64);
  if (connection.input.binary === true) writeFailure(answer, held, start, reason);
  else writeLine(answer, refusalLine("failure", reason));
  deliver(connection, answer.buffer, 0, answer.length, true);
}

function keepUnsent(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): void {
  connection.unsentBytes += end - start;
  if (stable && end - start >= UNSENT_PIECE) {
    connection.unsent.push({ bytes, start, end });
    return;
  }
  let at = start;
  while (at < end) {
    const last = connection.unsent.at(-1);
    const room = last === undefined ? 0 : last.bytes.length - last.end;
    if (last === undefined || room === 0) {
      const piece = Buffer.allocUnsafeSlow(Math.max(UNSENT_PIECE, end - at));
      connection.unsent.push({ bytes: piece, start: 0, end: 0 });
    } else {
      const copied = bytes.copy(last.bytes, last.end, at, Math.min(end, at + room));
      last.end += copied;
      at += copied;
    }
  }
}

/** The system has room again. */
export function drain(connection: Connection): void {
  while (connection.unsent.length > 0) {
    const piece = connection.unsent[0] as Unsent;
    const sent = connection.socket.write(piece.bytes, piece.start, piece.end - piece.start);
    if (sent <= 0) return;
    connection.server.stats.bytesWritten += sent;
    connection.unsentBytes -= sent;
    piece.start += sent;
    if (piece.start < piece.end) return;
    connection.unsent.shift();
  }
  if (connection.blocked) {
    connection.blocked = false;
    resume(connection);
  }
  endIfSent(connection);
}
