/** A simulated client: what it sends arrives in pieces, and what it is sent is compared with what it may be sent. */
import type { ClientSocket, Connection } from "../../src/net/clients.ts";
import { drain, endInput, openConnection, receiveChunk } from "../../src/net/connection.ts";
import { type Ask, bytesOf } from "./ask.ts";
import type { Habits } from "./plan.ts";
import { leaveLine } from "./state.ts";
import { countOne } from "./statistics.ts";
import { type Asked, newAsked, newTalk, type Talk, wrongOf } from "./talk.ts";
import { ofText, Violation } from "./violation.ts";
import { guard, type World } from "./world.ts";

export interface Client {
  id: number;
  habits: Habits;
  connection: Connection;
  talk: Talk;
  /** Bytes that are on their way to the server, in the pieces in which they arrive, and all that it ever sent. */
  outgoing: Buffer[];
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
  const talk = newTalk(id);
  const client: Omit<Client, "connection"> = {
    id,
    habits,
    talk,
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
    write: (bytes, start, length) => guard(world, () => write(world, client, bytes, start, length)),
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
  const { habits, outgoing, connection, talk } = client;
  const isUnsent = connection.outgoing.bytes > 0;
  // It takes so little at a time that it may be too slow.
  const isSlow = habits.window < MIN_WINDOW && (isUnsent || connection.session.sink.blocked);
  if (client.isDead || client.leaves || isSlow) return;
  if (isUnsent && habits.reads !== "all") return;
  const [asked] = talk.asks;
  const isIncomplete = outgoing.length > 0 && !connection.paused;
  const isCut = asked === undefined || asked.end > talk.arrived;
  if (!isUnsent && (isIncomplete || isCut || talk.wait !== undefined)) return;
  throw new Violation(`client ${client.id} is evicted, and waits for the server`);
}

/** The system takes what there is room for. */
function write(world: World, client: Client, bytes: Buffer, start: number, length: number): number {
  if (client.isDead) return -1;
  const taken = Math.min(length, client.habits.window - client.unread);
  client.isFull = taken < length;
  client.unread += taken;
  if (taken === 0) return 0;
  const { direct } = client;
  if (client.sent.length === 0 && direct.bytes === bytes && direct.start === start) {
    direct.start += taken;
  } else {
    compareSent(client, bytes, start, start + taken);
  }
  world.digest = Bun.hash.xxHash32(bytes.subarray(start, start + taken), world.digest);
  return taken;
}

/** What the server kept must come out unchanged, and in order. */
function compareSent({ id, sent }: Client, bytes: Buffer, start: number, end: number): void {
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
    const from = talk.promised - pending(talk);
    guard(world, () => check(talk, bytes, start, end));
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

/** Promised bytes that were not sent yet. */
function pending({ expected }: Talk): number {
  let bytes = 0;
  for (const piece of expected) if (typeof piece !== "function") bytes += piece.length;
  return bytes;
}

function check(talk: Talk, bytes: Buffer, start: number, end: number): void {
  let at = start;
  while (at < end) {
    const [piece] = talk.expected;
    if (piece === undefined) {
      const sent = ofText(bytes.toString("latin1", at, Math.min(end, at + 200)));
      throw new Violation(`client ${talk.id} is sent ${sent}, which is promised by nothing`);
    }
    if (typeof piece === "function") {
      at += piece(bytes.toString("latin1", at, end));
      talk.expected.shift();
      continue;
    }
    const size = Math.min(piece.length, end - at);
    const part = size === piece.length ? piece : piece.slice(0, size);
    if (bytes.toString("latin1", at, at + size) !== part) {
      const all = bytes.toString("latin1", at, end);
      let same = 0;
      while (same < size && all[same] === piece[same]) same++;
      const from = Math.max(0, same - 60);
      const sent = ofText(all.slice(from, same + 40));
      const right = ofText(piece.slice(from, same + 40));
      throw new Violation(`client ${talk.id} is sent ${sent}, must be sent ${right}`);
    }
    at += size;
    if (size === piece.length) talk.expected.shift();
    else talk.expected[0] = piece.slice(size);
  }
}

/** The client sends requests; the pieces arrive one by one. */
export function send(
  world: World,
  client: Client,
  asks: readonly Ask[],
  pieces: readonly number[],
): void {
  if (client.isDead || client.ends) return;
  let text = "";
  for (const ask of asks) {
    const bytes = wrongOf(ask)?.bytes(world.plan.config.maxBody) ?? bytesOf(ask);
    client.sentBytes += bytes.length;
    text += bytes;
    if (!client.talk.finished) client.talk.asks.push(newAsked(ask, client.sentBytes));
  }
  const all = Buffer.from(text, "latin1");
  let at = 0;
  for (const piece of [...pieces, all.length]) {
    if (at >= all.length) break;
    client.outgoing.push(all.subarray(at, Math.min(all.length, at + piece)));
    at += piece;
  }
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
  const piece = client.outgoing.shift();
  if (piece !== undefined) {
    arrive(world, client, piece);
    if (client.leaves && client.outgoing.length === 0) client.isDead = true;
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
  talk.expected = [];
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
