/**
 * What the queues do, as plain lists. It is asked of each operation that the engine had executed, before the operation
 * is answered: whether its outcome is right.
 *
 *     queue.ts    a queue and its messages      holding.ts  open and leased messages, and how they come back
 *     rules.ts    settings of single queues     putting.ts  what a set does: ids, limits, copies
 *     undo.ts     commits, and what undoes them doubt.ts    messages that a flush in parts may have dropped
 *
 * To add an operation: say in `expect` what it tells, and in `apply` what it does. A message that cannot be delivered
 * for some other reason than that it is open, leased or delayed is in a list of its own, which queue.ts, `flush` and
 * `restart` must know, too.
 */
import type { Operation, Outcome } from "../../src/queues/operation.ts";
import { beginOf, type Body, isBody, sizeOf } from "./body.ts";
import {
  acknowledge,
  addLease,
  endOpen,
  extend,
  findLease,
  NUMBERS,
  passOpen,
  releaseAll,
} from "./holding.ts";
import { expectPut, put } from "./putting.ts";
import { count, insert, type Message, newQueue, type Queue } from "./queue.ts";
import { type QueueSettings, type Rule, settingsFor } from "./rules.ts";
import { touch } from "./undo.ts";
import { Violation } from "./violation.ts";

export interface Model {
  queues: Map<string, Queue>;
  bytes: number;
  limits: { messages: number; bytes: number };
  rules: readonly Rule[];
  serials: number;
  /** Between which moments the group is executed, on the monotonic clock; and the calendar at its end. */
  time: { first: number; last: number; calendar: number };
  /** The queues that the group uses, as they were before it. */
  before: Map<string, Queue | undefined>;
  /** Open messages that the group closed or put back: they are available when it fails. */
  settled: Set<Message>;
  /** A sync failed: the queues with all that its group did, when that is in the file; and why all is refused. */
  doubt: { kept: Map<string, Queue> | undefined; reason: string; since: number } | undefined;
  /** There may be doubtful messages. */
  hasDoubtful: boolean;
}

/** What an operation tells. */
export interface Told {
  outcome: Outcome;
  message?: Message;
  /** failed: why. */
  error?: string;
  /** It may have come to this as well: what decides it is not known here. */
  or?: Outcome;
}

type Asked = Pick<
  Operation,
  | "kind"
  | "queue"
  | "scope"
  | "start"
  | "end"
  | "id"
  | "source"
  | "sourceNumber"
  | "target"
  | "number"
>;

export function newModel(limits: { messages: number; bytes: number }, rules: Rule[]): Model {
  return {
    queues: new Map(),
    bytes: 0,
    limits,
    rules,
    serials: 0,
    time: { first: 0, last: 0, calendar: 0 },
    before: new Map(),
    settled: new Set(),
    doubt: undefined,
    hasDoubtful: false,
  };
}

export function settingsOf({ rules, limits }: Model, name: string): QueueSettings {
  return settingsFor(rules, name, limits.messages);
}

/** What the operation tells now; it changes nothing. @param client the client that it is done for */
export function expect(model: Model, asked: Asked, client: number): Told {
  const { kind, queue: name } = asked;
  const queue = model.queues.get(name);
  const has = (isThere: boolean | undefined): Told => ({
    outcome: isThere === true ? "done" : "absent",
  });
  switch (kind) {
    case "put":
      return expectPut(model, asked, client);
    case "open":
      if (queue?.open.has(client) === true) return { outcome: "held" };
      return told(asked.scope === "early" ? earliest(model, queue) : deliverable(model, queue));
    case "take":
    case "lease":
      return told(deliverable(model, queue));
    case "move":
      return movable(model, asked, deliverable(model, queue));
    case "peek":
      return told(asked.scope === "leased" ? oldestLeased(queue) : queue?.available[0]);
    case "check":
      return { outcome: queue?.open.has(client) === true ? "held" : "done" };
    case "clash":
      return { outcome: "held" };
    case "pass":
      return movable(model, asked, queue?.open.get(client));
    case "close":
    case "abort":
    case "bury":
      return has(queue?.open.has(client));
    case "acknowledge":
    case "extend":
      return has(findLease(queue, asked.number) !== undefined);
    case "delete":
    case "details":
    case "pause":
    case "resume":
      return has(queue !== undefined);
    default:
      return { outcome: "done" };
  }
}

