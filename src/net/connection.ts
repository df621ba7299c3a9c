import type { Socket } from "bun";

import { execute } from "../engine/handler.ts";
import {
  endTurn,
  failTurn,
  guard,
  isTurnLarge,
  scheduleEnd,
  type Server,
} from "../engine/server.ts";
import { countConnection } from "../engine/stats.ts";
import type { Client, Patience } from "../engine/turn.ts";
import { removeWaiter } from "../engine/waiters.ts";
import { writeFailure } from "../protocol/binary/encoder.ts";
import { newBytes, release } from "../protocol/buffer.ts";
import { nextRequest } from "../protocol/decoder.ts";
import { feed, giveUp, heldBytes, type Input, newInput, settle } from "../protocol/input.ts";
import { refusalLine, writeLine } from "../protocol/text/encoder.ts";
import { dismiss } from "../queues/local/broker.ts";
import { newConsumer } from "../queues/local/consumer.ts";
import { LARGE_BODY } from "../queues/local/segment.ts";
import { verbosity } from "../util/log.ts";
import {
  FEW_BYTES,
  isCrowded,
  isFull,
  newShare,
  nextWaiting,
  noteMoved,
  relieve,
  setInput,
  setOutput,
  type Share,
} from "./backpressure.ts";
import { isBehind, sendOrKeep, sendUnsent, type Unsent } from "./output.ts";

/**
 * How far a connection is: it is served; it is done, and its last answers wait for the turn to end; they are being
 * sent; everything is sent, and what still arrives is thrown away until the client closes, so that no reset overtakes
 * the answers; it is closed.
 */
type Phase = "open" | "finishing" | "sending" | "lingering" | "closed";

/** One client over TCP or a Unix socket. */
export interface Connection extends Client {
  server: Server;
  socket: Socket<Connection | undefined>;
  input: Input;
  patience: Patience;
  phase: Phase;
  unsent: Unsent[];
  /** Its shares of the load: what is held of its requests, and of the answers to it. */
  incoming: Share;
  outgoing: Share;
  /** Too much is unsent, to it or to all: nothing is executed until that has changed. */
  blocked: boolean;
  /** Nothing is read: the client is blocked, or has sent much more than was executed. */
  paused: boolean;
  /** Others are served before it goes on, which it does by itself. */
  yielding: boolean;
}

/** A client that sends so many bytes more while it waits is not kept waiting. */
const MOST_AHEAD = 1024 * 1024;
/** A client of which more bytes than this are not executed is not read from before they are. */
const MOST_BEHIND = 64 * 1024;
/** So many requests of one client are executed in a turn in which others are answered, too, and in one of its own. */
const MOST_BESIDE = 32;
const MOST_ALONE = 128;
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
      awaitRoom: () => awaitRoom(connection),
      resume: () => serve(connection),
    },
    phase: "open",
    unsent: [],
    incoming: newShare(),
    outgoing: newShare(),
    blocked: false,
    paused: false,
    yielding: false,
    // A message that is not large always fits.
    room: () => 2 * LARGE_BODY,
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
  forgetInput(connection);
  setInput(server.load, connection.incoming, 0);
  setOutput(server.load, connection.outgoing, 0);
  server.load.waiting.delete(connection);
  if (patience.waiter !== undefined) removeWaiter(server.broker.waiters, patience.waiter);
  try {
    dismiss(server.broker, consumer);
  } catch (error) {
    failTurn(server, error);
  }
  admitSoon(server);
  scheduleEnd(server);
}

/** What has arrived is not looked at any more, and takes no memory. */
function forgetInput(connection: Connection): void {
  connection.input = newInput(connection.server.options.maxBody, connection.input.binary);
}

export function receive(connection: Connection, chunk: Buffer): void {
  if (connection.phase !== "open" || connection.patience.ended) return;
  connection.server.stats.bytesRead += chunk.length;
  connection.input.keepLines = verbosity() >= 2;
  feed(connection.input, chunk);
  if (connection.incoming.bytes > 0) noteMoved(connection.incoming, chunk.length);
  if (connection.patience.waiter === undefined) serve(connection);
  // A connection that is not read from would not be seen to end, and its message would be lost.
  else if (ahead(connection) > MOST_AHEAD) endWaiting(connection);
  else weigh(connection);
}

/** How many bytes were received and not looked at yet. */
function ahead({ input }: Connection): number {
  return input.chunk.length - input.at;
}

/** Counts what is held of the client's requests, and refuses that where it is too much of all that is held. */
function weigh(connection: Connection): void {
  const { server, input, incoming } = connection;
  const held = heldBytes(input);
  if (held === incoming.bytes) return;
  setInput(server.load, incoming, held);
  if (held <= FEW_BYTES || !isFull(server.load, server.options.maxBody)) return;
  server.load.refused = true;
  lighten(connection);
}

/** Lets go of what is held of the client's requests, if that can be done without ending the connection. */
function lighten(connection: Connection): void {
  const { server, incoming, patience } = connection;
  if (patience.waiter !== undefined) {
    endWaiting(connection);
  } else if (connection.phase === "open" && giveUp(connection.input)) {
    executeFound(connection);
    setInput(server.load, incoming, heldBytes(connection.input));
    scheduleEnd(server);
  }
}

