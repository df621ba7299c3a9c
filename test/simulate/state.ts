/** What the judge knows of all clients together. */
import type { Entry, Session } from "../../src/engine/engine.ts";
import { meaningOf } from "./ask.ts";
import type { Faults } from "./faults.ts";
import type { Message, Model } from "./model.ts";
import type { Counters } from "./statistics.ts";
import { type Asked, finish, promiseFailure, type Talk } from "./talk.ts";

/** A message that was taken, and not delivered: it must come back. */
export interface Owed {
  queue: string;
  serial: number;
  message: Message;
  client: number;
}

export interface Judge {
  model: Model;
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
  /** The bound of what is held of requests, in bytes; 0 is none. */
  maxInput: number;
  /** Messages that were lost in the group. */
  lost: number;
  requests: number;
  operations: number;
  version: string;
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

/** Leaves the line of those who wait. */
export function leaveLine({ lines }: Judge, talk: Talk): void {
  const { wait } = talk;
  if (wait === undefined) return;
  talk.wait = undefined;
  const line = lines.get(wait.queue);
  const at = line?.indexOf(talk) ?? -1;
  if (line === undefined || at < 0) return;
  line.splice(at, 1);
  if (line.length === 0) lines.delete(wait.queue);
}

/** The key of the operation, and what it means. */
export function keyOf({ ask }: Asked, { keyIndex }: Entry): ReturnType<typeof meaningOf> {
  const key = ask.keys?.[keyIndex];
  return key === undefined
    ? { queue: "", before: undefined, action: "none", waitMs: -1 }
    : meaningOf(key);
}
