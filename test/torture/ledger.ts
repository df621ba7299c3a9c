/**
 * What the server acknowledged, in the checker's own books: clients tell it what they ask and what they read.
 *
 * Times are counts of what the checker did and saw. What the server did lies between the asking and the reading, so
 * of two things one was surely first when its answer was read before the other was asked for.
 */
import { flagsOf, makeBody, type Origin, readBody } from "./body.ts";
import type { Value } from "./wire.ts";

/** One message, from the `set` on. */
export interface Sent extends Origin {
  length: number;
  askedAt: number;
  /** When STORED was read, or something else proved that it was stored; Infinity before. */
  storedAt: number;
  refused: boolean;
  /** When the answer was read that makes it gone for good; Infinity before. */
  goneAt: number;
  /** A plain `get` took it. */
  taken: boolean;
  /** A close was sent and its answer never read. */
  perhapsGone: boolean;
  /** It was there when a `delete` or `flush` was answered. */
  perhapsDropped: boolean;
  everOpen: boolean;
  /** When the first answer with it was read, and when the last request that brought it was sent. */
  firstReadAt: number;
  lastAskedAt: number;
}

/** A `delete`, or a `flush`, which leaves messages that are open. */
export interface Drop {
  kind: "delete" | "flush";
  askedAt: number;
  /** Infinity when nobody read the answer. */
  answeredAt: number;
}

/** A queue's counters as the server tells them. */
export interface Counters {
  sets: number;
  gets: number;
}

export interface Book {
  queue: string;
  messages: Map<string, Sent>;
  drops: Drop[];
  /** How many requests may have taken a message of which nobody read the answer. */
  unread: number;
  /** How many may have had one for a while: it came back, and was overtaken. */
  overtaking: number;
  /** Messages that came later on a connection than a younger one. */
  overtaken: Set<Sent>;
  /** When it was last looked at: how many sets the server counted, and how many messages there were. */
  counted: number;
  old: number;
}

export interface Ledger {
  clock: number;
  producers: number;
  books: Map<string, Book>;
  /** Messages that are stored, as far as one knows. */
  backlog: number;
  faults: string[];
  /** What errors the server gave as reasons. */
  reasons: Set<string>;
}

export type Taking = "take" | "open" | "peek";

export function newLedger(): Ledger {
  return { clock: 0, producers: 0, books: new Map(), backlog: 0, faults: [], reasons: new Set() };
}

export function tick(ledger: Ledger): number {
  return ++ledger.clock;
}

export function bookOf(ledger: Ledger, queue: string): Book {
  let book = ledger.books.get(queue);
  if (book === undefined) {
    book = {
      queue,
      messages: new Map(),
      drops: [],
      unread: 0,
      overtaking: 0,
      overtaken: new Set(),
      counted: 0,
      old: 0,
    };
    ledger.books.set(queue, book);
  }
  return book;
}

/** A message is about to be sent; its body has `length` bytes, or a few more. */
export function noteSet(ledger: Ledger, origin: Origin, length: number) {
  const body = makeBody(origin, length);
  const sent: Sent = {
    ...origin,
    length: body.length,
    askedAt: tick(ledger),
    storedAt: Infinity,
    refused: false,
    goneAt: Infinity,
    taken: false,
    perhapsGone: false,
    perhapsDropped: false,
    everOpen: false,
    firstReadAt: Infinity,
    lastAskedAt: 0,
  };
  bookOf(ledger, origin.queue).messages.set(keyOf(origin), sent);
  return { sent, body, flags: flagsOf(origin) };
}

export function noteStored(ledger: Ledger, sent: Sent): void {
  if (sent.storedAt !== Infinity) return;
  sent.storedAt = tick(ledger);
  ledger.backlog++;
}

/** Whether the error says that what was asked for may have happened all the same: a sync failed. */
export function isUnknown(line: string): boolean {
  return line.startsWith("SERVER_ERROR ") && line.endsWith(", outcome unknown");
}