function told(message: Message | undefined): Told {
  return message === undefined ? { outcome: "absent" } : { outcome: "done", message };
}

function deliverable(model: Model, queue: Queue | undefined): Message | undefined {
  return isPaused(model, queue) ? undefined : queue?.available[0];
}

/** Also of those that wait for their time. */
function earliest(model: Model, queue: Queue | undefined): Message | undefined {
  if (queue === undefined || isPaused(model, queue)) return undefined;
  let [found] = queue.available;
  for (const message of queue.delayed) {
    if (found === undefined || message.number < found.number) found = message;
  }
  return found;
}

function oldestLeased(queue: Queue | undefined): Message | undefined {
  const numbers = [...(queue?.leased.keys() ?? [])];
  return queue?.leased.get(Math.min(...numbers))?.message;
}

/** A message goes to another queue, unless that is at a limit. */
function movable(model: Model, { queue, target }: Asked, message: Message | undefined): Told {
  if (message === undefined || takesMoved(model, queue, target, message)) return told(message);
  return {
    outcome: "failed",
    error: `a limit of queue ${target} is reached, and nothing was moved`,
  };
}

export function takesMoved(model: Model, from: string, to: string, { body }: Message): boolean {
  return from === to || hasRoom(model, to, sizeOf(body));
}

/** Whether a message of so many bytes is within the limits of its queue. */
export function hasRoom(model: Model, name: string, bytes: number): boolean {
  const queue = model.queues.get(name);
  const { maxMessages, maxBytes } = settingsOf(model, name);
  if ((queue?.bytes ?? 0) + bytes > maxBytes) return false;
  return queue === undefined || count(queue) < maxMessages;
}

export function isPaused({ time }: Model, queue: Queue | undefined): boolean {
  const paused = queue?.paused;
  return paused !== undefined && (paused === 0 || paused > time.calendar);
}

/** A delayed message is delivered: it is due. */
export function bring(model: Model, name: string, told: number): void {
  const number = told % NUMBERS;
  const queue = model.queues.get(name);
  const at = queue?.delayed.findIndex((message) => message.number === number) ?? -1;
  const message = queue?.delayed[at];
  if (queue === undefined || message?.due === undefined) return;
  if (message.due.first > model.time.last) return;
  queue.delayed.splice(at, 1);
  insert(queue, message);
}

/** What the operation would have told before the group. */
export function expectBefore(model: Model, asked: Asked, client: number): Told {
  const { before, queues } = model;
  const { queue: name } = asked;
  const queue = before.has(name) ? before.get(name) : queues.get(name);
  const only = new Map(queue === undefined ? [] : [[name, queue]]);
  return expect({ ...model, queues: only }, asked, client);
}

/**
 * The operation is done, and tells what {@link expect} said.
 * @param body put: what its client asked to store
 */
export function apply(
  model: Model,
  operation: Operation,
  client: number,
  outcome: Outcome,
  body?: Body,
): void {
  const { kind, queue: name } = operation;
  if (outcome !== "done" && outcome !== "repeated") return;
  switch (kind) {
    case "put":
      return put(model, operation, client, outcome === "repeated" ? undefined : body);
    case "take":
    case "open":
    case "lease":
    case "move":
      return take(model, operation, client);
    case "close":
    case "abort":
    case "bury":
      return endOpen(model, name, client, kind, operation.delay);
    case "pass":
      return passOpen(model, name, client, operation.target);
    case "acknowledge":
      return acknowledge(model, name, operation.number);
    case "extend":
      return extend(model, name, operation.number, operation.lease);
    case "release":
      return releaseAll(model, client, operation.inVain);
    case "delete": {
      const queue = touch(model, name) as Queue;
      model.queues.delete(name);
      model.bytes -= queue.bytes;
      return;
    }
    case "pause":
    case "resume":
      (touch(model, name) as Queue).paused = kind === "pause" ? operation.until : undefined;
      return;
    default:
  }
}

