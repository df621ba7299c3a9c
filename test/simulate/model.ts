/**
 * What the queues do, as plain lists. It is asked of each operation that the engine had executed, before the operation
 * is answered: whether its outcome is right.
 *
 * To add an operation: say in `expect` what it tells, and in `apply` what it does. A message that cannot be delivered
 * for some other reason than that a client has it open is in a list of its own, as the delayed ones are, which `copyOf`,
 * `messagesOf`, `count`, `flush` and `restart` must know, too.
 */
import type { Operation, Outcome } from "../../src/queues/operation.ts";
import { beginOf, type Body, isBody, sizeOf } from "./body.ts";
import { Violation } from "./violation.ts";

export interface Message {
  number: number;
  flags: number;
  body: Body;
  /** The disk has lost it; it may still be in memory. */
  lost: boolean;
  /** Delayed: it can be delivered from one of these moments on, on the monotonic clock. */
  due: { first: number; last: number } | undefined;
}

export interface Queue {
  /** No other queue has it, also not one of the same name before or after. */
  serial: number;
  name: string;
  sets: number;
  bytes: number;
  /** By their numbers. */
  available: Message[];
  /** By the clients that have them open. */
  open: Map<number, Message>;
  /** Not delivered before they are due; when exactly that is noticed is not known here. */
  delayed: Message[];
  /** Delivers nothing until then, in milliseconds since 1970; 0: until it is resumed. */
  paused: number | undefined;
  /** Messages of it were lost: its bytes are right only after they were counted anew. */
  damaged: boolean;
}

export interface Model {
  queues: Map<string, Queue>;
  bytes: number;
  limits: { messages: number; bytes: number };
  serials: number;
  /** Between which moments the group is executed, on the monotonic clock; and the calendar at its end. */
  time: { first: number; last: number; calendar: number };
  /** The queues that the group uses, as they were before it. */
  before: Map<string, Queue | undefined>;
  /** Open messages that the group closed or put back: they are available when it fails. */
  settled: Set<Message>;
  /** A sync failed: the queues with all that its group did, when that is in the file; and why all is refused. */
  doubt: { kept: Map<string, Queue> | undefined; reason: string } | undefined;
}

/** What an operation tells. */
export interface Told {
  outcome: Outcome;
  message?: Message;
}

type Asked = Pick<Operation, "kind" | "queue" | "start" | "end">;

export function newModel(limits: { messages: number; bytes: number }): Model {
  return {
    queues: new Map(),
    bytes: 0,
    limits,
    serials: 0,
    time: { first: 0, last: 0, calendar: 0 },
    before: new Map(),
    settled: new Set(),
    doubt: undefined,
  };
}

/** What the operation tells now that is done for the client; it changes nothing. */
export function expect(model: Model, asked: Asked, client: number): Told {
  const { kind, queue: name, start, end } = asked;
  const queue = model.queues.get(name);
  switch (kind) {
    case "put": {
      const isFull =
        model.bytes + end - start > model.limits.bytes ||
        (queue !== undefined && count(queue) >= model.limits.messages);
      return { outcome: isFull ? "full" : "done" };
    }
    case "open":
      if (queue?.open.has(client) === true) return { outcome: "held" };
      return told(isPaused(model, queue) ? undefined : queue?.available[0]);
    case "take":
      return told(isPaused(model, queue) ? undefined : queue?.available[0]);
    case "peek":
      return told(queue?.available[0]);
    case "check":
      return { outcome: queue?.open.has(client) === true ? "held" : "done" };
    case "clash":
      return { outcome: "held" };
    case "close":
    case "abort":
      return { outcome: queue?.open.has(client) === true ? "done" : "absent" };
    case "delete":
    case "details":
    case "pause":
    case "resume":
      return { outcome: queue === undefined ? "absent" : "done" };
    default:
      return { outcome: "done" };
  }
}

export function isPaused({ time }: Model, queue: Queue | undefined): boolean {
  const paused = queue?.paused;
  return paused !== undefined && (paused === 0 || paused > time.calendar);
}

/** A delayed message is delivered: it is due. @returns whether that may be */
export function bring(model: Model, name: string, number: number): boolean {
  const queue = model.queues.get(name);
  const at = queue?.delayed.findIndex((message) => message.number === number) ?? -1;
  const message = queue?.delayed[at];
  if (queue === undefined || message?.due === undefined) return false;
  if (message.due.first > model.time.last) return false;
  queue.delayed.splice(at, 1);
  insert(queue, message);
  return true;
}

