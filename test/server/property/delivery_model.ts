/**
 * What the queues do with leases, retries, dead letters, delays, ids and hand-over, as plain lists: each command is done
 * when it is asked for, and nothing happens by the clock.
 */

export interface Message {
  /** Also its flags. */
  id: number;
  number: number;
  /** In vain, so far. */
  deliveries: number;
  isDeadLetter: boolean;
  /** It waits, for longer than any test. */
  isDelayed: boolean;
}

export interface Queue {
  sets: number;
  /** What can be taken and what is delayed, by number. */
  there: Message[];
  /** By the client that has it open. */
  open: Map<number, Message>;
  /** By the number that was told. */
  leased: Map<number, Message>;
  ids: Set<string>;
  isPaused: boolean;
}

export interface Model {
  queues: Map<string, Queue>;
  /** After so many deliveries a message becomes a dead letter. */
  deliveries: Record<string, number>;
}

/** What a set closes. */
export type Source = { queue: string; told?: number };

const NUMBERS = 2 ** 43;

export function newModel(deliveries: Record<string, number>): Model {
  return { queues: new Map(), deliveries };
}

function made({ queues }: Model, name: string): Queue {
  let queue = queues.get(name);
  if (queue === undefined) {
    queue = {
      sets: 0,
      there: [],
      open: new Map(),
      leased: new Map(),
      ids: new Set(),
      isPaused: false,
    };
    queues.set(name, queue);
  }
  return queue;
}

function add(model: Model, name: string, id: number, fields: Partial<Message> = {}): Message {
  const queue = made(model, name);
  const message = {
    id,
    number: ++queue.sets,
    deliveries: 0,
    isDeadLetter: false,
    isDelayed: false,
    ...fields,
  };
  queue.there.push(message);
  return message;
}

function putBack(queue: Queue, message: Message): void {
  queue.there.push(message);
  queue.there.sort((a, b) => a.number - b.number);
}

/** @returns whether it is stored, or was before */
export function put(
  model: Model,
  name: string,
  id: number,
  how: { token?: string; isDelayed?: boolean; source?: Source; client: number },
): boolean {
  const { token, isDelayed = false, source, client } = how;
  const held = source && heldBy(model, source, client);
  const isRepeat = token !== undefined && model.queues.get(name)?.ids.has(token) === true;
  if (!isRepeat) {
    if (source !== undefined && held === undefined) return false;
    add(model, name, id, { isDelayed });
    if (token !== undefined) made(model, name).ids.add(token);
  }
  held?.();
  return true;
}

/** Closes it; undefined when it is not held. */
function heldBy(
  { queues }: Model,
  { queue: name, told }: Source,
  client: number,
): (() => void) | undefined {
  const queue = queues.get(name);
  if (queue === undefined) return undefined;
  if (told !== undefined)
    return queue.leased.has(told) ? () => void queue.leased.delete(told) : undefined;
  return queue.open.has(client) ? () => void queue.open.delete(client) : undefined;
}

/** The oldest message that can be delivered, of the first queue that has one. */
export function oldest(
  { queues }: Model,
  names: readonly string[],
  isPeek = false,
  isEarly = false,
): { queue: Queue; message: Message } | undefined {
  for (const name of names) {
    const queue = queues.get(name);
    if (queue === undefined || (queue.isPaused && !isPeek)) continue;
    const message = queue.there.find(({ isDelayed }) => isEarly || !isDelayed);
    if (message !== undefined) return { queue, message };
  }
  return undefined;
}

export function remove(queue: Queue, message: Message): void {
  queue.there = queue.there.filter((other) => other !== message);
}

/** The number of the message's next delivery. */
export function toldNumber({ number, deliveries }: Message): number {
  return number + NUMBERS * deliveries;
}

/** It was delivered in vain. */
export function giveBack(model: Model, name: string, message: Message, isDelayed = false): void {
  const deliveries = message.deliveries + 1;
  const most = model.deliveries[name] ?? Infinity;
  if (deliveries >= most && !message.isDeadLetter) return bury(model, name, message);
  putBack(made(model, name), { ...message, deliveries, isDelayed });
}

/** It becomes a dead letter, or goes back when it is one. */
export function bury(model: Model, name: string, message: Message): void {
  if (message.isDeadLetter) giveBack(model, name, message);
  else add(model, `${name}.dead`, message.id, { isDeadLetter: true });
}

/** The client has ended: what it had open comes back. One that was opened before its time waits again. */
export function release(model: Model, client: number): void {
  for (const [name, queue] of [...model.queues]) {
    const message = queue.open.get(client);
    if (message === undefined) continue;
    queue.open.delete(client);
    abort(model, name, message);
  }
}

export function abort(model: Model, name: string, message: Message): void {
  if (message.isDelayed) putBack(made(model, name), message);
  else giveBack(model, name, message);
}

/** The server has ended: that is no delivery. */
export function restart({ queues }: Model): void {
  for (const queue of queues.values()) {
    for (const message of queue.open.values()) putBack(queue, message);
    queue.open.clear();
  }
}

export function move(model: Model, message: Message, to: string): void {
  add(model, to, message.id);
}

/** What `stats queue <name>` tells. */
export function detailsOf({ sets, there, open, leased, isPaused }: Queue, size: number) {
  const messages = there.length + open.size + leased.size;
  return {
    messages,
    bytes: messages * size,
    open: open.size,
    leased: leased.size,
    delayed: there.filter(({ isDelayed }) => isDelayed).length,
    sets,
    gets: sets - messages,
    paused: isPaused ? -1 : 0,
  };
}
