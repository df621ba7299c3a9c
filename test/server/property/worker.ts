/** A connection that sends what a script says, and tells the histories of the queues what comes of it. */
import { type Client, set } from "../client.ts";
import {
  type Delivery,
  type History,
  type Message,
  noteDelivered,
  noteLost,
  noteNothing,
  noteSet,
  noteStored,
  type Request,
  Violation,
} from "./model.ts";

/** What a `get` names. */
export interface Key {
  queue: string;
  before?: "close" | "abort";
  action: "take" | "open" | "peek" | "none";
  /** Milliseconds. */
  wait?: number;
  /** In the order in which they are written. */
  options: string[];
}

export type Command = { queue: string; size: number } | { keys: Key[] };

/** Commands that are sent together. */
export type Volley = Command[];

/** What the workers of one server have in common. */
export interface World {
  histories: Map<string, History>;
  /** Counts everything that is sent and read. */
  clock: number;
  clients: number;
  lastId: number;
  /** Called after each answer. */
  onAnswer: () => void;
}

export interface Worker {
  world: World;
  id: number;
  client: Client;
  order: number;
  /** What it has open, by the queue. */
  held: Map<string, Delivery>;
  /** What it waits for, and may wait long. */
  waiting: Waiting | undefined;
  /** It is in the middle of a script. */
  busy: boolean;
  /** Resolves when it is not any more. */
  task: Promise<void>;
  /** Called when it begins to wait. */
  onWaiting: () => void;
  /** What it sent and had no answer to when its connection ended. */
  unanswered: Request[];
  /** The requests among them that may have put back what it has open, by the queue. */
  aborting: Map<string, Request>;
}

export interface Waiting {
  key: Key;
  request: Request;
  /** Milliseconds. */
  since: number;
  /** The open message that was closed before the waiting began. */
  closed: Delivery | undefined;
}

/** A command that was sent. */
type Sent =
  { request: Request; message: Message; queue: string } | { request: Request; keys: Key[] };

/** From so many milliseconds on a wait ends with a message only, as far as a test is concerned. */
export const LONG_WAIT = 1_000_000;

export function newWorker(world: World, client: Client): Worker {
  return {
    world,
    id: ++world.clients,
    client,
    order: 0,
    held: new Map(),
    waiting: undefined,
    busy: false,
    task: Promise.resolve(),
    onWaiting: () => {},
    unanswered: [],
    aborting: new Map(),
  };
}

export function tick(world: World): number {
  return ++world.clock;
}

export function historyOf(world: World, queue: string): History {
  const history = world.histories.get(queue);
  if (history === undefined) throw new Error(`no history of ${queue}`);
  return history;
}

/** The body of a message: depends on its id, which is also its flags. */
export function bodyOf(id: number, size: number): Buffer {
  return Buffer.alloc(size, `${id};`);
}

function newRequest(worker: Worker): Request {
  const { world, id } = worker;
  return { client: id, order: ++worker.order, sent: world.clock, answered: Infinity };
}

/**
 * Sends the commands in one write, and reads the first `most` answers; the others are lost. False when the connection
 * has ended before.
 */
export async function exchange(
  worker: Worker,
  volley: Volley,
  { most = volley.length, onSent = () => {} } = {},
): Promise<boolean> {
  tick(worker.world);
  const sent = volley.map((command) => prepare(worker, command));
  worker.client.send(Buffer.concat(sent.map(render)));
  onSent();
  const unread = [...sent];
  try {
    for (let left = most; left > 0; left--) {
      const [next] = unread;
      if (next === undefined) break;
      await read(worker, next);
      unread.shift();
    }
  } catch (error) {
    if (!isClosing(error)) throw error;
  }
  for (const each of unread) lose(worker, each);
  return unread.length === 0;
}

/** The connection was ended, by whomever. */
function isClosing(error: unknown): boolean {
  return error instanceof Error && error.message.includes("connection closed");
}

function prepare(worker: Worker, command: Command): Sent {
  const { world } = worker;
  const request = newRequest(worker);
  if ("keys" in command) return { request, keys: command.keys };
  const { queue, size } = command;
  const message = noteSet(historyOf(world, queue), ++world.lastId, size, request);
  return { request, message, queue };
}

function render(sent: Sent): Buffer {
  if ("keys" in sent) return Buffer.from(`gets ${sent.keys.map(keyText).join(" ")}\r\n`);
  const { id, size } = sent.message;
  return set(sent.queue, bodyOf(id, size), id);
}

function keyText({ queue, options }: Key): string {
  return [queue, ...options].join("/");
}

