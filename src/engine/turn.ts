import { clear, newBytes } from "../protocol/buffer.ts";
import { type Backend, BackendError, type Watcher } from "../queues/backend.ts";
import { observe } from "../util/histogram.ts";
import { error, logInternal, trace, warn } from "../util/log.ts";
import { commands } from "./commands.ts";
import type { Engine, Entry, Group, Session } from "./engine.ts";
import { gather, isFull } from "./gather.ts";
import { addEntry, clearGroup, isDone, keepBody, newGroup } from "./group.ts";
import { replyError, restore, restoreAgain, sendRun } from "./replies.ts";
import type { Runtime, Settings } from "./runtime.ts";
import { newStats } from "./stats.ts";
import { offer, waitOn } from "./waiters.ts";

/** When nothing has come for this part of the time that a commit takes, nothing more is waited for. */
const QUIET_PART = 32;
/** However long a commit takes, gathering beside it does not get longer than this. */
const MAX_GATHER_MS = 20;
/** Beyond so many bytes of bodies a group is closed at once. */
const MAX_BYTES = 1024 * 1024;
/** How long requests are gathered from sessions that had more than their share, in milliseconds. */
const GATHER_MS = 2;
/** A full disk fails every group: it is logged once in so many milliseconds. */
const LOG_EVERY_MS = 1000;

/** @param open makes the backend, and gives it what it tells the engine through */
export function newEngine(
  settings: Settings,
  runtime: Runtime,
  open: (watcher: Watcher) => Backend,
): Engine {
  const watcher: Watcher = {
    isAwaited: (queue) => engine.waiters.has(queue) || engine.closed.sought.has(queue),
    ready: (queue, messages) => void engine.ready.set(queue, messages),
    committed: (milliseconds) => void (engine.wroteMs = milliseconds),
    failed: (reason) => noteFailure(engine, reason),
  };
  const state: Omit<Engine, "backend"> = {
    settings,
    runtime,
    stats: newStats(runtime),
    sessions: new Set(),
    waiters: new Map(),
    gathering: newGroup(),
    closed: newGroup(),
    executing: false,
    runnable: new Set(),
    ready: new Map(),
    output: newBytes(64 * 1024),
    run: { session: undefined, start: 0, first: 0 },
    records: [],
    scheduled: false,
    begunAt: 0,
    commitMs: 0,
    wroteMs: undefined,
    failureLoggedAt: -Infinity,
    requestTurn: () => schedule(engine),
  };
  const engine: Engine = Object.assign(state, { backend: open(watcher) });
  return engine;
}

/** Makes sure that the group is closed after all sockets that have something to read were read. */
function schedule(engine: Engine): void {
  if (engine.scheduled) return;
  engine.scheduled = true;
  engine.begunAt = engine.runtime.monotonic();
  engine.runtime.soon(() => closeWhenQuiet(engine, { at: engine.begunAt, count: 0 }));
}

/** When the group last grew, in milliseconds, and to how many operations. */
interface Growth {
  at: number;
  count: number;
}

/**
 * Closes the group, unless waiting for more pays: while one request is read the next one arrives, and a sync costs as
 * much for a few operations as for many. So the sockets are looked at again as long as that brings operations, and a
 * little longer; what is little depends on the disk.
 */
function closeWhenQuiet(engine: Engine, growth: Growth): void {
  if (engine.settings.waitsForDisk && isGrowing(engine, growth)) {
    engine.runtime.soon(() => closeWhenQuiet(engine, growth));
    return;
  }
  engine.scheduled = false;
  takeTurn(engine);
}

function isGrowing(engine: Engine, growth: Growth): boolean {
  const { gathering, closed, sessions, begunAt, runnable } = engine;
  // There is nothing to commit, something waits already, or no client is left that could ask for more.
  if (gathering.changes === 0 || !isDone(closed) || runnable.size > 0) return false;
  if (gathering.count >= sessions.size) return false;
  const now = engine.runtime.monotonic();
  const hasGrown = gathering.count > growth.count;
  if (hasGrown) {
    growth.count = gathering.count;
    growth.at = now;
  }
  const commitMs = Math.min(engine.commitMs, MAX_GATHER_MS);
  if (now - begunAt > commitMs) return false;
  return hasGrown || now - growth.at < commitMs / QUIET_PART;
}

/** Closes the group at once when it is so large that memory and the wait of its clients would grow with it. */
export function closeIfLarge(engine: Engine): void {
  const { gathering, settings, begunAt, runtime } = engine;
  const { bytes } = gathering;
  if (bytes >= MAX_BYTES) return takeTurn(engine);
  // Where a commit takes longer than what it is for, more commits would only be more waiting.
  if (bytes >= settings.logBuffer && runtime.monotonic() - begunAt >= engine.commitMs) {
    takeTurn(engine);
  }
}

/**
 * The one place where a group is closed, executed and replied to. A group that is too much work at once is executed in
 * several turns; what is gathered meanwhile is the next group.
 */
export function takeTurn(engine: Engine): void {
  if (engine.executing) return;
  if (isDone(engine.closed)) {
    const { closed, gathering } = engine;
    engine.closed = gathering;
    engine.gathering = closed;
  }
  const { closed, backend } = engine;
  if (isDone(closed)) return goOn(engine);
  engine.wroteMs = undefined;
  const executed = backend.execute(closed.entries, closed.done, closed.count);
  if (typeof executed === "number") return finishTurn(engine, closed, executed);
  engine.executing = true;
  void executed.then((count) => finishTurn(engine, closed, count)).catch(logInternal);
}

/** Executes all that was gathered, with a backend that answers at once. */
export function finishTurns(engine: Engine): void {
  while (!engine.executing && (!isDone(engine.closed) || !isDone(engine.gathering)))
    takeTurn(engine);
}

