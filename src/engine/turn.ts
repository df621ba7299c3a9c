import { clear } from "../protocol/buffer.ts";
import { BackendError } from "../queues/backend.ts";
import { logInternal, warn } from "../util/log.ts";
import { commands } from "./commands.ts";
import { noteCommit } from "./commits.ts";
import { restore, restoreAgain, sendRun } from "./delivery.ts";
import type { Engine, Entry, Group, Session } from "./engine.ts";
import { gather, isFull } from "./gather.ts";
import { addEntry, clearGroup, isDone } from "./group.ts";
import { keepBody } from "./records.ts";
import { replyError } from "./replies.ts";
import { offer, waitOn } from "./waiters.ts";

/** How long requests are gathered from sessions that had more than their share, in milliseconds. */
const GATHER_MS = 2;

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
  if (typeof executed === "number") {
    finishTurn(engine, closed, executed);
  } else {
    engine.executing = true;
    void executed.then(
      (count) => finishTurn(engine, closed, count),
      (cause: unknown) => logInternal(cause),
    );
  }
}

/** Tells the outcomes of so many operations, and goes on. */
function finishTurn(engine: Engine, group: Group, executed: number): void {
  engine.executing = false;
  engine.begunAt = engine.runtime.monotonic();
  const { setHits, getHits } = engine.stats;
  replyAll(engine, group, executed);
  if (engine.wroteMs !== undefined) {
    const messages = engine.stats.setHits - setHits + engine.stats.getHits - getHits;
    engine.commitMs = engine.wroteMs;
    noteCommit(engine.stats.commits, engine.runtime, engine.wroteMs, messages);
  }
  if (isDone(group)) clearGroup(group);
  try {
    engine.backend.afterReply();
  } catch (cause) {
    if (!(cause instanceof BackendError)) throw cause;
    warn(cause.message);
  }
  goOn(engine);
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
  if (deferred.length > 0 && pending === 0) engine.runnable.add(session);
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
  if (session.deferred.at(-1)?.request === request) return;
  if (request.kind === "set") keepBody(request);
  session.deferred.push({ request, from: request.kind === "get" ? keyIndex : 0 });
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
    engine.requestTurn();
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
