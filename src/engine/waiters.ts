import { keyOf, type Request } from "../protocol/request.ts";
import { leaseOf, type Target, targetsOf } from "./either.ts";
import type { Engine, Line, Session } from "./engine.ts";
import { addEntry, isDone } from "./group.ts";
import { limitRoom, roomFor } from "./room.ts";

/*
 * A session waits from the moment when its get found no message. The wait ends when
 *   - a message comes: each set, and each message that comes back, is offered to the session that has waited longest,
 *     as an operation right behind it in the group;
 *   - the time is over, the client has ended its side, or it sends much meanwhile: then the reply is that there is no
 *     message;
 *   - the client has disconnected.
 * A session may wait for several queues: it stands in the line of each. One message is offered to one session. A peek
 * leaves its message in the queue: that is offered to the next one, too.
 */

/** The session waits for a message of its request. */
export function beginWait(engine: Engine, session: Session, request: Request): void {
  const { runtime, waiters } = engine;
  const now = runtime.monotonic();
  const until = session.waitEnds ?? now + keyOf(request, 0).wait;
  const targets = targetsOf(request);
  session.waitEnds = undefined;
  session.wait = {
    targets,
    queues: targets.map(({ queue }) => queue),
    until,
    offered: undefined,
    expired: false,
    cancelTimer: runtime.after(Math.max(0, until - now), () => endWait(engine, session)),
  };
  for (const { queue } of targets) {
    const line = waiters.get(queue);
    if (line === undefined) {
      waiters.set(queue, { sessions: new Set([session]), unoffered: undefined });
    } else {
      line.sessions.add(session);
    }
  }
}

/** The session waits no longer. */
export function forgetWait({ waiters }: Engine, session: Session): void {
  const { wait } = session;
  if (wait === undefined) return;
  wait.cancelTimer();
  session.wait = undefined;
  for (const { queue } of wait.targets) {
    const line = waiters.get(queue);
    if (line === undefined) continue;
    line.sessions.delete(session);
    if (line.sessions.size === 0) waiters.delete(queue);
  }
}

/** Ends the wait with the reply that there is no message. */
export function endWait(engine: Engine, session: Session): void {
  const { wait, current } = session;
  if (wait === undefined || current === undefined || wait.expired) return;
  wait.expired = true;
  // An offer in a group may still bring a message, and has its reply anyway.
  if (wait.offered === undefined) addEntry(engine, "none", session, current, 0).keyIndex = 0;
  wait.offered ??= engine.gathering;
  engine.requestTurn();
}

/** So many messages of the queue have come: each is offered to one session, behind the operation that brought it. */
export function offer(engine: Engine, queue: string, messages: number): void {
  const line = engine.waiters.get(queue);
  if (line === undefined) return;
  for (let left = messages; left > 0;) {
    const session = nextUnoffered(engine, line);
    if (session === undefined) return;
    if (offerTo(engine, session, queue) !== "peek") left--;
  }
}

function offerTo(engine: Engine, session: Session, queue: string): Target["action"] {
  const { wait, current } = session;
  const target = wait?.targets.find((each) => each.queue === queue);
  if (wait === undefined || target === undefined || current === undefined) {
    throw new Error("it does not wait");
  }
  const { action, keyIndex } = target;
  const entry = addEntry(engine, action, session, current, 0);
  entry.offered = wait.queues;
  entry.queue = queue;
  entry.scope = keyOf(current, keyIndex).scope;
  if (action === "lease") entry.lease = leaseOf(current, keyOf(current, keyIndex));
  if (action === "move") entry.target = keyOf(current, keyIndex).target;
  entry.consumer = session.consumer;
  entry.keyIndex = keyIndex;
  limitRoom(entry, roomFor(session), keyOf(current, keyIndex).text.length);
  wait.offered = engine.gathering;
  engine.gathering.changes++;
  return action;
}

/**
 * The first session without an offer. Sessions with an offer are in front of it. There is none as long as one of these is in
 * what is left of a group that is executed in parts: should it come to nothing, that session is still the first.
 */
function nextUnoffered({ closed, executing }: Engine, line: Line): Session | undefined {
  const isInParts = !executing && !isDone(closed);
  if (isInParts || line.unoffered === undefined) line.unoffered = line.sessions.values();
  for (;;) {
    const { value: session, done } = line.unoffered.next();
    if (done === true || session === undefined) {
      line.unoffered = undefined;
      return undefined;
    }
    const { wait } = session;
    if (isInParts && wait?.offered === closed) {
      line.unoffered = undefined;
      return undefined;
    }
    if (wait !== undefined && wait.offered === undefined) return session;
  }
}

/** The offer brought the session no message: it waits on, in its place. */
export function keepWaiting(engine: Engine, session: Session): void {
  const { wait } = session;
  if (wait === undefined) return;
  wait.offered = undefined;
  for (const { queue } of wait.targets) {
    const line = engine.waiters.get(queue);
    if (line !== undefined) line.unoffered = undefined;
  }
}

export function countWaiters({ waiters }: Engine, queue: string): number {
  return waiters.get(queue)?.sessions.size ?? 0;
}
