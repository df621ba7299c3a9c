/** One client of the load: what it asks for next, and what it makes of the answers. */
import { MOST_BYTES } from "./body.ts";
import {
  bookOf,
  type Drop,
  fault,
  forgetDrop,
  isUnknown,
  noteDrop,
  noteDropped,
  noteGone,
  noteRead,
  noteRefused,
  noteSet,
  noteStored,
  type Sent,
  type Taking,
  tick,
} from "./ledger.ts";
import type { Load } from "./load.ts";
import { type Reply, type Request, setBytes, type Shape, type Wire } from "./wire.ts";

export interface Client {
  load: Load;
  wire: Wire | undefined;
  /** It ended its connection itself. */
  leaving: boolean;
  producer: number;
  sequence: number;
  /** Requests that may be on their way at once. */
  depth: number;
  /** The message that the connection has open in each queue, as far as answers were read. */
  open: Map<string, Sent>;
  /** Opens that were sent and not answered, for each queue. */
  opening: Map<string, number>;
  /** The sequence number that was read last, for each queue and producer. */
  last: Map<string, number>;
}

/** What a `get` asks of one queue. */
interface Key {
  queue: string;
  /** With their slashes. */
  options: string;
  closes: boolean;
  aborts: boolean;
  taking: Taking | undefined;
}

export function newClient(load: Load): Client {
  return {
    load,
    wire: undefined,
    leaving: false,
    producer: ++load.ledger.producers,
    sequence: 0,
    depth: load.random.pick(load.depths),
    open: new Map(),
    opening: new Map(),
    last: new Map(),
  };
}

export function nextRequest(client: Client): Request {
  const { random, ledger, queues, backlog, sets, drops } = client.load;
  const queue = random.pick(queues);
  if (random.below(100_000) < drops) return anyDrop(client, queue);
  const dice = random.below(10_000);
  if (dice < 8) return otherRequest(client, random.pick(["db_checkpoint", "db_archive"]), "line");
  if (dice < 33) return otherRequest(client, `stats queue ${queue}`, "list");
  if (dice < 43) return versionRequest(client);
  if (random.below(100) < sets && ledger.backlog < backlog) return setRequest(client, queue);
  return getRequest(client, keysOf(client, queue));
}

function setRequest(client: Client, queue: string): Request {
  const { ledger, random, failing } = client.load;
  const origin = { queue, producer: client.producer, sequence: ++client.sequence };
  const { sent, body, flags } = noteSet(ledger, origin, lengthOf(client.load));
  const noreply = random.below(10) === 0;
  return {
    bytes: setBytes(queue, flags, body, noreply),
    shape: noreply ? "none" : "line",
    answered(reply) {
      if (noreply) {
        // What was asked for later is committed. A failing disk may have refused this all the same.
        if (!failing && isCommitted(reply)) noteStored(ledger, sent);
      } else if (reply.line === "STORED") noteStored(ledger, sent);
      else {
        noteRefused(ledger, sent, reply.line);
        judgeError(client, "a set", reply.line);
      }
    },
    lost() {},
  };
}

function isCommitted({ line, values }: Reply): boolean {
  return line === "STORED" || line === "DELETED" || values.length > 0;
}

/** Bytes of a body: mostly few, sometimes none but its head, seldom a megabyte. */
function lengthOf({ random }: Load): number {
  const dice = random.below(2000);
  if (dice < 1) return MOST_BYTES;
  if (dice < 10) return random.between(60_000, 300_000);
  if (dice < 100) return random.between(2000, 20_000);
  if (dice < 500) return random.between(200, 2000);
  return random.below(200);
}

function anyDrop(client: Client, queue: string): Request {
  const { random, queues } = client.load;
  const dice = random.below(7);
  if (dice < 1) return dropRequest(client, "flush_all", queues, "flush");
  if (dice < 4) return dropRequest(client, `delete ${queue}`, [queue], "delete");
  return dropRequest(client, `flush ${queue}`, [queue], "flush");
}

function dropRequest(
  client: Client,
  command: string,
  queues: readonly string[],
  kind: Drop["kind"],
): Request {
  const { ledger } = client.load;
  const drops = queues.map((queue) => ({ queue, drop: noteDrop(ledger, queue, kind) }));
  return {
    bytes: Buffer.from(`${command}\r\n`, "latin1"),
    shape: "line",
    answered({ line }) {
      const isDone = ["DELETED", "NOT_FOUND", "END", "OK"].includes(line);
      for (const { queue, drop } of drops) {
        if (isDone) noteDropped(ledger, queue, drop);
        else if (!isUnknown(line)) forgetDrop(ledger, queue, drop);
      }
      if (!isDone) judgeError(client, command, line);
    },
    lost() {},
  };
}

export function versionRequest(client: Client): Request {
  return otherRequest(client, "version", "line");
}

