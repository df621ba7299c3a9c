import type { QueueRule, QueueSettings } from "../../config/queue_settings.ts";
import type { DuePlace, Store } from "../../store/store.ts";
import type { Clock } from "../../util/clock.ts";
import type { Watcher } from "../backend.ts";
import { parentOf } from "../child.ts";
import { findSettings, type FoundSettings, newQueueRules, type QueueRules } from "../settings.ts";
import type { Tally } from "../summary.ts";
import { type Arrivals, newArrivals } from "./arrivals.ts";
import { type Cache, newCache } from "./cache.ts";
import { type Children, newChildren } from "./children.ts";
import { addEnd, type LeaseEnds, newLeaseEnds } from "./lease_ends.ts";
import { countAvailable, isPaused, newQueue, type Queue } from "./queue.ts";
import { loadOnce, MAX_IDS, type NewId, type Once } from "./remembered.ts";
import { newSpace, type Space } from "./space.ts";
import { newTotals, type Totals } from "./totals.ts";

/** All queues of one store, and what the group being executed has changed in them. */
export interface Local {
  store: Store;
  /** In the order in which they were made. */
  queues: Map<string, Queue>;
  cache: Cache;
  limits: Limits;
  rules: QueueRules;
  /** What holds for all queues, where no rule says otherwise. */
  defaults: Partial<QueueSettings>;
  watcher: Watcher;
  clock: Clock;
  /** Bytes of the bodies of all messages. */
  bytes: number;
  totals: Totals;
  /** When a message that was taken was last looked at, on the monotonic clock: see waited.ts. */
  lookedAt: number;
  changes: Changes;
  /** The group asks for a checkpoint behind its commit. */
  checkpointAsked: "full" | "truncate" | undefined;
  /** Queues whose bytes are being counted again: damaged ones, and such that are or were flushed in parts. */
  recounts: Set<Queue>;
  fanout: Fanout;
  /** The search for expired messages: see sweep.ts. */
  sweep: { rest: Iterator<Queue> | undefined };
  /** The ids of messages that were set: see once.ts. */
  once: Once;
  /** Queues whose pause ends by itself. */
  pauses: Set<Queue>;
  /** What is known of when messages were committed. */
  arrivals: Arrivals;
  /** Messages that were lost to damage since the start. */
  lost: number;
  /** Raised when the queues were read again from the store: lists that are not at their end fail then. */
  epoch: number;
  /** Defined after a failed sync, until it is known what of the group is on disk: nothing is executed meanwhile. */
  failedSync: FailedSync | undefined;
  due: Due;
  space: Space;
  /** Writes to the operator's log. */
  warn: (text: string) => void;
}

/** Queues that get a copy of each message of another one: see copies.ts. */
export interface Fanout {
  /** --fanout is given. */
  isOn: boolean;
  children: Children;
  /** The operator was told that a child gets no copies. */
  isTold: boolean;
}

/** What happens by the clock: see due.ts. Times are in milliseconds since 1970, as {@link now} tells them. */
export interface Due {
  /** The difference of the two clocks at the start; and when that was, on the monotonic clock. */
  offset: number;
  startedAt: number;
  /** All delayed messages up to this place were brought into memory. */
  place: DuePlace;
  /** When the next one is due, or earlier; Infinity when there is none. */
  nextDelayed: number;
  ends: LeaseEnds;
  /** Queues whose dead letters stay in them: that was told. */
  unburied: WeakSet<Queue>;
  /** After a failure, the earliest time of the next try, on the monotonic clock. */
  retryAt: number;
}

/** Milliseconds since 1970, but by a clock that never goes back: times in the store are of this clock. */
export function now({ clock, due }: Local): number {
  return Math.floor(clock.monotonic() + due.offset);
}

/** How much may be in the queues. */
export interface Limits {
  /** Messages in one queue, where its settings don't say otherwise. */
  messages: number;
  /** Bytes of the bodies in all queues. */
  bytes: number;
  /** Bytes of the disk that sets leave free; 0 when absent. */
  minFree?: number;
  /** Ids of messages that are remembered; MAX_IDS when absent. */
  ids?: number;
}

/** What happened since the last commit. */
export interface Changes {
  /** The queues that the group uses, creates and drops. */
  touched: Queue[];
  created: Queue[];
  dropped: Queue[];
  /** Messages that the group found to be lost. */
  losses: Loss[];
  /** Queues whose bytes are too high from this group on, and queues whose bytes were corrected. */
  miscounted: Queue[];
  recounted: Queue[];
  /** The queues that it paused or resumed, and how they were before. */
  paused: { queue: Queue; before: number | undefined }[];
  /** The ids of messages that it set, by their hashes. */
  ids: Map<bigint, NewId>;
  /** What it counted. */
  tallied: Tallied[];
  /** Bytes that the group set, took or loaded. */
  bytes: number;
  /** How many operations did more than look into memory. */
  costly: number;
  /** Messages that went at a limit, beside one for each set. */
  crowdedOut: number;
  /** Queues whose clients had offers of the group that came to nothing; also of parts of it that were committed before. */
  passedOver: Set<string>;
}

/** Something that the group counted, so that it can be taken back. */
export interface Tallied {
  queue: Queue;
  what: keyof Tally;
}

/** Messages of a queue that the store has lost. */
export interface Loss {
  queue: Queue;
  messages: number;
  /** For the operator. */
  warning: string;
}