/** Where memory is short, lets go of those who have the server hold much and have stalled. */
export function relieveLoad({ load, connections }: Server): void {
  relieve(load, connections, (connection, which) => {
    // Who waits for a message is told that it waits no longer.
    const isTold = which === "incoming" && connection.patience.waiter !== undefined;
    if (which === "incoming") lighten(connection);
    if (!isTold && connection[which].bytes > 0) connection.socket.terminate();
  });
}

/** Nothing is executed for the client until others have taken what they are to be sent. */
function awaitRoom(connection: Connection): void {
  const { server } = connection;
  connection.blocked = true;
  server.load.waiting.add(connection);
  admitSoon(server);
}

/** Not at once: whoever asks may be in the middle of a command, or of the end of a turn. */
function admitSoon(server: Server): void {
  if (server.load.waiting.size > 0) setImmediate(() => guard(server, () => admit(server)));
}

/** Lets one of those go on that wait for room, when there is some: one a turn, since it takes of it. */
function admit(server: Server): void {
  const { load, turn } = server;
  const next = nextWaiting(load);
  if (next === undefined) return;
  load.waiting.delete(next);
  next.blocked = isBehind(next);
  serve(next);
  turn.afterwards.push(() => admitSoon(server));
  scheduleEnd(server);
}

/** Reads from the client, or not, as it is with it now. */
function regulate(connection: Connection): void {
  const { phase, blocked, patience } = connection;
  const isWaiting = patience.waiter !== undefined;
  const pause =
    phase !== "lingering" && (blocked || (!isWaiting && ahead(connection) > MOST_BEHIND));
  if (pause === connection.paused) return;
  connection.paused = pause;
  if (pause) connection.socket.pause();
  else connection.socket.resume();
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

/** Executes what has arrived, as far as the client takes the answers and others are not kept waiting. */
function serve(connection: Connection): void {
  const { server } = connection;
  if (connection.phase === "closed") return;
  const { chunk } = connection.input;
  if (!connection.yielding) executeArrived(connection);
  regulate(connection);
  settle(connection.input);
  if (connection.input.chunk !== chunk) release(chunk);
  weigh(connection);
  scheduleEnd(server);
}

function executeArrived(connection: Connection): void {
  const { server, patience } = connection;
  const { turn, load } = server;
  const begun = turn.size;
  let left = turn.count > 0 ? MOST_BESIDE : MOST_ALONE;
  while (connection.phase === "open" && !connection.blocked && patience.waiter === undefined) {
    const { rest } = patience;
    patience.rest = undefined;
    if (rest !== undefined) rest();
    else if (!executeNext(connection)) return;
    // Others come first before a large request goes on.
    if (patience.rest !== undefined) return;
    if (isCrowded(load) && turn.size - begun > FEW_BYTES) return giveWay(connection);
    if (isTurnLarge(server)) {
      endTurn(server);
      if (ahead(connection) > 0) return giveWay(connection);
    } else if (--left === 0 && server.connections.size > 1) {
      connection.yielding = true;
      turn.afterwards.push(() => giveWay(connection));
      return;
    }
  }
}

/** Lets the other connections be served before this one goes on. */
function giveWay(connection: Connection): void {
  connection.yielding = true;
  setImmediate(() => {
    connection.yielding = false;
    guard(connection.server, () => serve(connection));
  });
}

/** Executes the next request: false when it has not arrived. */
function executeNext(connection: Connection): boolean {
  if (!nextRequest(connection.input)) {
    if (connection.patience.ended) finish(connection);
    return false;
  }
  executeFound(connection);
  return true;
}

function executeFound(connection: Connection): void {
  const { server, input } = connection;
  const { kind, fatal } = input.request;
  execute(server, connection, input.request);
  if (kind === "quit" || (kind === "refused" && fatal)) finish(connection);
}

/** Ends the connection once everything it is owed is sent. */
function finish(connection: Connection): void {
  const { server } = connection;
  if (connection.phase !== "open") return;
  connection.phase = "finishing";
  forgetInput(connection);
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
  if (connection.phase !== "sending" || connection.outgoing.bytes > 0) return;
  connection.phase = "lingering";
  regulate(connection);
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
  if (sendOrKeep(connection, bytes, start, end, stable) || !isBehind(connection)) return;
  connection.blocked = true;
  regulate(connection);
}

/** Tells the client why nothing of a held answer has happened. */
function fail(connection: Connection, reason: string, held: Buffer, start: number): void {
  const answer = newBytes(64);
  if (connection.input.binary === true) writeFailure(answer, held, start, reason);
  else writeLine(answer, refusalLine("failure", reason));
  deliver(connection, answer.buffer, 0, answer.length, true);
}

/** The system has room again. */
export function drain(connection: Connection): void {
  sendUnsent(connection);
  admitSoon(connection.server);
  if (connection.outgoing.bytes > 0) return;
  if (connection.blocked && !connection.server.load.waiting.has(connection)) {
    connection.blocked = false;
    serve(connection);
  }
  endIfSent(connection);
}