/** The set was answered with an error. @param line the answer */
export function noteRefused(ledger: Ledger, sent: Sent, line: string): void {
  if (isUnknown(line)) return;
  sent.refused = true;
  if (sent.firstReadAt !== Infinity) fault(ledger, `refused, and read before: ${show(sent)}`);
}

/**
 * A message was read as the answer to a request that was sent at `askedAt`.
 * @returns the message, or undefined when it is none that could be there
 */
export function noteRead(
  ledger: Ledger,
  queue: string,
  { flags, body }: Value,
  taking: Taking,
  askedAt: number,
): Sent | undefined {
  const origin = readBody(body);
  if (origin === undefined) {
    return fault(
      ledger,
      `damaged: ${body.length} bytes of ${shorten(queue)}: ${body.toString("latin1", 0, 60)}`,
    );
  }
  const sent = bookOf(ledger, queue).messages.get(keyOf(origin));
  if (sent === undefined || origin.queue !== queue) {
    return fault(
      ledger,
      `nobody sent it, or it was gone long ago: ${show(origin)} in ${shorten(queue)}`,
    );
  }
  if (flags !== flagsOf(origin)) fault(ledger, `wrong flags ${flags}: ${show(sent)}`);
  if (body.length !== sent.length) fault(ledger, `${body.length} bytes: ${show(sent)}`);
  if (sent.refused) fault(ledger, `refused, and yet read: ${show(sent)}`);
  const again = sent.taken && taking === "take";
  if (sent.goneAt < askedAt || again) fault(ledger, `came back after it was gone: ${show(sent)}`);
  noteStored(ledger, sent);
  if (taking === "peek") return sent;
  const now = tick(ledger);
  sent.firstReadAt = Math.min(sent.firstReadAt, now);
  sent.lastAskedAt = Math.max(sent.lastAskedAt, askedAt);
  if (taking === "open") sent.everOpen = true;
  else {
    sent.taken = true;
    noteGone(ledger, sent);
  }
  return sent;
}

export function noteGone(ledger: Ledger, sent: Sent): void {
  if (sent.goneAt !== Infinity) return;
  if (isThere(sent)) ledger.backlog--;
  sent.goneAt = tick(ledger);
}

function isThere({ storedAt, goneAt, perhapsDropped }: Sent): boolean {
  return storedAt !== Infinity && goneAt === Infinity && !perhapsDropped;
}

/** A `delete` or `flush` is about to be sent. */
export function noteDrop(ledger: Ledger, queue: string, kind: Drop["kind"]): Drop {
  const drop = { kind, askedAt: tick(ledger), answeredAt: Infinity };
  bookOf(ledger, queue).drops.push(drop);
  return drop;
}

/** Its answer was read. */
export function noteDropped(ledger: Ledger, queue: string, drop: Drop): void {
  drop.answeredAt = tick(ledger);
  for (const sent of bookOf(ledger, queue).messages.values()) {
    if (!isThere(sent)) continue;
    sent.perhapsDropped = true;
    ledger.backlog--;
  }
}

/** It was refused: nothing was dropped. */
export function forgetDrop(ledger: Ledger, queue: string, drop: Drop): void {
  const book = bookOf(ledger, queue);
  book.drops = book.drops.filter((other) => other !== drop);
}

export function fault(ledger: Ledger, text: string): undefined {
  ledger.faults.push(text);
}

/** All that was found was taken away. */
export function noteEmptied(ledger: Ledger): void {
  for (const book of ledger.books.values()) {
    book.messages.clear();
    book.old = 0;
  }
  ledger.backlog = 0;
}

export function keyOf({ producer, sequence }: Origin): string {
  return `${producer}.${sequence}`;
}

export function show({ queue, producer, sequence }: Origin): string {
  return `${shorten(queue)} ${producer}.${sequence}`;
}

export function shorten(queue: string): string {
  return queue.length > 20 ? `${queue.slice(0, 10)}…` : queue;
}
