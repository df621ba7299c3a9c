/** After a restart: what was found, compared with the ledger. It says what cannot be. */
import {
  type Book,
  bookOf,
  type Counters,
  fault,
  keyOf,
  type Ledger,
  noteRead,
  type Sent,
  shorten,
  show,
  tick,
} from "./ledger.ts";
import type { Value } from "./wire.ts";

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
