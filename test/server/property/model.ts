/**
 * What clients saw of some queues, and what must be true of it whatever the server did in between. It knows when a
 * request was sent and when its answer was read, and nothing of how a server works.
 */

/** One request of one client, between two moments of the clock that all requests share. */
export interface Request {
  client: number;
  /** Requests of one client are executed in this order. */
  order: number;
  sent: number;
  /** When its answer was read, or when it was clear that there will be none; Infinity before. */
  answered: number;
}

export interface Message {
  id: number;
  /** Bytes in the body. */
  size: number;
  set: Request;
  /** The answer was STORED. Otherwise it may be in the queue, or not. */
  stored: boolean;
  /** The number that the server gave it, once that is known. */
  number: number | undefined;
  deliveries: Delivery[];
  /** It went to a client that did not read the answer. */
  missing: boolean;
}

/** Somebody got the message. */
export interface Delivery {
  message: Message;
  take: Request;
  /** What put it back: an abort, or the end of the connection. Without, it is still open, or gone for good. */
  release: Request | undefined;
  /** It is gone for good: by a plain get, or by a close. */
  final: boolean;
}

/** A get's answer from one queue: a message, or that there is none. */
interface Answer {
  request: Request;
  message: Message | undefined;
  peek: boolean;
}

/** Requests without an answer, and what they may have done all the same. */
interface Lost {
  requests: Request[];
  /** Messages that may be gone for good, and messages that may have been set, by them. */
  gone: number;
  set: number;
}

export interface History {
  queue: string;
  messages: Map<number, Message>;
  answers: Answer[];
  lost: Lost;
  /** How many messages were set, ever. */
  sets: number;
  /** Who has which number. */
  numbers: Map<number, number>;
}

/** What `stats queue <name>` tells. */
export interface Details {
  messages: number;
  bytes: number;
  open: number;
  waiters: number;
  sets: number;
  gets: number;
}

export class Violation extends Error {}

export function newHistory(queue: string): History {
  return {
    queue,
    messages: new Map(),
    answers: [],
    lost: nothingLost(),
    sets: 0,
    numbers: new Map(),
  };
}

function nothingLost(): Lost {
  return { requests: [], gone: 0, set: 0 };
}

/** A message is being set. */
export function noteSet(history: History, id: number, size: number, set: Request): Message {
  const message: Message = {
    id,
    size,
    set,
    stored: false,
    number: undefined,
    deliveries: [],
    missing: false,
  };
  history.messages.set(id, message);
  return message;
}

export function noteStored(history: History, message: Message): void {
  message.stored = true;
  history.sets++;
}

/** A get answered a message: its number is what `gets` said. The delivery is undefined for a peek. */
export function noteDelivered(
  history: History,
  request: Request,
  id: number,
  number: number,
  how: "take" | "open" | "peek",
): Delivery | undefined {
  const message = history.messages.get(id);
  if (message === undefined) throw new Violation(`${history.queue}: message ${id} was never set`);
  noteNumber(history, message, number);
  history.answers.push({ request, message, peek: how === "peek" });
  if (how === "peek") return undefined;
  const delivery = { message, take: request, release: undefined, final: how === "take" };
  message.deliveries.push(delivery);
  return delivery;
}

function noteNumber({ queue, numbers }: History, message: Message, number: number): void {
  const { id } = message;
  if ((message.number ?? number) !== number || (numbers.get(number) ?? id) !== id) {
    throw new Violation(
      `${queue}: message ${id}, known as number ${message.number}, came as number ${number}, ` +
        `known as that of ${numbers.get(number)}`,
    );
  }
  message.number = number;
  numbers.set(number, id);
}

/** A get answered that there is no message. */
export function noteNothing(history: History, request: Request, peek: boolean): void {
  history.answers.push({ request, message: undefined, peek });
}

/** A request will not be answered: it was executed, or not. */
export function noteLost(history: History, request: Request, gone: number, set: number): void {
  history.lost.requests.push(request);
  history.lost.gone += gone;
  history.lost.set += set;
}

/** Whether something is unknown that only emptying the queue brings to light. */
export function isUnclear({ lost }: History): boolean {
  return lost.requests.length > 0;
}

/** The messages that must be in the queue, open ones too, when nothing is unclear and nothing is going on. */
export function present(history: History): Message[] {
  return [...history.messages.values()].filter(
    ({ stored, missing, deliveries }) =>
      stored && !missing && !deliveries.some(({ final }) => final),
  );
}

/** What the server must say of the queue when nothing is unclear and nothing is going on. */
export function expectedDetails(history: History, waiters: number): Details {
  const there = present(history);
  return {
    messages: there.length,
    bytes: there.reduce((total, { size }) => total + size, 0),
    open: there.filter(isOpen).length,
    waiters,
    sets: history.sets,
    gets: history.sets - there.length,
  };
}

function isOpen({ deliveries }: Message): boolean {
  return deliveries.some(({ release, final }) => release === undefined && !final);
}

/**
 * The queue was emptied, and its counters asked for: what did not come out has gone with requests that were not
 * answered, or was lost. After that everything is clear again.
 */
