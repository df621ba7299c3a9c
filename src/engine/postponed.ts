import type { OperationKind } from "../queues/operation.ts";
import { isEither } from "./either.ts";
import type { Engine, Entry, Group, Session } from "./engine.ts";
import { keepBody } from "./records.ts";
import { keepWaiting } from "./waiters.ts";

/*
 * A session whose replies are much, or whose client does not read, has the rest of its operations postponed: their
 * requests go back to it, in their order, and are added again before anything that is read next.
 */

/** Operations that stand before the keys of a get. */
const BEFORE_KEYS: ReadonlySet<OperationKind> = new Set(["check", "clash", "none"]);

/** Operations whose reply has a message. */
const TAKING: ReadonlySet<OperationKind> = new Set(["take", "open", "lease", "move", "peek"]);

/** The session's request is added again, from the key of this operation on. */
export function postpone(engine: Engine, { session, request, kind, keyIndex }: Entry): void {
  if (session.wait !== undefined) return keepWaiting(engine, session);
  if (session.current === request) {
    session.current = undefined;
    session.stepping = false;
  }
  const { deferred } = session;
  if (session.postponedNow > 0 && deferred[session.postponedNow - 1]?.request === request) return;
  if (request.kind === "set") keepBody(request);
  const isPart = request.kind === "get" && !BEFORE_KEYS.has(kind) && !isEither(request);
  const from = isPart ? keyIndex : 0;
  // Before those that were postponed earlier, and not added again since.
  deferred.splice(session.postponedNow++, 0, { request, from });
}

/** Behind the replies of a part of a group: what is left of the session's operations in it keeps its order. */
export function continuePostponing(engine: Engine, session: Session): void {
  const { pending, postponedNow, sink, phase, deferred } = session;
  session.taken = 0;
  // What is left waits behind the postponed ones, and until the client has read.
  session.postponed = phase !== "closed" && pending > 0 && (postponedNow > 0 || sink.blocked);
  if (pending > 0) return;
  session.postponedNow = 0;
  if (deferred.length > 0) engine.runnable.add(session);
}

/** Too many replies are unsent, of all clients together: gets that were added before that wait until there is room. */
export function postponeUnderPressure(group: Group): void {
  for (let i = group.done; i < group.count; i++) {
    const { session, kind, room } = group.entries[i] as Entry;
    if (!TAKING.has(kind)) continue;
    const { sink, wait, hasConnection, phase } = session;
    if (!sink.pressure.outputFull || !hasConnection || phase === "closed") continue;
    if (wait === undefined && room === undefined) session.postponed = true;
  }
}
