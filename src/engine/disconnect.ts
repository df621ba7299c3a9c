import { newInput } from "../protocol/input.ts";
import type { OperationKind } from "../queues/operation.ts";
import { commands } from "./commands.ts";
import type { Session } from "./engine.ts";
import { addEntry, withdraw } from "./group.ts";
import { forgetWait, offer } from "./waiters.ts";

/** What a client that is gone does not get any more. */
const TAKING: ReadonlySet<OperationKind> = new Set(["take", "open", "peek"]);

/**
 * The client is gone. What it was about to take stays in the queues, what it has open goes back, and so does what it took
 * and was not sent; its complete sets, closes and deletes are done.
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
  for (const { request } of session.deferred.splice(0)) {
    if (request.kind !== "get") commands[request.kind].add(engine, session, request);
  }
  if (consumer.open.size > 0) {
    addEntry(engine, "release", session, session.input.request, 0).consumer = consumer;
    for (const queue of consumer.openQueues()) offer(engine, queue, 1);
  }
  engine.requestTurn();
}