export function settle(history: History, sets: number, gets: number): void {
  const { queue, messages, lost } = history;
  let unseen = 0;
  let open = 0;
  for (const message of messages.values()) {
    if (isOpen(message)) open++;
    if (message.deliveries.some(({ final }) => final) || isOpen(message)) continue;
    if (isOnItsWay(message)) continue;
    message.missing = true;
    if (message.stored) unseen++;
  }
  const seen = [...messages.values()].filter(
    (message) => !message.missing && !message.stored && !isOnItsWay(message),
  ).length;
  // Set and taken again, both unanswered.
  const unseenSets = sets - history.sets - seen;
  if (unseen + unseenSets > lost.gone) {
    throw new Violation(
      `${queue}: ${unseen} stored messages are lost, and ${unseenSets} others; ` +
        `unanswered requests account for ${lost.gone}: ${missingIds(history)}`,
    );
  }
  if (unseenSets < 0 || seen + unseenSets > lost.set || gets !== sets - open) {
    throw new Violation(
      `${queue}: counters ${sets}/${gets}, expected ${history.sets} sets and ` +
        `${seen} to ${lost.set} more, of which ${open} are open`,
    );
  }
  history.sets = sets;
  for (const message of messages.values()) {
    message.stored ||= !message.missing && !isOnItsWay(message);
  }
}

/** Its set is not over: it is behind a request that waits. */
function isOnItsWay({ set, deliveries }: Message): boolean {
  return set.answered === Infinity && deliveries.length === 0;
}

function missingIds({ messages }: History): string {
  const ids = [...messages.values()].filter(({ missing, stored }) => missing && stored);
  return ids.map(({ id, number }) => `${id} (number ${number})`).join(", ");
}

/** Forgets everything that {@link check} has approved, but for what is still open or on its way. */
export function forget(history: History): void {
  for (const [id, message] of history.messages) {
    if (!isOpen(message) && !isOnItsWay(message)) history.messages.delete(id);
  }
  history.answers = [];
  history.lost = nothingLost();
}

/** Whether the one took effect before the other, beyond doubt. */
export function isBefore(a: Request, b: Request): boolean {
  if (a.client === b.client) return a.order < b.order;
  return a.answered <= b.sent;
}

/** @throws Violation when no order in which the requests can have been executed explains the answers */
export function check(history: History): void {
  for (const message of history.messages.values()) checkDeliveries(history, message);
  checkNumbers(history);
  checkPeeks(history);
  checkOrder(history);
}

/** Nobody gets what somebody else has. */
function checkDeliveries({ queue }: History, message: Message): void {
  const canPrecede = ({ release }: Delivery, { take }: Delivery) =>
    release !== undefined && !isBefore(take, release);
  for (const [i, one] of message.deliveries.entries()) {
    for (const other of message.deliveries.slice(i + 1)) {
      if (canPrecede(one, other) || canPrecede(other, one)) continue;
      throw new Violation(`${queue}: delivered twice was ${shownMessage(message)}`);
    }
  }
}

/** Messages are numbered in the order in which they were set. */
function checkNumbers({ queue, messages }: History): void {
  const numbered = [...messages.values()]
    .filter(({ number }) => number !== undefined)
    .sort((a, b) => (a.number as number) - (b.number as number));
  let latest: Message | undefined;
  const last = new Map<number, Message>();
  for (const message of numbered) {
    const { set, id } = message;
    const own = last.get(set.client);
    for (const earlier of [latest, own]) {
      if (earlier === undefined || !isBefore(set, earlier.set)) continue;
      throw new Violation(`${queue}: message ${id} was set before ${earlier.id}, and comes after`);
    }
    if (latest === undefined || set.sent > latest.set.sent) latest = message;
    last.set(set.client, message);
  }
}

/** A peek shows nothing that somebody has. */
function checkPeeks({ queue, answers }: History): void {
  for (const { request, message, peek } of answers) {
    if (!peek || message === undefined) continue;
    const away = message.deliveries.some(
      ({ take, release }) =>
        isBefore(take, request) && (release === undefined || isBefore(request, release)),
    );
    if (away) throw new Violation(`${queue}: message ${message.id} was peeked at, but taken`);
  }
}

/** Nobody gets a message, or none, while an older one is there. */
function checkOrder({ queue, answers, messages, lost }: History): void {
  const inOrder = answers.toSorted((a, b) => a.request.sent - b.request.sent);
  let candidates = [...messages.values()]
    .filter(({ stored, missing, number }) => stored && !missing && number !== undefined)
    .sort((a, b) => (a.number as number) - (b.number as number));
  for (const [i, { request, message }] of inOrder.entries()) {
    if (i % 64 === 0) candidates = candidates.filter((each) => !isGoneAt(each, request.sent));
    if (lost.requests.some((other) => isConcurrent(other, request))) continue;
    const limit = message?.number ?? Infinity;
    for (const older of candidates) {
      if ((older.number as number) >= limit) break;
      if (!isThere(older, request)) continue;
      throw new Violation(
        `${queue}: ${shown(request)} got ${message === undefined ? "nothing" : `number ${limit}`}, ` +
          `but number ${older.number} was there: ${shownMessage(older)}`,
      );
    }
  }
}

function isConcurrent(a: Request, b: Request): boolean {
  return !isBefore(a, b) && !isBefore(b, a);
}

function isGoneAt({ deliveries }: Message, moment: number): boolean {
  return deliveries.some(({ final, take }) => final && take.answered <= moment);
}

/** Whether the message could be taken at the moment when the request was executed, beyond doubt. */
function isThere({ set, deliveries }: Message, request: Request): boolean {
  return (
    isBefore(set, request) &&
    deliveries.every(
      ({ take, release }) =>
        (release !== undefined && isBefore(release, request)) || isBefore(request, take),
    )
  );
}

function shown({ client, order, sent, answered }: Request): string {
  return `request ${order} of client ${client} (from ${sent} to ${answered})`;
}

function shownMessage({ id, set, deliveries }: Message): string {
  const steps = deliveries.map(
    ({ take, release, final }) =>
      `${final ? "taken" : "opened"} by ${shown(take)}` +
      (release === undefined ? "" : `, put back by ${shown(release)}`),
  );
  return [`message ${id}, set by ${shown(set)}`, ...steps].join("; ");
}