/** A request that changes nothing. */
function otherRequest(client: Client, command: string, shape: Shape): Request {
  return {
    bytes: Buffer.from(`${command}\r\n`, "latin1"),
    shape,
    answered({ line }) {
      if (!/^(OK|END|VERSION \S+)$/.test(line)) judgeError(client, command, line);
    },
    lost() {},
  };
}

function keysOf(client: Client, queue: string): Key[] {
  const { random, queues } = client.load;
  const dice = random.below(100);
  if (dice < 55) return [key(queue, "", "take")];
  if (dice < 65) {
    const others = queues.filter((other) => other !== queue && random.below(2) === 0);
    return [queue, ...others].map((name) => key(name, "", "take"));
  }
  if (dice < 68) return [key(queue, `/t=${random.below(20)}`, "take")];
  if (dice < 73) return [key(queue, "/peek", "peek")];
  if (dice < 77) return [key(queue, "/close", undefined)];
  if (dice < 82) return [key(queue, "/abort", undefined)];
  const isOpen = client.open.has(queue) || (client.opening.get(queue) ?? 0) > 0;
  if (dice < 90 && !isOpen) return [key(queue, "/open", "open")];
  return [key(queue, random.pick(["/close/open", `/close/t=${random.below(20)}/open`]), "open")];
}

function key(queue: string, options: string, taking: Taking | undefined): Key {
  const has = (word: string) => options.includes(word);
  return { queue, options, closes: has("/close"), aborts: has("/abort"), taking };
}

function getRequest(client: Client, keys: Key[]): Request {
  const { ledger } = client.load;
  const { open, opening } = client;
  const askedAt = tick(ledger);
  const texts = keys.map(({ queue, options }) => queue + options);
  for (const { queue, taking } of keys) {
    if (taking === "open") opening.set(queue, (opening.get(queue) ?? 0) + 1);
  }
  return {
    bytes: Buffer.from(`get ${texts.join(" ")}\r\n`, "latin1"),
    shape: "list",
    answered(reply) {
      const isDone = reply.line === "END";
      for (const { queue, taking, closes, aborts } of keys) {
        if (taking === "open") opening.set(queue, (opening.get(queue) ?? 0) - 1);
        if (closes) settle(client, queue, isDone);
        if (aborts) open.delete(queue);
      }
      const read = readValues(client, keys, reply, askedAt);
      if (isUnknown(reply.line)) noteUnknown(client, keys.slice(read));
      if (!isDone) judgeError(client, `get ${texts.join(" ")}`, reply.line);
    },
    lost() {
      for (const each of keys) loseKey(client, each);
    },
  };
}

/** The answer to a close was read: the message is gone, unless there was an error. */
function settle({ load, open }: Client, queue: string, isDone: boolean): void {
  const sent = open.get(queue);
  open.delete(queue);
  if (sent === undefined) return;
  if (isDone) noteGone(load.ledger, sent);
  // What came after the close may be what failed.
  else sent.perhapsGone = true;
}

/** The server does not know either whether it took the messages. */
function noteUnknown({ load }: Client, keys: Key[]): void {
  for (const { queue, taking } of keys) {
    if (taking === "take") bookOf(load.ledger, queue).unread++;
  }
}

/** @returns how many of the keys had their turn */
function readValues(client: Client, keys: Key[], { values }: Reply, askedAt: number): number {
  const { ledger } = client.load;
  let at = 0;
  for (const value of values) {
    while (at < keys.length && `${keys[at]?.queue}${keys[at]?.options}` !== value.key) at++;
    const found = keys[at++];
    if (found?.taking === undefined) {
      fault(ledger, `nobody asked for ${value.key}`);
      return at;
    }
    const sent = noteRead(ledger, found.queue, value, found.taking, askedAt);
    if (sent === undefined || found.taking === "peek") continue;
    if (found.taking === "open") client.open.set(found.queue, sent);
    noteSequence(client, sent);
  }
  return at;
}

/** On one connection messages come in the order in which their producer set them. */
function noteSequence({ load, last }: Client, sent: Sent): void {
  const { queue, producer, sequence } = sent;
  const place = `${queue} ${producer}`;
  if (sequence < (last.get(place) ?? 0)) bookOf(load.ledger, queue).overtaken.add(sent);
  last.set(place, sequence);
}

/** Nobody will know what became of it. */
function loseKey({ load, open, opening }: Client, { queue, taking, closes, aborts }: Key): void {
  const book = bookOf(load.ledger, queue);
  const sent = open.get(queue);
  if (closes && sent !== undefined) sent.perhapsGone = true;
  // It may have closed what an open before it has opened.
  else if (closes && (opening.get(queue) ?? 0) > 0) book.unread++;
  if (closes || aborts) open.delete(queue);
  if (taking === "take") book.unread++;
  if (taking === "take" || taking === "open") book.overtaking++;
}

function judgeError(client: Client, what: string, line: string): void {
  const { ledger, failing } = client.load;
  if (failing && line.startsWith("SERVER_ERROR ")) ledger.reasons.add(line);
  else fault(ledger, `${what} is answered ${line}`);
}
