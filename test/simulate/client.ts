/** A simulated client: what it sends arrives in pieces, and what it is sent is compared with what it may be sent. */
import type { ClientSocket, Connection } from "../../src/net/clients.ts";
import { drain, endInput, openConnection, receiveChunk } from "../../src/net/connection.ts";
import { writeText } from "../../src/protocol/buffer.ts";
import { type Ask, tailOf, writeAsk } from "./ask.ts";
import { compareSent, forget, unsentBytes } from "./expected.ts";
import type { Habits } from "./plan.ts";
import { leaveLine } from "./state.ts";
import { countOne } from "./statistics.ts";
import { type Asked, newAsked, newTalk, type Talk, wrongOf } from "./talk.ts";
import { withLease } from "./told.ts";
import { Violation } from "./violation.ts";
import { guard, type World } from "./world.ts";

/** Requests that are sent at once. `pieces`: lengths in bytes of the parts in which they arrive; the rest is the last. */
interface Requests {
  asks: readonly Ask[];
  pieces: readonly number[];
}

export interface Client {
  id: number;
  habits: Habits;
  connection: Connection;
  talk: Talk;
  /** Requests that are on their way to the server, and of the first ones the pieces in which they arrive. */
  requests: Requests[];
  outgoing: Buffer[];
  /** All bytes that it ever sent. */
  sentBytes: number;
  /** Bytes that the server has sent and the socket was not given yet: they must come out in this order. */
  sent: Buffer[];
  /** What the engine sends at this moment, as far as the system has not taken it. */
  direct: { bytes: Buffer | undefined; start: number };
  /** Bytes in the system's buffer, which the client has not read. */
  unread: number;
  /** The server waits until the system takes bytes again. */
  isFull: boolean;
  isPaused: boolean;
  /** It ends its side behind what it has sent; and the server was told. */
  ends: boolean;
  ended: boolean;
  /** The server has ended its side; it is gone; the server is to be told of that. */
  isShut: boolean;
  isDead: boolean;
  /** It is gone as soon as all that it has sent has arrived. */
  leaves: boolean;
  closes: boolean;
  /** When the server gives up, in milliseconds. */
  until: number;
}

export function connect(world: World, id: number, habits: Habits): Client {
  const { clients, judge } = world;
  const talk = newTalk(id, habits.reads === "all" && habits.window >= MIN_WINDOW);
  const client: Omit<Client, "connection"> = {
    id,
    habits,
    talk,
    requests: [],
    outgoing: [],
    sentBytes: 0,
    sent: [],
    direct: { bytes: undefined, start: 0 },
    unread: 0,
    isFull: false,
    isPaused: false,
    ends: false,
    ended: false,
    isShut: false,
    isDead: false,
    leaves: false,
    closes: false,
    until: Infinity,
  };
  const connection = openConnection(clients, socketOf(world, client as Client));
  const whole: Client = Object.assign(client, { connection });
  watch(world, whole);
  judge.talks.set(connection.session, talk);
  countOne(judge.counters, "curr_connections");
  countOne(judge.counters, "total_connections");
  world.people.set(id, whole);
  return whole;
}

function socketOf(world: World, client: Client): ClientSocket {
  return {
    write: (bytes, start, length) => guard(world, () => take(world, client, bytes, start, length)),
    pause: () => void (client.isPaused = true),
    resume: () => void (client.isPaused = false),
    shutdown: () => void (client.isShut = true),
    end() {
      client.isShut = true;
      client.closes = true;
    },
    terminate() {
      if (world.isEvicting) guard(world, () => checkEviction(client));
      client.isDead = true;
      client.closes = true;
    },
    timeout: (seconds) => void (client.until = world.time.now + seconds * 1000),
  };
}

/** Bytes. */
const MIN_WINDOW = 64 * 1024;

/** Only clients that don't do their part may be evicted. */
function checkEviction(client: Client): void {
  const { habits, connection, talk } = client;
  const isUnsent = connection.outgoing.bytes > 0;
  // It takes so little at a time that it may be too slow.
  const isSlow = habits.window < MIN_WINDOW && (isUnsent || connection.session.sink.blocked);
  if (client.isDead || client.leaves || isSlow) return;
  if (isUnsent && habits.reads !== "all") return;
  const [asked] = talk.asks;
  const isIncomplete = isSending(client) && !connection.paused;
  const isCut = asked === undefined || asked.end > talk.arrived;
  if (!isUnsent && (isIncomplete || isCut || talk.wait !== undefined)) return;
  throw new Violation(`client ${client.id} is evicted, and waits for the server`);
}

/** The system takes what there is room for. */
function take(world: World, client: Client, bytes: Buffer, start: number, length: number): number {
  if (client.isDead) return -1;
  const taken = Math.min(length, client.habits.window - client.unread);
  client.isFull = taken < length;
  client.unread += taken;
  if (taken === 0) return 0;
  const { direct } = client;
  if (client.sent.length === 0 && direct.bytes === bytes && direct.start === start) {
    direct.start += taken;
  } else {
    compareTaken(client, bytes, start, start + taken);
  }
  world.digest = Bun.hash.xxHash32(bytes.subarray(start, start + taken), world.digest);
  return taken;
}

/** What the server kept must come out unchanged, and in order. */
function compareTaken({ id, sent }: Client, bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end;) {
    const [next] = sent;
    if (next === undefined) throw new Violation(`client ${id} is given bytes of nowhere`);
    const size = Math.min(next.length, end - at);
    if (bytes.compare(next, 0, size, at, at + size) !== 0) {
      throw new Violation(`client ${id} is given other bytes than were sent`);
    }
    if (size === next.length) sent.shift();
    else sent[0] = next.subarray(size);
    at += size;
  }
}