function take(model: Model, operation: Operation, client: number): void {
  const queue = touch(model, operation.queue) as Queue;
  const { kind, target, lease, scope } = operation;
  const isEarly = kind === "open" && scope === "early";
  const message = isEarly ? takeEarly(model, queue, operation.dueIn) : shift(queue);
  if (kind === "open" || kind === "lease") {
    if (message.deliveries > 0) queue.tally.redelivered++;
    if (kind === "open") queue.open.set(client, message);
    else addLease(model, queue, message, lease);
    return;
  }
  if (kind === "move") addMoved(model, target, message, false);
  remove(model, queue, message);
}

function shift({ available }: Queue): Message {
  return available.shift() as Message;
}

/** @param dueIn milliseconds that it would have waited, as the client was told */
function takeEarly(model: Model, queue: Queue, dueIn: number): Message {
  const message = earliest(model, queue) as Message;
  const { first, last } = model.time;
  const least = dueIn > 0 ? Math.floor((message.due?.first ?? 0) - last) : 0;
  const most = Math.max(0, Math.ceil((message.due?.last ?? 0) - first));
  if (dueIn < least || dueIn > most) {
    throw new Violation(`${message.number} of ${queue.name} waits ${dueIn}, not ${least}..${most}`);
  }
  const at = queue.delayed.indexOf(message);
  if (at < 0) return shift(queue);
  queue.delayed.splice(at, 1);
  return { ...message, early: dueIn > 0 };
}

/** Moves so many messages, oldest first. */
export function moveAll(model: Model, name: string, target: string, messages: number): void {
  const queue = touch(model, name) as Queue;
  for (let n = 0; n < messages; n++) {
    // Of the same queue, one that was moved may come again.
    const message = queue.available.shift();
    if (message === undefined) return;
    addMoved(model, target, message, false);
    remove(model, queue, message);
  }
}

/** The message goes to another queue, too: a new one there, which was never delivered. */
export function addMoved(model: Model, name: string, message: Message, isDead: boolean): void {
  const queue = touchOrMake(model, name);
  const { flags, body } = message;
  const number = ++queue.sets;
  add(model, queue, {
    number,
    flags,
    body,
    deliveries: 0,
    isDead,
    due: undefined,
    early: false,
    lost: false,
    doubtful: false,
  });
}

export function touchOrMake(model: Model, name: string): Queue {
  const known = touch(model, name);
  if (known !== undefined) return known;
  const queue = newQueue(++model.serials, name);
  model.queues.set(name, queue);
  return queue;
}

export function add(model: Model, queue: Queue, message: Message): void {
  if (message.due === undefined) insert(queue, message);
  else queue.delayed.push(message);
  queue.bytes += sizeOf(message.body);
  model.bytes += sizeOf(message.body);
}

export function remove(model: Model, queue: Queue, { body }: Message): void {
  queue.bytes -= sizeOf(body);
  model.bytes -= sizeOf(body);
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
  const { available, open, leased, delayed } = queue;
  const { number } = message;
  if ([...available, ...open.values(), ...delayed].some((each) => each.number === number)) return;
  if (!leased.has(number)) add(model, queue, { ...message, due: undefined });
}

/** The first messages, up to number `last`, are lost for good. */
export function lose(model: Model, name: string, last: number): void {
  const queue = touch(model, name) as Queue;
  queue.damaged = true;
  while ((queue.available[0]?.number ?? Infinity) <= last) {
    remove(model, queue, queue.available.shift() as Message);
  }
}

/** @throws Violation when the operation told another message than this one */
export function compareMessage(operation: Operation, message: Message): void {
  const { kind, number, flags, body, start, end, queue, deliveries, scope } = operation;
  const isLease = kind === "lease" || (kind === "peek" && scope === "leased");
  const right = isLease ? toldNumber(message) : message.number;
  const times = message.deliveries + (kind === "open" || isLease ? 1 : 0);
  const isSame = number === right && flags === message.flags && deliveries === times;
  if (isSame && isBody(message.body, body, start, end)) return;
  const wrong = `number ${number}, delivery ${deliveries}, ${beginOf({ bytes: body, start, end })}`;
  throw new Violation(
    `${kind} of ${queue} got ${wrong}; the oldest is number ${right}, delivery ${times}, ` +
      beginOf(message.body),
  );
}

/** The number of the next lease of the message. */
export function toldNumber({ number, deliveries }: Message): number {
  return number + NUMBERS * (deliveries % 1024);
}