/** What the operation would have told before the group. */
export function expectBefore(model: Model, asked: Asked, client: number): Told {
  const { before, queues } = model;
  const { queue: name } = asked;
  const queue = before.has(name) ? before.get(name) : queues.get(name);
  const only = new Map(queue === undefined ? [] : [[name, queue]]);
  return expect({ ...model, queues: only }, asked, client);
}

function told(message: Message | undefined): Told {
  return message === undefined ? { outcome: "absent" } : { outcome: "done", message };
}

/**
 * The operation is done, and tells what {@link expect} said.
 * @param body put: what its client asked to store
 */
export function apply(
  model: Model,
  operation: Operation,
  client: number,
  told: Told,
  body?: Body,
): void {
  const { kind, queue: name } = operation;
  if (told.outcome !== "done") return;
  switch (kind) {
    case "put":
      return put(model, operation, body as Body);
    case "take":
    case "open": {
      const queue = touch(model, name) as Queue;
      const message = queue.available.shift() as Message;
      if (kind === "open") queue.open.set(client, message);
      else remove(model, queue, message);
      return;
    }
    case "close":
    case "abort":
      return settle(model, name, client, kind === "close");
    case "release":
      for (const each of [...model.queues.values()]) {
        if (each.open.has(client)) settle(model, each.name, client, false);
      }
      // Also in a queue that the group deletes, should that be undone.
      for (const each of model.before.values()) {
        const message = each?.open.get(client);
        if (message !== undefined) model.settled.add(message);
      }
      return;
    case "delete": {
      const queue = touch(model, name) as Queue;
      model.queues.delete(name);
      model.bytes -= queue.bytes;
      return;
    }
    case "flush":
      return flush(model, name);
    case "pause":
    case "resume":
      (touch(model, name) as Queue).paused = kind === "pause" ? operation.until : undefined;
      return;
    default:
  }
}

function put(model: Model, operation: Operation, body: Body): void {
  const { queue: name, flags, delay } = operation;
  let queue = touch(model, name);
  if (queue === undefined) {
    const serial = ++model.serials;
    queue = newQueue(serial, name);
    model.queues.set(name, queue);
  }
  const { first, last } = model.time;
  // The queues count whole milliseconds.
  const due = delay > 0 ? { first: first + delay - 1, last: last + delay + 1 } : undefined;
  const message = { number: ++queue.sets, flags, body, lost: false, due };
  if (due === undefined) return add(model, queue, message);
  queue.delayed.push(message);
  queue.bytes += sizeOf(body);
  model.bytes += sizeOf(body);
}

function newQueue(serial: number, name: string): Queue {
  return {
    serial,
    name,
    sets: 0,
    bytes: 0,
    available: [],
    open: new Map(),
    delayed: [],
    paused: undefined,
    damaged: false,
  };
}

export function flush(model: Model, name: string): void {
  const queue = touch(model, name);
  if (queue === undefined) return;
  for (const message of [...queue.available, ...queue.delayed]) remove(model, queue, message);
  queue.available = [];
  queue.delayed = [];
}

/** A message that was taken and not delivered is back. */
export function putBack(model: Model, serial: number, name: string, message: Message): void {
  if (model.queues.get(name)?.serial !== serial) return;
  const queue = touch(model, name) as Queue;
  if (messagesOf(queue).some(({ number }) => number === message.number)) return;
  add(model, queue, message);
}

/** The first messages, up to number `last`, are lost for good. */
export function lose(model: Model, name: string, last: number): void {
  const queue = touch(model, name) as Queue;
  queue.damaged = true;
  while ((queue.available[0]?.number ?? Infinity) <= last) {
    remove(model, queue, queue.available.shift() as Message);
  }
}

/** The client's open message is gone, or available again. */
export function settle(model: Model, name: string, client: number, isClosed: boolean): void {
  const queue = touch(model, name);
  const message = queue?.open.get(client);
  if (queue === undefined || message === undefined) return;
  queue.open.delete(client);
  model.settled.add(message);
  if (isClosed) remove(model, queue, message);
  else insert(queue, message);
}

/** The queue, which the group uses from now on. */
function touch(model: Model, name: string): Queue | undefined {
  const queue = model.queues.get(name);
  if (!model.before.has(name)) model.before.set(name, queue && copyOf(queue));
  return queue;
}

