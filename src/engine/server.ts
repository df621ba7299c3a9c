import type { Options } from "../config/options.ts";
import { type Load, newLoad } from "../net/backpressure.ts";
import { type Connection } from "../net/connection.ts";
import { type Broker, openBroker, wakeWaiters } from "../queues/local/broker.ts";
import { cancel, commit, isDirty } from "../queues/local/commit.ts";
import { type Store, StoreError } from "../store/store.ts";
import { observe, observeTime } from "../util/histogram.ts";
import { error, logInternal, trace, verbosity, warn } from "../util/log.ts";
import { newStats, type Stats } from "./stats.ts";
import { deliverTurn, newTurn, type Turn } from "./turn.ts";

/** Everything that the parts of a running server share. */
export interface Server {
  options: Options;
  store: Store;
  broker: Broker;
  stats: Stats;
  connections: Set<Connection>;
  load: Load;
  turn: Turn;
  /** The end of this turn is waited for. */
  scheduled: boolean;
  /** When the turn began, and how long the last commit took, in milliseconds. */
  begun: number;
  commitTime: number;
  /** Why a turn failed last. */
  failure: string | undefined;
  /** What the turn adds to the statistics when it is committed. */
  setHits: number;
  getHits: number;
}

/** Beyond so many bytes of answers, or of messages, nothing is gathered any further: it is committed and sent. */
const TURN_BYTES = 1024 * 1024;
/** When nothing has come for this part of the time that a commit takes, nothing more is waited for. */
const QUIET_PART = 32;

/** @param messageMemory bytes that messages may take in memory */
export function newServer(options: Options, store: Store, messageMemory: number): Server {
  return {
    options,
    store,
    broker: openBroker(store, messageMemory, {
      messages: options.maxMessages,
      bytes: options.maxBytes,
    }),
    stats: newStats(),
    connections: new Set(),
    load: newLoad(),
    turn: newTurn(),
    scheduled: false,
    begun: 0,
    commitTime: 0,
    failure: undefined,
    setHits: 0,
    getHits: 0,
  };
}

/** Makes sure that the turn is ended after all sockets that have something to read were read. */
export function scheduleEnd(server: Server): void {
  if (server.scheduled) return;
  server.scheduled = true;
  server.begun = performance.now();
  setImmediate(() => endWhenQuiet(server, { grown: server.begun, count: 0 }));
}

/** When a turn last grew, in milliseconds, and to how many answers. */
interface Growth {
  grown: number;
  count: number;
}

/**
 * Ends the turn, unless it is worth waiting for more: while one request is read the next one arrives, and a sync costs
 * as much for a few answers as for many. So the sockets are looked at again as long as that brings answers to give,
 * and a little longer; what is little depends on the disk.
 */
function endWhenQuiet(server: Server, growth: Growth): void {
  if (!server.options.noSync && isGrowing(server, growth)) {
    setImmediate(() => endWhenQuiet(server, growth));
    return;
  }
  server.scheduled = false;
  endTurn(server);
}

function isGrowing(server: Server, growth: Growth): boolean {
  const { turn, broker, connections, begun, commitTime } = server;
  // There is nothing to commit, or nobody is left who could ask for more.
  if (!isDirty(broker) || turn.count >= connections.size) return false;
  const now = performance.now();
  const hasGrown = turn.count > growth.count;
  if (hasGrown) {
    growth.count = turn.count;
    growth.grown = now;
  }
  if (now - begun > commitTime) return false;
  return hasGrown || now - growth.grown < commitTime / QUIET_PART;
}

/** Whether the turn has gathered so much that it is to be ended, lest memory and everybody's wait grow with it. */
export function isTurnLarge({ turn, broker, options, begun, commitTime }: Server): boolean {
  const { gathered } = broker;
  if (turn.size + turn.bytes.length >= TURN_BYTES || gathered >= TURN_BYTES) return true;
  // Where a commit takes longer than what it is for, more commits would only be more waiting.
  return gathered >= options.logBuffer && performance.now() - begun >= commitTime;
}

/**
 * Commits what the turn changed, and then delivers its answers.
 * @returns why nothing of the turn happened, or undefined when all of it did
 */
export function endTurn(server: Server): string | undefined {
  const { broker, turn, store } = server;
  const failure = wake(server);
  const dirty = isDirty(broker);
  const before = performance.now();
  try {
    if (commit(broker)) countCommit(server, before);
  } catch (reason) {
    return failTurn(server, reason);
  }
  server.begun = performance.now();
  if (dirty) server.commitTime = server.begun - before;
  server.stats.setHits += server.setHits;
  server.stats.getHits += server.getHits;
  forgetHits(server);
  deliverTurn(turn, undefined);
  if (dirty) orWarn(() => store.relieve());
  return failure;
}

/** @returns why the turn failed so far, when a message for somebody who waits could not be read */
function wake(server: Server): string | undefined {
  server.failure = undefined;
  wakeWaiters(server.broker);
  return server.failure;
}

/**
 * Nothing of the turn happened: its answers become errors.
 * @returns the error in words for the client
 */
export function failTurn(server: Server, cause: unknown): string {
  const reason = reasonOf(cause);
  server.failure = reason;
  countFailure(server, reason);
  logFailure(
    `SERVER_ERROR ${reason}, to all ${server.turn.count} answers of the turn that tell of a change`,
  );
  cancel(server.broker);
  forgetHits(server);
  deliverTurn(server.turn, reason);
  if (server.broker.ready.length > 0) scheduleEnd(server);
  return reason;
}

/** A full disk fails every turn: it is told once a second. */
let lastFailure = 0;

function logFailure(text: string): void {
  trace(text);
  if (Date.now() - lastFailure < 1000) return;
  lastFailure = Date.now();
  error(text);
}

/** The words for the client. Anything but a failure of the store is a mistake of ours, and goes into the log whole. */
export function reasonOf(reason: unknown): string {
  if (reason instanceof StoreError) return reason.message;
  logInternal(reason);
  return "internal error";
}

/** For work that no socket's handler guards: what goes wrong in it takes the turn with it, and nothing else. */
export function guard(server: Server, work: () => void): void {
  try {
    work();
  } catch (cause) {
    failTurn(server, cause);
  }
}

/** For work of which nobody waits for the result. */
export function orWarn<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (reason) {
    warn(reasonOf(reason));
    return undefined;
  }
}

export function isTracing(): boolean {
  return verbosity() >= 2;
}

function countCommit({ stats: { commits }, setHits, getHits }: Server, since: number): void {
  observeTime(commits.times, since);
  observe(commits.sizes, setHits + getHits);
  commits.succeededAt = Date.now();
}

function countFailure({ stats, setHits, getHits }: Server, reason: string): void {
  stats.counters.setsFailed += setHits;
  stats.counters.getsFailed += getHits;
  stats.commits.failedAt = Date.now();
  stats.commits.failure = reason;
}

function forgetHits(server: Server): void {
  server.setHits = 0;
  server.getHits = 0;
}
