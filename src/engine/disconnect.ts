import { newInput } from "../protocol/input.ts";
import type { OperationKind } from "../queues/operation.ts";
import { commands } from "./commands.ts";
import type { Session } from "./engine.ts";
import { addCloses } from "./get.ts";
import { addEntry, withdraw } from "./group.ts";
import { forgetWait, offer } from "./waiters.ts";

/** Operations that get a message, which a client that has disconnected cannot receive. */
const TAKING: ReadonlySet<OperationKind> = new Set(["take", "open", "peek"]);

/**
 * The client has disconnected. Its gets that are not executed yet are withdrawn, so their messages stay in the queues.
 * Its open messages go back to their queues, and so do messages that were taken for it and not sent. Its sets, closes
 * and deletes that have arrived completely are still done.
 */
export function closeSession(session: Session): void {
  const { engine, consumer } = session;
  if (session.phase === "closed") return;
  session.phase = "closed";
  engine.sessions.delete(session);
  engine.runnable.delete(session);
  if (session.wait !== undefined) forgetWait(engine, session);
  if (session.pending > 0) {
    withdraw(engine.gathering, session, TAKING);
    if (!engine.executing) withdraw(engine.closed, session, TAKING);
  }
  session.input = newInput(engine.settings.maxBody, session.input.binary);
  session.postponed = false;
  session.current = undefined;
  for (const { request, from } of session.deferred.splice(0)) {
    if (request.kind === "get") addCloses(engine, session, request, from);
    else commands[request.kind].add(engine, session, request);
  }
  if (consumer.open.size > 0) {
    addEntry(engine, "release", session, session.input.request, 0).consumer = consumer;
    for (const queue of consumer.openQueues()) offer(engine, queue, 1);
  }
  engine.requestTurn();
}
