import { newInput } from "../protocol/input.ts";
import type { OperationKind } from "../queues/operation.ts";
import { commands } from "./commands.ts";
import type { Deferred, Entry, Session } from "./engine.ts";
import { addCloses } from "./get.ts";
import { addEntry, withdraw } from "./group.ts";
import { keepBody } from "./records.ts";
import { leaveTraffic } from "./traffic.ts";
import { forgetWait, offer } from "./waiters.ts";

/** Operations that get a message, which a client that has disconnected cannot receive. */
const TAKING: ReadonlySet<OperationKind> = new Set(["take", "open", "lease", "move", "peek"]);

/**
 * The client has disconnected. Its gets that are not executed yet are withdrawn, so their messages stay in the queues.
 * Its open messages go back to their queues, and so do messages that were taken for it and not sent. Its sets, closes
 * and deletes that have arrived completely are still done.
 */
export function closeSession(session: Session): void {
  const { engine, consumer } = session;
  if (session.phase === "closed") return;
  session.phase = "closed";
  if (engine.sessions.delete(session)) leaveTraffic(session.traffic);
  engine.runnable.delete(session);
  if (session.wait !== undefined) forgetWait(engine, session);
  session.cancelCheck?.();
  if (session.pending > 0) {
    withdraw(engine.gathering, session, TAKING);
    if (!engine.executing) withdraw(engine.closed, session, TAKING);
  }
  session.input = newInput(engine.settings.maxBody, session.input.binary, session.input.anyCase);
  session.postponed = false;
  session.current = undefined;
  addSent(session);
  if (consumer.open.size > 0) {
    const entry = addEntry(engine, "release", session, session.input.request, 0);
    entry.consumer = consumer;
    entry.inVain = !engine.stopping;
    for (const queue of consumer.openQueues()) offer(engine, queue, 1);
  }
  engine.requestTurn();
}

/**
 * Behind operations that were on their way when the client left: those that were postponed are still done, before what it
 * sent later, and what it has open goes back behind all of it.
 */
export function addPostponed(session: Session): void {
  addSent(session);
  const { engine } = session;
  for (const group of [engine.closed, engine.gathering]) {
    const { count, done } = group;
    for (let i = done; i < count; i++) {
      const entry = group.entries[i] as Entry;
      const { kind, outcome, request, consumer, inVain } = entry;
      if (entry.session !== session || kind !== "release" || outcome !== "pending") continue;
      entry.outcome = "skipped";
      const later = addEntry(engine, "release", session, request, 0);
      later.consumer = consumer;
      later.inVain = inVain;
    }
  }
  engine.requestTurn();
}

/** What the client has sent completely, and was postponed, is still done, in order of arrival. */
function addSent(session: Session): void {
  const { deferred, postponedNow } = session;
  session.postponedNow = 0;
  if (deferred.length === 0) return;
  const before = deferred.splice(0, postponedNow);
  const behind = deferred.splice(0);
  // What is on its way stands between them.
  const between = before.length > 0 ? withdrawRest(session) : [];
  for (const each of [...before, ...between, ...behind]) addChanges(session, each);
}

/** Takes out all operations of the session that are not executed yet. @returns their requests */
function withdrawRest(session: Session): Deferred[] {
  const { closed, gathering } = session.engine;
  const found: Deferred[] = [];
  for (const group of [closed, gathering]) {
    for (let i = group.done; i < group.count; i++) {
      const entry = group.entries[i] as Entry;
      const { kind, request, keyIndex, outcome } = entry;
      if (entry.session !== session || outcome !== "pending") continue;
      if (kind === "restore" || kind === "release") continue;
      entry.outcome = "skipped";
      if (found.at(-1)?.request === request) continue;
      if (request.kind === "set") keepBody(request);
      found.push({ request, from: request.kind === "get" ? keyIndex : 0 });
    }
  }
  return found;
}

/** Adds a request without what its client does not get any more: of a get only what its keys close. */
function addChanges(session: Session, { request, from }: Deferred): void {
  const { engine } = session;
  if (request.kind === "get") addCloses(engine, session, request, from);
  else commands[request.kind].add(engine, session, request);
}
