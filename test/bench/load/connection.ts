import type { Socket, SocketHandler } from "bun";

import { type Address, dial } from "../address.ts";
import type { Greeting } from "./dialect/dialect.ts";
import type { Batch, Script } from "./script.ts";

/** One client of the server. */
export type Connection = {
  socket: Socket<Connection>;
  /** What is left to be said before it begins. */
  greeting: Greet | null;
  script: Script;
  batch: Batch;
  /** Which of the script's batches comes next. */
  turn: number;
  /** Commands in the batch under way, and how many of them have been answered. */
  due: number;
  answered: number;
  /** What ends the operations of the batch under way, to be sent when all of it is answered. */
  next: Buffer[];
  /** Operations of the run that are over. */
  ops: number;
  /** Bytes of the batch under way that the socket took. */
  sent: number;
  startedAt: number;
  /** The beginning of an answer whose rest has not come yet. */
  held: Buffer;
  heldLength: number;
};

/** Greetings under way: the first of `left` was sent. */
type Greet = {
  left: readonly Greeting[];
  resolve: () => void;
  reject: (reason: Error) => void;
};

/** Rejects when the server refuses it. */
export async function connect(
  address: Address,
  handlers: SocketHandler<Connection>,
  greetings: readonly Greeting[],
): Promise<Connection> {
  const socket = await dial(address, handlers);
  socket.setNoDelay(true);
  const none = Buffer.alloc(0);
  const nothing: Batch = { requests: none, ends: [0], readers: [] };
  const connection: Connection = {
    socket,
    greeting: null,
    script: { depth: 1, batches: [nothing], readNext: null, renew: null },
    batch: nothing,
    turn: 0,
    due: 0,
    answered: 0,
    next: [],
    ops: 0,
    sent: 0,
    startedAt: 0,
    held: none,
    heldLength: 0,
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.greeting = { left: greetings, resolve, reject };
  socket.data = connection;
  greet(connection);
  await promise;
  connection.greeting = null;
  return connection;
}

/** Says the next greeting. */
function greet({ greeting, socket }: Connection): void {
  const [next] = greeting?.left ?? [];
  if (next === undefined) greeting?.resolve();
  else socket.write(next.request);
}

/** Something came before the connection has begun. */
export function receiveGreeting(connection: Connection, chunk: Buffer): void {
  const { greeting } = connection;
  const [first, ...others] = greeting?.left ?? [];
  if (greeting === null || first === undefined) return;
  const bytes = hold(connection, chunk);
  try {
    const length = first.read(bytes, 0, connection.heldLength);
    if (length === 0) return;
    if (length < connection.heldLength && others.length === 0) throw surplus(connection);
    keepRest(connection, bytes, length, connection.heldLength);
    greeting.left = others;
    greet(connection);
  } catch (error) {
    greeting.reject(error as Error);
  }
}

/** Begins with a batch, or with the first `due` commands of it. */
export function send(connection: Connection, batch: Batch, due: number): void {
  connection.batch = batch;
  connection.due = due;
  connection.answered = 0;
  connection.sent = 0;
  flush(connection);
}

/** Writes what is left of the batch; the socket says when there is room for more. */
export function flush(connection: Connection): void {
  const { batch, sent, due, socket } = connection;
  const end = batch.ends[due] ?? 0;
  if (sent < end) connection.sent += Math.max(0, socket.write(batch.requests, sent, end - sent));
}

/** Appends to what is held of an answer, and returns the buffer it is held in. */
export function hold(connection: Connection, chunk: Buffer): Buffer {
  const length = connection.heldLength + chunk.length;
  if (length > connection.held.length) {
    const larger = Buffer.allocUnsafeSlow(length * 2);
    connection.held.copy(larger, 0, 0, connection.heldLength);
    connection.held = larger;
  }
  chunk.copy(connection.held, connection.heldLength);
  connection.heldLength = length;
  return connection.held;
}

/** Keeps the bytes from `from` on: the beginning of the next answer. */
export function keepRest(connection: Connection, bytes: Buffer, from: number, to: number): void {
  if (from === to) {
    connection.heldLength = 0;
  } else if (connection.heldLength > 0) {
    connection.held.copyWithin(0, from, to);
    connection.heldLength = to - from;
  } else {
    hold(connection, bytes.subarray(from, to));
  }
}

/** What is wrong when the rest is no beginning of an answer. */
export function surplus({ held, heldLength }: Connection): Error {
  const text = held.toString("latin1", 0, Math.min(heldLength, 60));
  return new Error(`more was answered than asked: ${JSON.stringify(text)}`);
}
