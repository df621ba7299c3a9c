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
import { keepWaiting, offer } from "./waiters.ts";

/** How long requests of sessions that had more than their share are gathered, in milliseconds. */
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
  if (isDone(closed)) return prepareNextTurn(engine);
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

/** Replies to so many operations, which were executed, and prepares the next turn. */
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
  prepareNextTurn(engine);
}

/** Replies in order. Consecutive replies to the same client are one write. */
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

/** Sends the replies that were written for the session. */
function endRun(engine: Engine): void {
  const { session } = engine.run;
  sendRun(engine);
  if (session === undefined) return;
  const { pending, deferred, sink } = session;
  session.taken = 0;
  // Its operations in the rest of the group must stay behind the postponed ones, and wait until the client has read.
  session.postponed = pending > 0 && (deferred.length > 0 || sink.blocked);
  if (pending === 0 && deferred.length > 0) {
    session.postponedNow = 0;
    engine.runnable.add(session);
  }
  endIfAnswered(session);
}

/** A mistake of ours in one reply is an error for that client, and no other client loses its reply. */
function replyTo(engine: Engine, entry: Entry): void {
  const { session, kind } = entry;
  if (kind === "release") return;
  if (kind === "restore") return restoreAgain(engine, entry);
  if (session.phase === "closed") return returnUndelivered(engine, entry);
  if (entry.outcome === "postponed") return postpone(engine, entry);
  try {
    commands[entry.request.kind].reply(engine, entry);
  } catch (cause) {
    logInternal(cause);
    replyError(engine, entry, "failure", "internal error");
  }
}

/** The session's request is added again, before all that is read next. */
function postpone(engine: Engine, { session, request, keyIndex }: Entry): void {
  if (session.wait !== undefined) return keepWaiting(engine, session);
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

/** The client has disconnected meanwhile: messages that its operations took or opened go back. */
function returnUndelivered(engine: Engine, entry: Entry): void {
  if (entry.outcome !== "done") return;
  if (entry.kind === "take") restore(engine, entry);
  if (entry.kind !== "open") return;
  addEntry(engine, "release", entry.session, entry.request, 0).consumer = entry.session.consumer;
  engine.requestTurn();
}

/** Ends the session when the client sends nothing more and has all its replies. */
function endIfAnswered(session: Session): void {
  const { phase, pending, current, deferred } = session;
  if (phase === "ending" && pending === 0 && current === undefined && deferred.length === 0) {
    session.phase = "answered";
    session.sink.end();
  }
}

/** Gathers requests that were left for the next turn, and asks for it when there is anything to do in it. */
function prepareNextTurn(engine: Engine): void {
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

/** Gathers from sessions that had more than their share, in the order in which they came, for a short time. */
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
