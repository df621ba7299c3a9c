import { DURATIONS, type Histogram, newHistogram } from "../../util/histogram.ts";
import type { Usage, Watcher } from "../backend.ts";
import { parentOf } from "../child.ts";
import { findSettings, type FoundSettings, newQueueRules, type QueueRules } from "../settings.ts";
import type { Link } from "./connection.ts";
import type { SharedConsumer } from "./consumer.ts";
import { type Names, newNames } from "./names.ts";
import type { SharedOptions } from "./options.ts";
import type { Single } from "./single.ts";

/** What a server knows of the queues that it shares with others. The queues themselves are in PostgreSQL. */
export interface Shared {
  readonly options: SharedOptions;
  readonly watcher: Watcher;
  rules: QueueRules;
  readonly names: Names;
  /** Undefined while there is no connection. */
  link: Link | undefined;
  /** Making a connection, as long as that takes. */
  linking: Promise<Link> | undefined;
  /** Why there is no connection. */
  away: { reason: string; since: number } | undefined;
  /** This server among the others, and how many turns it has begun. Both are new when others gave it up. */
  server: number;
  turns: number;
  /** The turn before this one is done. */
  last: Promise<unknown>;
  /** A turn whose outcome is unknown: nothing else is done before that is known. */
  unresolved: Unresolved | undefined;
  /** Done in the next turn: what clients that are gone had open. */
  readonly leftovers: Single[];
  /** Clients that have messages open. */
  readonly consumers: Set<SharedConsumer>;
  nextConsumer: number;
  /** Notices that are still to be sent: the id of the server that gets one, and of the queue that has messages. */
  readonly woken: [number, number][];
  /** Queues that clients of this server wait for. */
  readonly waits: Map<string, Wait>;
  usage: Usage;
  readonly measured: Measured;
  /** Pending timers. */
  readonly timers: Set<() => void>;
  /** When to look next for what can be deleted, on the monotonic clock. */
  cleanAt: number;
  /** The last queue that was looked at for expired messages; 0: the next look begins anew. */
  sweptTo: number;
  closed: boolean;
  /** The operator was told that a child gets no copies without --fanout. */
  isFanoutTold: boolean;
}

/** What was asked of a turn, as far as it has to be undone when its results are not told. */
export interface Unresolved {
  no: number;
  /** By the number of the step: a take, or a single operation. */
  steps: Map<number, { queue: number; kind: string; consumer: number }>;
}

/** A queue that clients wait for. */
export interface Wait {
  /** Undefined: there is no such queue yet. */
  id: number | undefined;
  /** PostgreSQL knows of it. */
  isKnown: boolean;
  /** Ends the timer for the next message that is due. */
  cancel: (() => void) | undefined;
}

export interface Measured {
  roundTrips: Histogram;
  flushes: Histogram;
  retries: number;
  beatLagMs: number;
}

export function newShared(options: SharedOptions, watcher: Watcher): Shared {
  return {
    options,
    watcher,
    rules: newQueueRules(options.rules, defaultsOf(options)),
    names: newNames(),
    link: undefined,
    linking: undefined,
    away: undefined,
    server: 0,
    turns: 0,
    last: Promise.resolve(),
    unresolved: undefined,
    leftovers: [],
    consumers: new Set(),
    nextConsumer: 1,
    woken: [],
    waits: new Map(),
    usage: { queues: 0, bytes: 0, messages: 0, sets: 0, cached: 0, cacheLimit: 0, lost: 0 },
    measured: {
      roundTrips: newHistogram(DURATIONS),
      flushes: newHistogram(DURATIONS),
      retries: 0,
      beatLagMs: 0,
    },
    timers: new Set(),
    cleanAt: 0,
    sweptTo: 0,
    closed: false,
    isFanoutTold: false,
  };
}

export function defaultsOf({ limits, readsExptime }: SharedOptions) {
  return { maxMessages: limits.messages, readsExptime };
}

/** What holds for a queue of that name: with --fanout for a child what holds for its parent. */
export function settingsFor({ rules, options }: Shared, name: string): FoundSettings {
  return findSettings(rules, options.fanout ? (parentOf(name) ?? name) : name);
}

/** Does the work later, unless the queues are closed by then. */
export function later(shared: Shared, milliseconds: number, work: () => void): () => void {
  const cancel = shared.options.after(milliseconds, () => {
    shared.timers.delete(cancel);
    work();
  });
  shared.timers.add(cancel);
  return () => {
    shared.timers.delete(cancel);
    cancel();
  };
}