function add(model: Model, queue: Queue, message: Message): void {
  insert(queue, message);
  queue.bytes += sizeOf(message.body);
  model.bytes += sizeOf(message.body);
}

function remove(model: Model, queue: Queue, { body }: Message): void {
  queue.bytes -= sizeOf(body);
  model.bytes -= sizeOf(body);
}

function insert({ available }: Queue, message: Message): void {
  let at = available.length;
  while (at > 0 && (available[at - 1] as Message).number > message.number) at--;
  if (at === available.length) available.push(message);
  else available.splice(at, 0, message);
}

/** The group is committed. */
export function commit(model: Model): void {
  model.before.clear();
  model.settled.clear();
}

/** The group failed: what was open before, and was not closed or put back, is open still. */
export function rollBack(model: Model): void {
  for (const [name, before] of model.before) {
    if (before === undefined) model.queues.delete(name);
    else
      model.queues.set(
        name,
        giveBack(before, (message) => model.settled.has(message)),
      );
  }
  model.bytes = bytesOf(model.queues);
  commit(model);
}

/** The sync of the group failed: until the file was read anew all is refused. */
export function doubt(model: Model, reason: string, isKept: boolean): void {
  const kept = isKept ? copyAll(model.queues) : undefined;
  rollBack(model);
  model.doubt = { kept, reason };
}

/** The queues are what the file has; who has a message open that is in it keeps it. */
export function recover(model: Model): void {
  const { queues } = model;
  const kept = model.doubt?.kept;
  model.doubt = undefined;
  for (const queue of (kept ?? queues).values()) bringAnew(queue);
  if (kept === undefined) return;
  for (const queue of kept.values()) {
    const now = queues.get(queue.name);
    giveBack(queue, () => true);
    if (now?.serial !== queue.serial) continue;
    for (const [client, { number }] of now.open) {
      const at = queue.available.findIndex((message) => message.number === number);
      if (at >= 0) queue.open.set(client, ...(queue.available.splice(at, 1) as [Message]));
    }
  }
  model.queues = kept;
  model.bytes = bytesOf(kept);
}

/**
 * The process has ended: the queues are what is on the disk, and no message is open.
 * @param shift milliseconds by which what is delayed is due later
 */
export function restart(model: Model, shift: number): void {
  rollBack(model);
  recover(model);
  for (const queue of model.queues.values()) {
    giveBack(queue, () => true);
    bringAnew(queue);
    for (const message of queue.delayed) {
      const { first, last } = message.due ?? { first: 0, last: 0 };
      message.due = { first: first + shift - 1, last: last + shift + 1 };
    }
  }
}

/** What was delayed and is due is brought once more. */
function bringAnew(queue: Queue): void {
  queue.delayed.push(...queue.available.filter(({ due }) => due !== undefined));
  queue.available = queue.available.filter(({ due }) => due === undefined);
}

function giveBack(queue: Queue, which: (message: Message) => boolean): Queue {
  for (const [client, message] of [...queue.open]) {
    if (!which(message)) continue;
    queue.open.delete(client);
    insert(queue, message);
  }
  return queue;
}

function copyAll(queues: Map<string, Queue>): Map<string, Queue> {
  return new Map([...queues].map(([name, queue]) => [name, copyOf(queue)]));
}

function copyOf(queue: Queue): Queue {
  const { available, open, delayed } = queue;
  return { ...queue, available: [...available], open: new Map(open), delayed: [...delayed] };
}

function bytesOf(queues: Map<string, Queue>): number {
  let bytes = 0;
  for (const queue of queues.values()) bytes += queue.bytes;
  return bytes;
}

export function messagesOf({ available, open, delayed }: Queue): Message[] {
  return [...available, ...open.values(), ...delayed];
}

export function count({ available, open, delayed }: Queue): number {
  return available.length + open.size + delayed.length;
}

/** @throws Violation when the operation told another message than this one */
export function compareMessage(operation: Operation, message: Message): void {
  const { number, flags, body, start, end, queue } = operation;
  const isSame = number === message.number && flags === message.flags;
  if (isSame && isBody(message.body, body, start, end)) return;
  const wrong = `number ${number}, ${beginOf({ bytes: body, start, end })}`;
  throw new Violation(
    `${operation.kind} of ${queue} got ${wrong}; the oldest is number ${message.number}, ` +
      beginOf(message.body),
  );
}
