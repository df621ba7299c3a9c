/** What the judge knows of all clients together. */
import type { Entry, Session } from "../../src/engine/engine.ts";
import { meaningOf } from "./ask.ts";
import type { Faults } from "./faults.ts";
import type { Model } from "./model.ts";
import type { Message } from "./queue.ts";
import type { Counters } from "./statistics.ts";
import { type Asked, finish, promiseFailure, type Talk } from "./talk.ts";

/** A message that was taken, and not delivered: it must come back. */
export interface Owed {
  queue: string;
  serial: number;
  message: Message;
  client: number;
}

/** What can be seen of the queues themselves. */
export interface Look {
  idOf: (name: string) => number;
  /** By the numbers of their messages: when the leases end, on the monotonic clock. */
  leases: (name: string) => ReadonlyMap<number, number>;
  /** The numbers of all messages, and of those that wait for their time. */
  numbers: (name: string) => ReadonlySet<number>;
  waiting: (name: string) => ReadonlySet<number>;
}

export interface Judge {
  model: Model;
  look: Look;
  /** Leases that were told to clients lately. */
  told: { queue: string; told: number }[];
  talks: Map<Session, Talk>;
  /** Clients that wait for a message of a queue, in the order in which they came. */
  lines: Map<string, Talk[]>;
  owed: Owed[];
  faults: Faults;
  counters: Counters;
  /** Raised when the file was read anew. */
  epoch: number;
  /** Clients may be served in another order than they came, and wait for other reasons. */
  isLoose: boolean;
  /** A look at the clock takes next to no time, and so a group is executed in one part unless it is much work. */
  isPrompt: boolean;
  /** The bound of what is held of requests, in bytes; 0 is none. */
  maxInput: number;
  /** Queues whose clients had offers of the group that came to nothing: later ones come to nothing, too. */
  passedOver: Set<string>;
  /** Messages that were lost in the group. */
  lost: number;
  requests: number;
  operations: number;
  version: string;
  /** When the queues were last hindered in what they do by the clock: they started, or a commit failed. */
  hinderedAt: number;
  /** When the last group was judged, on the monotonic clock. */
  judgedAt: number;
  now: () => number;
  calendar: () => number;
}

/** The request has failed: what is left of it in the group means nothing. */
export function failRequest(talk: Talk, asked: Asked, entry: Entry, reason: string): void {
  promiseFailure(talk, asked.ask, reason);
  endRequest(talk, entry);
}

export function endRequest(talk: Talk, entry: Entry): void {
  finish(talk);
  if (!entry.last) talk.failed = entry.request;
}

/** Leaves the lines of those that wait. */
export function leaveLine({ lines }: Judge, talk: Talk): void {
  const { wait } = talk;
  talk.wait = undefined;
  for (const queue of wait?.queues ?? []) {
    const line = lines.get(queue);
    const at = line?.indexOf(talk) ?? -1;
    if (line === undefined || at < 0) continue;
    line.splice(at, 1);
    if (line.length === 0) lines.delete(queue);
  }
}

/** The key of the operation, and what it means. */
export function keyOf({ ask }: Asked, { keyIndex }: Entry): ReturnType<typeof meaningOf> {
  const key = ask.keys?.[keyIndex];
  return key === undefined ? meaningOf("") : meaningOf(key);
}
