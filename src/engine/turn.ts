import { clear } from "../protocol/buffer.ts";
import { BackendError } from "../queues/backend.ts";
import { logInternal, warn } from "../util/log.ts";
import { doDue, setDueTimer } from "./clockwork.ts";
import { commands } from "./commands.ts";
import { noteCommit } from "./commits.ts";
import { restore, restoreAgain, sendRun } from "./delivery.ts";
import { addPostponed } from "./disconnect.ts";
import type { Engine, Entry, Group, Session } from "./engine.ts";
import { gather, isFull } from "./gather.ts";
import { addEntry, clearGroup, isDone } from "./group.ts";
import { continuePostponing, postpone, postponeUnderPressure } from "./postponed.ts";
import { replyError } from "./replies.ts";
import { countStored } from "./stats.ts";
import { forgetWait, offer } from "./waiters.ts";

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
  if (closed.done > 0) postponeUnderPressure(closed);
  const executed = backend.execute(closed.entries, closed.done, closed.count);
  if (typeof executed === "number") return finishTurn(engine, closed, executed);
  engine.executing = true;
  void executed.then(
    (count) => finishTurn(engine, closed, count),
    (cause: unknown) => failTurn(engine, closed, cause),
  );
}

/** The backend keeps its contract, so this is a mistake of ours: each request is told, and the engine goes on. */
function failTurn(engine: Engine, group: Group, cause: unknown): void {
  logInternal(cause);
  for (let i = group.done; i < group.count; i++) {
    const entry = group.entries[i] as Entry;
    if (entry.outcome === "skipped") continue;
    entry.outcome = "failed";
    entry.error = "internal error";
  }
  finishTurn(engine, group, group.count - group.done);
}

/** Executes all that was gathered. @returns false when the backend answers later: there is more to execute then */
export function finishTurns(engine: Engine): boolean {
  while (!engine.executing && (!isDone(engine.closed) || !isDone(engine.gathering)))
    takeTurn(engine);
  return !engine.executing;
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
  for (const session of engine.gone) addPostponed(session);
  if (engine.gone.size > 0) engine.gone.clear();
  run.session = undefined;
  run.start = 0;
  clear(engine.output);
}

/** Sends the replies that were written for the session. */
function endRun(engine: Engine): void {
  const { session } = engine.run;
  sendRun(engine);
  if (session === undefined) return;
  continuePostponing(engine, session);
  endIfAnswered(session);
}

/** A mistake of ours in one reply is an error for that client, and no other client loses its reply. */
function replyTo(engine: Engine, entry: Entry): void {
  const { session, kind } = entry;
  if (kind === "release") return;
  if (kind === "restore") return restoreAgain(engine, entry);
  if (session.phase === "closed") return returnUndelivered(engine, entry);
  // What is left of a request that has its error already is not done.
  const isAnswered = entry.chained && session.verdict !== "";
  if (entry.outcome === "postponed" && !isAnswered) return postpone(engine, entry);
  const start = engine.output.length;
  try {
    commands[entry.request.kind].reply(engine, entry);
  } catch (cause) {
    logInternal(cause);
    abandonReply(engine, entry, start);
  }
}

/** What was written of the reply is replaced by an error, and the message that it was to tell goes back. */
function abandonReply(engine: Engine, entry: Entry, start: number): void {
  const { session, request } = entry;
  engine.output.length = Math.max(start, engine.run.start);
  if (entry.kind === "take" && entry.outcome === "done") restore(engine, entry);
  if (session.wait !== undefined) forgetWait(engine, session);
  if (session.current === request) session.current = undefined;
  session.stepping = false;
  session.verdict = "";
  session.found = false;
  engine.runnable.add(session);
  replyError(engine, entry, "failure", "internal error");
}

/** The client has disconnected meanwhile: messages that its operations took or opened go back, and all else is done. */
function returnUndelivered(engine: Engine, entry: Entry): void {
  const { session, request, kind, outcome } = entry;
  if (outcome === "postponed") {
    engine.gone.add(session);
    return postpone(engine, entry);
  }
  // A flush goes on to its end.
  if (outcome === "more" && (kind === "flush all" || kind === "flush" || kind === "move all")) {
    session.cursor = entry.cursor;
    return commands[request.kind].add(engine, session, request);
  }
  if (kind === "put" && outcome === "done") countStored(engine.stats, session.traffic);
  // The record is not used again: a request of a client that is gone may have several last operations.
  if (outcome !== "done") return;
  if (entry.kind === "take") restore(engine, entry);
  if (entry.kind !== "open") return;
  const back = addEntry(engine, "release", entry.session, entry.request, 0);
  back.consumer = entry.session.consumer;
  // It did not reach the client.
  back.inVain = false;
  engine.requestTurn();
}

/** Ends the session when the client sends nothing more and has all its replies. */
function endIfAnswered(session: Session): void {
  const { phase, pending, current, deferred, cancelCheck } = session;
  if (phase !== "ending" || cancelCheck !== undefined) return;
  if (pending === 0 && current === undefined && deferred.length === 0) {
    session.phase = "answered";
    session.sink.end();
  }
}

/** Gathers requests that were left for the next turn, and asks for it when there is anything to do in it. */
function prepareNextTurn(engine: Engine): void {
  doDue(engine, () => {
    engine.executing = false;
    prepareNextTurn(engine);
  });
  setDueTimer(engine);
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
