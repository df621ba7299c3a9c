/**
 * What the server acknowledged, in the checker's own books. Clients tell it what they ask and what they read; after
 * a restart it is told what was found, and says what cannot be.
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

export function noteRefused(ledger: Ledger, sent: Sent): void {
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

/**
 * Compares what was found with the books, and puts them right for what comes: nobody is connected any more.
 * @param found all messages of each queue, in their order
 */
export function takeStock(
  ledger: Ledger,
  found: Map<string, Value[]>,
  counters: Map<string, Counters>,
): void {
  for (const queue of found.keys()) bookOf(ledger, queue);
  let backlog = 0;
  for (const book of ledger.books.values()) {
    const values = found.get(book.queue) ?? [];
    const here = values.flatMap((value) => identify(ledger, book, value));
    const isHere = new Set(here);
    checkFound(ledger, here);
    checkDropped(ledger, book, isHere);
    checkMissing(ledger, book, isHere);
    checkOrder(ledger, book, here, isHere);
    checkCounters(ledger, book, values.length, counters.get(book.queue));
    startAnew(ledger, book, here, counters.get(book.queue));
    backlog += here.length;
  }
  ledger.backlog = backlog;
}

function identify(ledger: Ledger, { queue }: Book, value: Value): Sent[] {
  // Looking changes nothing: it was asked for before anything else happened.
  const sent = noteRead(ledger, queue, value, "peek", 0);
  return sent === undefined ? [] : [sent];
}

function checkFound(ledger: Ledger, here: Sent[]): void {
  const seen = new Set<Sent>();
  for (const sent of here) {
    if (seen.has(sent)) fault(ledger, `there twice: ${show(sent)}`);
    seen.add(sent);
    if (sent.goneAt !== Infinity) fault(ledger, `came back after it was gone: ${show(sent)}`);
  }
}

/** What was surely set before a drop was asked for is not there, nor read, after it was answered. */
function checkDropped(ledger: Ledger, book: Book, here: Set<Sent>): void {
  const guilty = [...book.messages.values()].filter((sent) => {
    const seenAt = here.has(sent) ? Infinity : sent.lastAskedAt;
    return book.drops.some(
      ({ kind, askedAt, answeredAt }) =>
        sent.storedAt < askedAt && answeredAt < seenAt && (kind === "delete" || !sent.everOpen),
    );
  });
  if (guilty.length <= book.overtaking) return;
  fault(ledger, `there after a delete or flush: ${guilty.slice(0, 5).map(show).join("; ")}`);
}

function checkMissing(ledger: Ledger, book: Book, here: Set<Sent>): void {
  const dropped = book.drops.reduce((latest, { answeredAt }) => Math.max(latest, answeredAt), 0);
  const missing = [...book.messages.values()].filter(
    (sent) =>
      sent.storedAt !== Infinity &&
      sent.goneAt === Infinity &&
      !sent.perhapsGone &&
      sent.askedAt >= dropped &&
      !here.has(sent),
  );
  if (missing.length <= book.unread) return;
  const examples = missing.slice(0, 5).map(show).join("; ");
  fault(
    ledger,
    `${missing.length} messages of ${shorten(book.queue)} lost, and ${book.unread} unread answers: ${examples}`,
  );
}

/** Messages are taken in the order in which they were surely set; who had one open may have given it back later. */
function checkOrder(ledger: Ledger, book: Book, here: Sent[], isHere: Set<Sent>): void {
  let latest = 0;
  const last = new Map<number, number>();
  for (const sent of here) {
    const isBehind = sent.sequence < (last.get(sent.producer) ?? 0);
    if (isBehind || sent.storedAt < latest) fault(ledger, `out of order: ${show(sent)}`);
    last.set(sent.producer, sent.sequence);
    latest = Math.max(latest, sent.askedAt);
  }
  const late = new Set([...book.overtaken, ...overtakenIn([...book.messages.values()], isHere)]);
  const guilty = [...late].filter(({ everOpen }) => !everOpen);
  if (guilty.length <= book.overtaking) return;
  fault(ledger, `overtaken: ${guilty.slice(0, 5).map(show).join("; ")}`);
}

/** The messages that were there when a younger one was read, and asked for only then, or are there still. */
function overtakenIn(messages: Sent[], here: Set<Sent>): Sent[] {
  const youngestFirst = messages.toSorted((a, b) => b.askedAt - a.askedAt);
  // For each place, when the first of the messages up to it was read.
  let first = Infinity;
  const firstRead = youngestFirst.map((sent) => (first = Math.min(first, sent.firstReadAt)));
  const perProducer = new Map<number, number>();
  return youngestFirst.filter((sent) => {
    const own = perProducer.get(sent.producer) ?? Infinity;
    perProducer.set(sent.producer, Math.min(own, sent.firstReadAt));
    const wanted = here.has(sent) ? Infinity : sent.lastAskedAt;
    const younger = countYounger(youngestFirst, sent.storedAt);
    return wanted > own || wanted > (firstRead[younger - 1] ?? Infinity);
  });
}

/** How many of the messages, the youngest first, were sent after `time`. */
function countYounger(youngestFirst: Sent[], time: number): number {
  let low = 0;
  let high = youngestFirst.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((youngestFirst[middle] as Sent).askedAt > time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkCounters(ledger: Ledger, book: Book, count: number, counters?: Counters): void {
  const { queue } = book;
  const mayBeDeleted = book.drops.some(({ kind }) => kind === "delete");
  const messages = [...book.messages.values()];
  const certain = messages.filter(({ storedAt }) => storedAt !== Infinity).length;
  if (counters === undefined) {
    if (certain > 0 && !mayBeDeleted) fault(ledger, `the queue ${shorten(queue)} is gone`);
    return;
  }
  const { sets, gets } = counters;
  if (sets - gets !== count)
    fault(ledger, `${shorten(queue)} counts ${sets}/${gets}, and has ${count}`);
  if (mayBeDeleted) return;
  const possible = messages.filter(({ refused }) => !refused).length;
  const before = book.counted - book.old;
  const [least, most] = [before + certain, before + possible];
  if (sets < least || sets > most) {
    fault(ledger, `${shorten(queue)} counts ${sets} sets, and there were ${least} to ${most}`);
  }
}

/** The messages that are there are the whole truth now. */
function startAnew(ledger: Ledger, book: Book, here: Sent[], counters?: Counters): void {
  book.messages.clear();
  for (const sent of here) {
    sent.askedAt = tick(ledger);
    sent.storedAt = sent.askedAt;
    sent.perhapsGone = false;
    sent.perhapsDropped = false;
    sent.everOpen = false;
    sent.firstReadAt = Infinity;
    sent.lastAskedAt = 0;
    book.messages.set(keyOf(sent), sent);
  }
  book.drops = [];
  book.unread = 0;
  book.overtaking = 0;
  book.overtaken.clear();
  book.counted = counters?.sets ?? 0;
  book.old = here.length;
}

/** All that was found was taken away. */
export function noteEmptied(ledger: Ledger): void {
  for (const book of ledger.books.values()) {
    book.messages.clear();
    book.old = 0;
  }
  ledger.backlog = 0;
}

function keyOf({ producer, sequence }: Origin): string {
  return `${producer}.${sequence}`;
}

function show({ queue, producer, sequence }: Origin): string {
  return `${shorten(queue)} ${producer}.${sequence}`;
}

export function shorten(queue: string): string {
  return queue.length > 20 ? `${queue.slice(0, 10)}…` : queue;
}
