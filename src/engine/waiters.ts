import type { Key } from "../protocol/key.ts";
import type { Engine, Line, Session } from "./engine.ts";
import { addEntry } from "./group.ts";

/*
 * A session waits from the moment when its get found no message. The wait ends when
 *   - a message comes: each set, and each message that comes back, is offered to the session that has waited longest, as
 *     an operation right behind it in the group;
 *   - its time is over, the client sends no more, or sends much meanwhile: it is told that there is no message;
 *   - its client is gone.
 * One message, one session: what a session that only looks leaves is offered to the next.
 */

/** The session waits for a message, with the key of its current request. */
export function beginWait(engine: Engine, session: Session, key: Key): void {
  const { runtime, waiters } = engine;
  const expire = () => endWait(engine, session);
  session.wait = {
    key,
    until: runtime.monotonic() + key.wait,
    offered: false,
    expired: false,
    cancelTimer: runtime.after(key.wait, expire),
  };
  const line = waiters.get(key.queue);
  if (line === undefined) {
    waiters.set(key.queue, { sessions: new Set([session]), unoffered: undefined });
  } else {
    line.sessions.add(session);
  }
}

/** The session waits no longer. */
export function forgetWait({ waiters }: Engine, session: Session): void {
  const { wait } = session;
  if (wait === undefined) return;
  wait.cancelTimer();
  session.wait = undefined;
  const line = waiters.get(wait.key.queue);
  if (line === undefined) return;
  line.sessions.delete(session);
  if (line.sessions.size === 0) waiters.delete(wait.key.queue);
}

/** The session is told that there is no message, though it would have waited longer, or as long as that. */
export function endWait(engine: Engine, session: Session): void {
  const { wait, current } = session;
  if (wait === undefined || current === undefined || wait.expired) return;
  wait.expired = true;
  // What is on its way may bring a message, and is replied to anyway.
  if (!wait.offered) addEntry(engine, "none", session, current, 0).keyIndex = 0;
  wait.offered = true;
  engine.requestTurn();
}

/** So many messages of the queue have come: each is offered to one session, behind what brought it. */
export function offer(engine: Engine, queue: string, messages: number): void {
  const line = engine.waiters.get(queue);
  if (line === undefined) return;
  for (let left = messages; left > 0;) {
    const session = nextUnoffered(line);
    if (session === undefined) return;
    if (offerTo(engine, session) !== "peek") left--;
  }
}

function offerTo(engine: Engine, session: Session): "take" | "open" | "peek" {
  const { wait, current, sink } = session;
  if (wait === undefined || current === undefined) throw new Error("it does not wait");
  const { key } = wait;
  const kind = key.action === "none" ? "take" : key.action;
  const entry = addEntry(engine, kind, session, current, 0);
  entry.queue = key.queue;
  entry.consumer = session.consumer;
  entry.keyIndex = 0;
  if (sink.pressure.outputFull) {
    const room = sink.room();
    entry.fits = (_flags, length) => length <= room;
  }
  wait.offered = true;
  engine.gathering.changes++;
  return kind;
}

/** The first session that nothing is offered to. Those that something is offered to are in front. */
function nextUnoffered(line: Line): Session | undefined {
  line.unoffered ??= line.sessions.values();
  for (;;) {
    const { value: session, done } = line.unoffered.next();
    if (done === true || session === undefined) {
      line.unoffered = undefined;
      return undefined;
    }
    if (session.wait?.offered === false) return session;
  }
}

/** What was offered did not serve the session: it keeps its place. */
export function waitOn(engine: Engine, session: Session): void {
  const { wait } = session;
  if (wait === undefined) return;
  wait.offered = false;
  const line = engine.waiters.get(wait.key.queue);
  if (line !== undefined) line.unoffered = undefined;
}

export function countWaiters({ waiters }: Engine, queue: string): number {
  return waiters.get(queue)?.sessions.size ?? 0;
}