/** Compares all that the engine sends. */
function watch(world: World, client: Client): void {
  const { sink } = client.connection.session;
  const { send } = sink;
  const { direct, talk } = client;
  sink.send = (bytes, start, end, stable) => {
    const from = talk.promised - unsentBytes(talk.expected);
    guard(world, () => compareSent(talk.expected, talk.id, bytes, start, end));
    direct.bytes = bytes;
    direct.start = start;
    const isSent = send(bytes, start, end, stable);
    if (isSent && direct.start < end) {
      client.sent.push(Buffer.from(bytes.subarray(direct.start, end)));
    }
    direct.bytes = undefined;
    if (isSent) return true;
    for (const { at, queue, serial, message } of talk.taken) {
      if (at < from || at >= from + end - start) continue;
      world.judge.owed.push({ queue, serial, message, client: talk.id });
    }
    return false;
  };
}

/** The client sends requests, which arrive once those before them have. */
export function send(client: Client, asks: readonly Ask[], pieces: readonly number[]): void {
  if (!client.isDead && !client.ends) client.requests.push({ asks, pieces });
}

/** Whether anything of it is on its way to the server. */
export function isSending({ requests, outgoing }: Client): boolean {
  return outgoing.length > 0 || requests.length > 0;
}

/** The next piece that arrives of what the client has sent. */
function nextPiece(world: World, client: Client): Buffer | undefined {
  const { outgoing, requests } = client;
  while (outgoing.length === 0) {
    const next = requests.shift();
    if (next === undefined) return undefined;
    cut(write(world, client, next.asks), next.pieces, outgoing);
  }
  return outgoing.shift();
}

/** Writes the requests, and remembers them. @returns their bytes, which stay as they are */
function write({ encoded, plan, judge }: World, client: Client, asks: readonly Ask[]): Buffer {
  const { talk } = client;
  encoded.length = 0;
  const first = talk.asks.length;
  for (const each of asks) {
    const ask = withLease(judge, each);
    const wrong = wrongOf(ask);
    if (wrong === undefined) writeAsk(encoded, ask);
    else writeText(encoded, wrong.bytes(plan.config.maxBody));
    if (!talk.finished) talk.asks.push(newAsked(ask, client.sentBytes + encoded.length));
  }
  const bytes = copyOf(encoded.buffer, 0, encoded.length);
  for (let n = first; n < talk.asks.length; n++) {
    const asked = talk.asks[n] as Asked;
    const { kind, size = 0 } = asked.ask;
    if (kind !== "set") continue;
    const end = asked.end - client.sentBytes - tailOf(asked.ask);
    asked.body = { bytes, start: end - size, end };
  }
  client.sentBytes += bytes.length;
  return bytes;
}

/** Each piece is a copy: it is the server's own from then on. */
function cut(bytes: Buffer, pieces: readonly number[], outgoing: Buffer[]): void {
  let at = 0;
  for (const piece of pieces) {
    const end = Math.min(bytes.length, at + piece);
    if (end > at) outgoing.push(copyOf(bytes, at, end));
    at = end;
  }
  if (at < bytes.length) outgoing.push(copyOf(bytes, at, bytes.length));
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** One turn of the loop for this client: a piece of what it sent arrives, and so on. @returns whether anything happened */
export function serve(world: World, client: Client): boolean {
  if (client.closes || world.time.now >= client.until) {
    hangUp(world, client);
    return true;
  }
  if (client.habits.reads === "all") client.unread = 0;
  let isMoved = false;
  if (client.isFull && client.unread < client.habits.window && !client.isDead) {
    client.isFull = false;
    drain(client.connection);
    isMoved = true;
  }
  if (client.isPaused || client.ended || client.isDead) return isMoved;
  const piece = nextPiece(world, client);
  if (piece !== undefined) {
    arrive(world, client, piece);
    if (client.leaves && !isSending(client)) client.isDead = true;
    return true;
  }
  // A client closes when the server has, and it has read all.
  if (client.isShut && client.unread === 0) client.ends = true;
  if (!client.ends) return isMoved;
  client.ended = true;
  client.talk.ended = true;
  endInput(client.connection);
  return true;
}

function arrive(world: World, { talk, connection }: Client, piece: Buffer): void {
  const { session } = connection;
  const isRead = connection.phase === "served" && session.phase === "open" && !session.inputEnded;
  talk.arrived += piece.length;
  if (isRead) countOne(world.judge.counters, "bytes_read", piece.length);
  receiveChunk(connection, piece);
}

/** The server hears that the client is gone. */
export function hangUp(world: World, client: Client): void {
  const { connection, talk } = client;
  const { engine } = world;
  markBegun(client);
  talk.gone = true;
  leaveLine(world.judge, talk);
  forget(talk.expected);
  client.isDead = true;
  world.people.delete(client.id);
  countOne(world.judge.counters, "curr_connections", -1);
  world.close(connection);
  if (engine.sessions.has(connection.session)) throw new Violation(`session ${talk.id} is left`);
}

/** What is in a group by now, or was read and waits, must be done. */
function markBegun({ connection, talk }: Client): void {
  const { session } = connection;
  const { engine, deferred, current } = session;
  const begun = new Set(deferred.map(({ request }) => request));
  if (current !== undefined) begun.add(current);
  for (const group of [engine.closed, engine.gathering]) {
    for (const { session: of, request, kind } of group.entries.slice(group.done, group.count)) {
      if (of === session && kind !== "restore" && kind !== "release") begun.add(request);
    }
  }
  // What is left of a request that has its error already is not done.
  if (talk.failed !== undefined) begun.delete(talk.failed);
  const done: Asked[] = talk.asks.slice(0, begun.size);
  for (const asked of done) asked.isBegun = true;
  talk.asks = done;
}
