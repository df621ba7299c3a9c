/** A queue as the model has it: plain lists of messages. */
import type { Body } from "./body.ts";

/** Between these two moments, in milliseconds on the monotonic clock. */
export interface Span {
  first: number;
  last: number;
}

/** It is not changed, but for `lost` and `doubtful`: what happens to a message makes another one of the same number. */
export interface Message {
  number: number;
  flags: number;
  body: Body;
  /** How often it was delivered by open or lease, and came back. */
  deliveries: number;
  /** It came to this queue as a dead letter. */
  isDead: boolean;
  /** Delayed: it can be delivered from one of these moments on. */
  due: Span | undefined;
  /** It was opened before that, and waits for it again when it comes back. */
  early: boolean;
  /** The disk has lost it; it may still be in memory. */
  lost: boolean;
  /** A flush that is done in parts has dropped it, or has not: see doubt.ts. */
  doubtful: boolean;
}

export interface Lease {
  message: Message;
  /** The number by which it was told. */
  told: number;
  /** When it is over; and when by what is on the disk, which may be later behind a start. */
  due: Span;
  written: Span;
  lengthMs: number;
}

/** What `stats queue` counts since the start of the server. */
export interface Tally {
  dropped: number;
  duplicates: number;
  redelivered: number;
  dead: number;
  missed: number;
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
  /** By the numbers of their messages. */
  leased: Map<number, Lease>;
  /** Not delivered before they are due; when exactly that is noticed is not known here. */
  delayed: Message[];
  /** Ids of messages that were set, and when. */
  ids: Map<string, Span>;
  tally: Tally;
  /** Delivers nothing until then, in milliseconds since 1970; 0: until it is resumed. */
  paused: number | undefined;
  /** Messages of it were lost: its bytes are right only after they were counted anew. */
  damaged: boolean;
}

export function newQueue(serial: number, name: string): Queue {
  return {
    serial,
    name,
    sets: 0,
    bytes: 0,
    available: [],
    open: new Map(),
    leased: new Map(),
    delayed: [],
    ids: new Map(),
    tally: newTally(),
    paused: undefined,
    damaged: false,
  };
}

export function newTally(): Tally {
  return { dropped: 0, duplicates: 0, redelivered: 0, dead: 0, missed: 0 };
}

export function copyOf(queue: Queue): Queue {
  const { available, open, leased, delayed, ids, tally } = queue;
  return {
    ...queue,
    available: [...available],
    open: new Map(open),
    leased: new Map(leased),
    delayed: [...delayed],
    ids: new Map(ids),
    tally: { ...tally },
  };
}

export function messagesOf({ available, open, leased, delayed }: Queue): Message[] {
  const held = [...leased.values()].map(({ message }) => message);
  return [...available, ...open.values(), ...held, ...delayed];
}

export function count({ available, open, leased, delayed }: Queue): number {
  return available.length + open.size + leased.size + delayed.length;
}

/** The message can be delivered, before all younger ones. */
export function insert({ available }: Queue, message: Message): void {
  let at = available.length;
  while (at > 0 && (available[at - 1] as Message).number > message.number) at--;
  if (at === available.length) available.push(message);
  else available.splice(at, 0, message);
}

/** Open messages are as they were before they were opened. @param which of them */
export function giveOpenBack(queue: Queue, which: (message: Message) => boolean): Queue {
  for (const [client, message] of [...queue.open]) {
    if (!which(message)) continue;
    queue.open.delete(client);
    restoreOpen(queue, message);
  }
  return queue;
}

export function restoreOpen(queue: Queue, message: Message): void {
  if (message.early) queue.delayed.push({ ...message, early: false });
  else insert(queue, message);
}