/** Tells the outcomes of so many operations, and goes on. */
function finishTurn(engine: Engine, group: Group, executed: number): void {
  engine.executing = false;
  engine.begunAt = engine.runtime.monotonic();
  const { setHits, getHits } = engine.stats;
  replyAll(engine, group, executed);
  noteCommit(engine, engine.stats.setHits - setHits + engine.stats.getHits - getHits);
  if (isDone(group)) clearGroup(group);
  try {
    engine.backend.afterReply();
  } catch (cause) {
    if (!(cause instanceof BackendError)) throw cause;
    warn(cause.message);
  }
  goOn(engine);
}

function noteCommit(engine: Engine, messages: number): void {
  const { wroteMs, stats, runtime } = engine;
  if (wroteMs === undefined) return;
  engine.commitMs = wroteMs;
  observe(stats.commits.times, wroteMs / 1000);
  observe(stats.commits.sizes, messages);
  stats.commits.succeededAt = runtime.calendar();
}

/** Replies in order; neighbours that go to the same client are one write. */
function replyAll(engine: Engine, group: Group, executed: number): void {
  const { run } = engine;
  const end = group.done + executed;
  run.first = group.done;
  while (group.done < end) {
    const entry = group.entries[group.done] as Entry;
    const { session } = entry;
    if (session !== run.session) {
      endRun(engine);
      run.session = session;
    }
    group.done++;
    session.load -= entry.weight;
    session.pending--;
    replyTo(engine, entry);
  }
  endRun(engine);
  run.session = undefined;
  run.start = 0;
  clear(engine.output);
}

/** All that was written for the session is sent. */
function endRun(engine: Engine): void {
  const { session } = engine.run;
  sendRun(engine);
  if (session === undefined) return;
  const { pending, deferred, sink } = session;
  session.taken = 0;
  // What is left of its operations in a group that goes on keeps its place behind what was postponed, and waits until the
  // client has read.
  session.postponed = pending > 0 && (deferred.length > 0 || sink.blocked);
  if (pending === 0 && deferred.length > 0) {
    session.postponedNow = 0;
    engine.runnable.add(session);
  }
  endIfAnswered(session);
}

/** A mistake of ours in one reply costs no other client its own, and this one is told. */
function replyTo(engine: Engine, entry: Entry): void {
  const { session, kind } = entry;
  if (kind === "release") return;
  if (kind === "restore") return restoreAgain(engine, entry);
  if (session.phase === "closed") return replyToGone(engine, entry);
  if (entry.outcome === "postponed") return postpone(engine, entry);
  try {
    commands[entry.request.kind].reply(engine, entry);
  } catch (cause) {
    logInternal(cause);
    replyError(engine, entry, "failure", "internal error");
  }
}

/** The session's request comes again, before all that is read next. */
function postpone(engine: Engine, { session, request, keyIndex }: Entry): void {
  if (session.wait !== undefined) return waitOn(engine, session);
  if (session.current === request) {
    session.current = undefined;
    session.stepping = false;
  }
  const { deferred } = session;
  if (session.postponedNow > 0 && deferred[session.postponedNow - 1]?.request === request) return;
  if (request.kind === "set") keepBody(request);
  // Before those that were postponed earlier, and not added again since.
  const from = request.kind === "get" ? keyIndex : 0;
  deferred.splice(session.postponedNow++, 0, { request, from });
}

/** The client has gone meanwhile: what its operations took or opened goes back. */
function replyToGone(engine: Engine, entry: Entry): void {
  if (entry.outcome !== "done") return;
  if (entry.kind === "take") restore(engine, entry);
  if (entry.kind !== "open") return;
  addEntry(engine, "release", entry.session, entry.request, 0).consumer = entry.session.consumer;
  engine.requestTurn();
}

/** All that the client is owed was sent. */
function endIfAnswered(session: Session): void {
  const { phase, pending, current, deferred } = session;
  if (phase === "ending" && pending === 0 && current === undefined && deferred.length === 0) {
    session.phase = "answered";
    session.sink.end();
  }
}

/** Gathers what was left for this turn, and asks for another one when there is anything to do in it. */
function goOn(engine: Engine): void {
  offerReady(engine);
  gatherLeft(engine);
  if (!isDone(engine.closed) || engine.gathering.count > 0 || engine.runnable.size > 0) {
    schedule(engine);
  }
}

/** Messages that came back are offered before anything else is added. */
function offerReady(engine: Engine): void {
  if (engine.ready.size === 0) return;
  for (const [queue, messages] of engine.ready) offer(engine, queue, messages);
  engine.ready.clear();
}

/** Sessions that had more than their share go on, in the order in which they came; for a while. */
function gatherLeft(engine: Engine): void {
  const { runnable, runtime } = engine;
  if (runnable.size === 0) return;
  const until = runtime.monotonic() + GATHER_MS;
  let left = runnable.size;
  for (const session of runnable) {
    if (left-- === 0) return;
    runnable.delete(session);
    gather(engine, session);
    endIfAnswered(session);
    if (isFull(engine.gathering) || runtime.monotonic() >= until) return;
  }
}

function noteFailure(engine: Engine, reason: string): void {
  const { stats, runtime } = engine;
  stats.commits.failedAt = runtime.calendar();
  stats.commits.failure = reason;
  const text = `SERVER_ERROR ${reason}, to all requests of the group that saw or made a change`;
  trace(text);
  const now = runtime.monotonic();
  if (now - engine.failureLoggedAt < LOG_EVERY_MS) return;
  engine.failureLoggedAt = now;
  error(text);
}