/** A failed sync, until the file was read again. */
export interface FailedSync {
  reason: string;
  /** When reading was last tried, on the monotonic clock. */
  triedAt: number;
}

/** @param cacheLimit bytes that the messages in memory may take */
export function newLocal(
  store: Store,
  cacheLimit: number,
  limits: Limits,
  watcher: Watcher,
  clock: Clock,
  warn: (text: string) => void,
  rules: readonly QueueRule[] = [],
  readsExptime = false,
): Local {
  const queues = new Map<string, Queue>();
  const recounts = new Set<Queue>();
  let bytes = 0;
  const due = newDue(store, clock);
  for (const stored of store.queues()) {
    const queue = newQueue(stored);
    queues.set(stored.name, queue);
    if (stored.recount === true) recounts.add(queue);
    resumeLeases(due, queue, clock);
    bytes += stored.bytes;
  }
  const defaults = { maxMessages: limits.messages, readsExptime };
  const queueRules = newQueueRules(rules, defaults);
  return {
    store,
    queues,
    cache: newCache(cacheLimit),
    limits,
    rules: queueRules,
    defaults,
    watcher,
    clock,
    bytes,
    totals: newTotals(queues.values()),
    lookedAt: -Infinity,
    changes: newChanges(),
    recounts,
    once: loadOnce(store, queueRules, limits.ids ?? MAX_IDS, clock.calendar()),
    fanout: { isOn: false, children: newChildren(queues.keys()), isTold: false },
    sweep: { rest: undefined },
    pauses: new Set([...queues.values()].filter(({ paused }) => (paused ?? 0) > 0)),
    arrivals: newArrivals(),
    checkpointAsked: undefined,
    lost: 0,
    epoch: 0,
    failedSync: undefined,
    due,
    space: newSpace(limits.minFree ?? 0),
    warn,
  };
}

/**
 * The leases that were read from the store go on. One that was made in what is the future by now, since the calendar was
 * set back, is from before the start, and goes on for its whole length from then.
 */
export function resumeLeases({ ends, offset, startedAt }: Due, queue: Queue, clock: Clock): void {
  const { leases } = queue.delivery ?? {};
  for (const [number, stored] of leases ?? []) {
    const isFuture = stored.due - stored.length > clock.monotonic() + offset;
    const longest = Math.floor(startedAt + offset) + stored.length;
    const lease = { ...stored, due: isFuture ? longest : stored.due };
    leases?.set(number, lease);
    addEnd(ends, { queue, lease });
  }
}

function newDue(store: Store, { calendar, monotonic }: Clock): Due {
  const startedAt = monotonic();
  const offset = calendar() - startedAt;
  const place = { due: 0, queue: 0, number: 0 };
  return {
    offset,
    startedAt,
    place,
    nextDelayed: store.nextDue(place) ?? Infinity,
    ends: newLeaseEnds(),
    unburied: new WeakSet(),
    retryAt: 0,
  };
}

function newChanges(): Changes {
  return {
    touched: [],
    created: [],
    dropped: [],
    losses: [],
    miscounted: [],
    recounted: [],
    paused: [],
    ids: new Map(),
    tallied: [],
    bytes: 0,
    costly: 0,
    crowdedOut: 0,
    passedOver: new Set(),
  };
}

export function isChanged({ changes }: Local): boolean {
  const { touched, created, dropped } = changes;
  return touched.length > 0 || created.length > 0 || dropped.length > 0;
}

/** The group uses the queue. */
export function touch({ changes }: Local, queue: Queue): void {
  if (queue.touched) return;
  queue.touched = true;
  changes.touched.push(queue);
}

/** From now on these rules hold. */
export function setRules(local: Local, rules: readonly QueueRule[]): void {
  local.rules = newQueueRules(rules, local.defaults);
}

/** What holds for the queue: looked for once, and again after a reload. */
export function settingsOf(local: Local, queue: Queue): FoundSettings {
  if (queue.settings.rules !== local.rules) queue.settings = settingsFor(local, queue.name);
  return queue.settings;
}

/** What holds for a queue of that name, whether there is one or not: with --fanout for a child what holds for its parent. */
export function settingsFor({ rules, fanout }: Local, name: string): FoundSettings {
  return findSettings(rules, fanout.isOn ? (parentOf(name) ?? name) : name);
}

/** Nothing is changed since the commit, or all of it was undone. */
export function forgetChanges({ changes }: Local): void {
  changes.touched.length = 0;
  changes.created.length = 0;
  changes.dropped.length = 0;
  changes.losses.length = 0;
  changes.miscounted.length = 0;
  changes.recounted.length = 0;
  changes.paused.length = 0;
  if (changes.ids.size > 0) changes.ids.clear();
  changes.tallied.length = 0;
  changes.bytes = 0;
  changes.costly = 0;
  changes.crowdedOut = 0;
}

/** Tells the engine of messages that clients wait for. */
export function announceAvailable(
  { watcher, queues, clock }: Local,
  changed: Iterable<Queue>,
): void {
  for (const queue of changed) {
    if (!watcher.isAwaited(queue.name) || queues.get(queue.name) !== queue) continue;
    const messages = countAvailable(queue);
    if (isPaused(queue, clock.calendar())) continue;
    if (messages > 0) watcher.ready(queue.name, messages);
  }
}