async function read(worker: Worker, sent: Sent): Promise<void> {
  if ("keys" in sent) await readMessages(worker, sent.keys, sent.request);
  else await readStored(worker, sent.queue, sent.message, sent.request);
}

async function readStored(
  worker: Worker,
  queue: string,
  message: Message,
  request: Request,
): Promise<void> {
  const line = await worker.client.line();
  answer(worker, request);
  if (line !== "STORED") throw new Violation(`${queue}: a set was answered ${line}`);
  noteStored(historyOf(worker.world, queue), message);
}

function answer({ world }: Worker, request: Request): void {
  request.answered = tick(world);
  world.onAnswer();
}

async function readMessages(worker: Worker, keys: Key[], request: Request): Promise<void> {
  const refusal = refusalOf(worker, keys);
  if (refusal !== undefined) {
    const line = await worker.client.line();
    answer(worker, request);
    if (line !== refusal) throw new Violation(`${line} instead of ${refusal}`);
    return;
  }
  const [only] = keys;
  if (only?.wait !== undefined && only.wait >= LONG_WAIT) beginWaiting(worker, only, request);
  const found = await worker.client.messages();
  worker.waiting = undefined;
  answer(worker, request);
  for (const key of keys) {
    const { queue, action } = key;
    release(worker, key, request);
    if (action === "none") continue;
    const history = historyOf(worker.world, queue);
    if (found[0]?.queue !== keyText(key)) {
      noteNothing(history, request, action === "peek");
      continue;
    }
    const { flags, number = 0, body } = found.shift() as (typeof found)[number];
    const delivery = noteDelivered(history, request, flags, number, action);
    const size = history.messages.get(flags)?.size ?? 0;
    if (body !== bodyOf(flags, size).toString("latin1")) {
      throw new Violation(`${queue}: message ${flags} came with another body`);
    }
    if (action === "open" && delivery !== undefined) worker.held.set(queue, delivery);
  }
  if (found.length > 0) throw new Violation(`${found[0]?.queue} was not asked for, or twice`);
}

/** Closing does not wait, but is answered with the rest. */
function beginWaiting(worker: Worker, key: Key, request: Request): void {
  const closed = key.before === "close" ? worker.held.get(key.queue) : undefined;
  release(worker, key, request);
  worker.waiting = { key, request, since: performance.now(), closed };
  worker.onWaiting();
}

/** What the server must say when a message is open already. */
function refusalOf({ held }: Worker, keys: Key[]): string | undefined {
  const wrong = keys.find(
    ({ queue, before, action }) => action === "open" && before === undefined && held.has(queue),
  );
  if (wrong === undefined) return undefined;
  return `CLIENT_ERROR a message of ${wrong.queue} is open already`;
}

function release({ held }: Worker, { queue, before }: Key, request: Request): void {
  const delivery = held.get(queue);
  if (before === undefined || delivery === undefined) return;
  held.delete(queue);
  if (before === "close") delivery.final = true;
  else delivery.release = request;
}

function lose(worker: Worker, sent: Sent): void {
  const { world, unanswered, aborting } = worker;
  unanswered.push(sent.request);
  if (!("keys" in sent)) {
    noteLost(historyOf(world, sent.queue), sent.request, 0, 1);
    return;
  }
  for (const { queue, action, before } of sent.keys) {
    const gone = (action === "take" ? 1 : 0) + (before === "close" ? 1 : 0);
    noteLost(historyOf(world, queue), sent.request, gone, 0);
    if (before === "abort" && !aborting.has(queue)) aborting.set(queue, sent.request);
  }
}

/** A connection that is ended: what it has open is on its way back until {@link confirmEnd}. */
export interface Ending {
  worker: Worker;
  end: Request;
}

/** To be called right before the connection is ended, or the server. */
export function beginEnd(worker: Worker): Ending {
  const end = {
    client: worker.id,
    order: Infinity,
    sent: tick(worker.world),
    answered: Infinity,
  };
  return { worker, end };
}

/** The server is known to have noticed, and everything that the connection has sent is over. */
export function confirmEnd({ worker, end }: Ending): void {
  const { world, held, waiting, unanswered, aborting } = worker;
  end.answered = tick(world);
  // It was closed, or else it comes back: its request has no answer.
  if (waiting?.closed !== undefined) {
    waiting.closed.final = false;
    waiting.closed.release = end;
  }
  worker.waiting = undefined;
  for (const [queue, delivery] of held) delivery.release = aborting.get(queue) ?? end;
  held.clear();
  for (const request of unanswered) request.answered = world.clock;
}
