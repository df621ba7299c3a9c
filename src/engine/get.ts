import { writeBytes } from "../protocol/buffer.ts";
import type { Key } from "../protocol/key.ts";
import { keyCount, keyOf, type Request } from "../protocol/request.ts";
import type { ReplyRoom } from "../queues/room.ts";
import { sendRun } from "./delivery.ts";
import { actionOf, isEither, leaseOf, targetsOf } from "./either.ts";
import type { Engine, Entry, Session } from "./engine.ts";
import { addEntry } from "./group.ts";
import { pauseEnd } from "./pause.ts";
import { keepRecord } from "./records.ts";
import {
  isTracing,
  replyError,
  replyFailure,
  TOO_LONG,
  traceReply,
  withoutReply,
} from "./replies.ts";
import { limitRoom, roomFor } from "./room.ts";
import { countHit, type Stats } from "./stats.ts";
import { beginWait, forgetWait, keepWaiting, offer } from "./waiters.ts";
import { PEEK, PLAIN } from "./weights.ts";

/** A body from this many bytes on is sent from where it lies: that takes three calls, and to copy a shorter one costs less. */
const LARGE_BODY = 64 * 1024;
/** Keys of one request that a group takes at a time. */
const MAX_KEYS = 32;

/** Adds what a get asks for: the hot path of consumers is one key without options. */
export function addGet(engine: Engine, session: Session, request: Request): void {
  const isPlain = keyCount(request) === 1 && keyOf(request, 0).plain && request.leaseMs === 0;
  if (isPlain && !session.sink.pressure.outputFull) {
    const key = keyOf(request, 0);
    const entry = addEntry(engine, "take", session, request, PLAIN);
    entry.queue = key.queue;
    entry.keyIndex = 0;
    engine.gathering.changes++;
    return;
  }
  const problem = session.hasConnection ? undefined : connectionProblem(request);
  if (problem !== undefined) {
    request.kind = "error";
    request.error = "bad request";
    request.reason = problem;
    addEntry(engine, "none", session, request, PLAIN);
    return;
  }
  session.nextKey = 0;
  if (!session.sink.pressure.outputFull && isOnePart(request)) {
    addPart(engine, session, request);
    return;
  }
  session.current = request;
  stepGet(engine, session, request);
}

/** Whether one group is enough for its reply, so that other requests may be added behind it. */
function isOnePart(request: Request): boolean {
  const keys = keyCount(request);
  return keys <= MAX_KEYS && ((keys > 1 && !isEither(request)) || keyOf(request, 0).wait <= 0);
}

/** Why a client without a connection cannot ask for this. */
function connectionProblem(request: Request): string | undefined {
  for (let i = 0; i < keyCount(request); i++) {
    const { plain, action, wait } = keyOf(request, i);
    if (!plain && ((action !== "peek" && action !== "lease") || wait >= 0)) {
      return "options other than peek and lease= need a connection";
    }
  }
  return undefined;
}

/** Adds the next part of a get of several keys, or with options. The one after it is added once this is replied to. */
export function stepGet(engine: Engine, session: Session, request: Request): void {
  addPart(engine, session, request, roomFor(session));
  session.stepping = true;
}

function addPart(engine: Engine, session: Session, request: Request, room?: ReplyRoom): void {
  const keys = keyCount(request);
  const from = session.nextKey;
  const to = Math.min(keys, from + MAX_KEYS);
  const first = engine.gathering.count;
  if (from === 0 && keys > 1) addChecks(engine, session, request);
  if (isEither(request)) addEither(engine, session, request, room);
  else for (let i = from; i < to; i++) addKey(engine, session, request, i, room);
  const { entries, count } = engine.gathering;
  for (let i = first; i < count; i++) {
    const entry = entries[i] as Entry;
    entry.chained = i > first;
    entry.last = i === count - 1;
  }
  session.nextKey = to;
  if (engine.waiters.size > 0) offerAborted(engine, first, count);
}

/** Adds only what the keys from number `from` on close. */
export function addCloses(engine: Engine, session: Session, request: Request, from: number): void {
  for (let i = from; i < keyCount(request); i++) {
    const key = keyOf(request, i);
    const { before } = key;
    if (before === "close" || before === "pass")
      addOperation(engine, before, session, request, key, i);
  }
}

/** Offers messages that the part puts back to sessions that wait, behind that part. */
function offerAborted(engine: Engine, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const { kind, queue } = engine.gathering.entries[i] as Entry;
    if (kind === "abort") offer(engine, queue, 1);
  }
}

/**
 * A get of several keys is refused before anything is done for it, when one of its keys would open a second message of
 * a queue. An earlier key of the same get may have closed the first message, or opened it.
 */
function addChecks(engine: Engine, session: Session, request: Request): void {
  let opened: Map<string, boolean> | undefined;
  for (let i = 0; i < keyCount(request); i++) {
    const key = keyOf(request, i);
    const { plain, action, before, queue } = key;
    if (plain || action === "peek" || action === "take") continue;
    opened ??= new Map();
    if (action === "open" && before === undefined) {
      const isOpen = opened.get(queue);
      if (isOpen !== false) {
        const check = addEntry(
          engine,
          isOpen === true ? "clash" : "check",
          session,
          request,
          PLAIN,
        );
        check.queue = queue;
        check.consumer = session.consumer;
        check.keyIndex = i;
      }
    }
    opened.set(queue, action === "open");
  }
}

/** Adds a get of one message: what comes before it for each key, and then the queues in their order. */
function addEither(engine: Engine, session: Session, request: Request, room?: ReplyRoom): void {
  request.keys.forEach((key, i) => addBefore(engine, session, request, key, i));
  for (const [i, { queue, action, keyIndex }] of targetsOf(request).entries()) {
    const key = keyOf(request, keyIndex);
    if (key.wait > 0) engine.gathering.sought.add(queue);
    const entry = addOperation(engine, action, session, request, key, keyIndex);
    entry.queue = queue;
    entry.alternative = i > 0;
    limitRoom(entry, room, key.text.length);
  }
}

function addKey(
  engine: Engine,
  session: Session,
  request: Request,
  index: number,
  room: ReplyRoom | undefined,
): void {
  const key = keyOf(request, index);
  const action = actionOf(request, key);
  if (key.wait > 0) engine.gathering.sought.add(key.queue);
  addBefore(engine, session, request, key, index);
  if (action === "none") return;
  const entry = addOperation(engine, action, session, request, key, index);
  limitRoom(entry, room, key.text.length);
}

function addBefore(
  engine: Engine,
  session: Session,
  request: Request,
  key: Key,
  index: number,
): void {
  const { before } = key;
  if (before === undefined) return;
  const entry = addOperation(engine, before, session, request, key, index);
  if (before === "pause") entry.until = pauseEnd(engine, key.seconds);
  entry.delay = key.delay;
}

function addOperation(
  engine: Engine,
  kind: NonNullable<Key["before"]> | Exclude<Key["action"], "none">,
  session: Session,
  request: Request,
  key: Key,
  index: number,
): Entry {
  const entry = addEntry(engine, kind, session, request, kind === "peek" ? PEEK : PLAIN);
  entry.queue = key.queue;
  entry.consumer = session.consumer;
  entry.keyIndex = index;
  if (kind === "lease") entry.lease = leaseOf(request, key);
  entry.target = key.target;
  entry.scope = key.scope;
  engine.gathering.changes++;
  return entry;
}

/** Replies to one operation of a get; behind the last one, ends the reply to the get. */
export function replyGet(engine: Engine, entry: Entry): void {
  const { session, request } = entry;
  if (entry.last && !entry.chained && session.current !== request) {
    return replySingle(engine, entry);
  }
  if (session.verdict === "") replyOperation(engine, entry);
  if (entry.last) endPart(engine, entry);
}

/** Replies to a get that is one operation and does not wait: the hot path, so all of it is here. */
function replySingle(engine: Engine, entry: Entry): void {
  const { stats, output } = engine;
  const { session, request, outcome, kind } = entry;
  if (outcome === "done") {
    stats.getCommands++;
    if (keyOf(request, entry.keyIndex).action === "none") {
      countEnded(stats, entry);
      writeEnd(engine, entry, kind === "close");
    } else {
      countHit(stats, session.traffic, kind);
      writeMessage(engine, entry);
      if (isTracing()) writeEnd(engine, entry, true);
      else request.encoder.end(output, request, true);
    }
  } else if (outcome === "absent") {
    stats.getCommands++;
    if (keyOf(request, entry.keyIndex).action !== "none") stats.counters.getsMissed++;
    else countEnded(stats, entry);
    writeEnd(engine, entry, false);
  } else {
    replyOperation(engine, entry);
    session.verdict = "";
  }
  keepRecord(engine, request);
}

function replyOperation(engine: Engine, entry: Entry): void {
  const { stats } = engine;
  const { session, outcome, kind } = entry;
  const key = keyOf(entry.request, entry.keyIndex);
  const isTaking =
    kind === "take" || kind === "open" || kind === "lease" || kind === "move" || kind === "peek";
  // One message is asked for: what it was not taken from has no part in the reply.
  const isOther = outcome === "skipped" || (outcome === "absent" && !entry.last);
  if (isTaking && isOther && isEither(entry.request)) return;
  if (session.wait === undefined && outcome !== "held" && outcome !== "too large") {
    // A key that only closes or aborts is one get, too.
    if (isTaking || key.action === "none") stats.getCommands++;
  }
  switch (outcome) {
    case "done":
      if (isTaking) {
        countHit(stats, session.traffic, kind);
        session.found = true;
        writeMessage(engine, entry);
      } else if (kind === "none") {
        // The wait is over.
        stats.counters.getsMissed++;
      } else {
        countEnded(stats, entry);
        if (key.action === "none") session.found = kind === "close";
      }
      return;
    case "absent":
      if (!isTaking) return countEnded(stats, entry);
      if (canWait(session, key)) session.verdict = "wait";
      else stats.counters.getsMissed++;
      return;
    case "held":
      session.verdict = "over";
      return replyError(
        engine,
        entry,
        "bad request",
        `a message of ${entry.queue} is open already`,
      );
    case "too large":
      return replyTooLarge(engine, entry);
    case "failed":
      if (isTaking) stats.counters.getsFailed++;
      session.verdict = "over";
      replyFailure(engine, entry);
      return;
    case "pending":
    case "full":
    case "unheld":
    case "repeated":
    case "more":
    case "skipped":
    case "postponed":
      return;
    default:
      return withoutReply(outcome);
  }
}

/**
 * Counts a close. One that finds no open message, and has no open behind it, may be a mistake: a pool of connections has
 * given the client another one than that which has the message open.
 */
function countEnded({ counters }: Stats, { kind, outcome, request, keyIndex }: Entry): void {
  if (kind !== "close") return;
  if (outcome === "done") counters.closeHits++;
  else if (keyOf(request, keyIndex).action === "none") counters.closeMisses++;
}

function canWait({ hasConnection, inputEnded, wait }: Session, key: Key): boolean {
  return key.wait > 0 && hasConnection && !inputEnded && wait?.expired !== true;
}

function replyTooLarge(engine: Engine, entry: Entry): void {
  const { session } = entry;
  if (session.hasConnection) {
    session.verdict = "no room";
    session.nextKey = isEither(entry.request) ? 0 : entry.keyIndex;
  } else if (!session.found) {
    session.verdict = "over";
    replyError(engine, entry, "failure", TOO_LONG);
  } else {
    // The reply has the messages that there was room for.
    session.nextKey = keyCount(entry.request);
  }
}

/** Writes a message; a large body is sent from where it lies. */
function writeMessage(engine: Engine, entry: Entry): void {
  const { output } = engine;
  const { session, request, body, start, end } = entry;
  const { encoder } = request;
  const from = output.length;
  encoder.head(output, request, keyOf(request, entry.keyIndex), entry);
  if (isTracing()) traceReply(engine, session, request, from);
  if (!request.withBody) return;
  if (end - start >= LARGE_BODY) {
    sendRun(engine);
    session.sink.send(body, start, end, true);
  } else {
    writeBytes(output, body, start, end);
  }
  encoder.tail(output);
}

/** Ends a get, or a part of it, behind its last operation. */
function endPart(engine: Engine, entry: Entry): void {
  const { session, request } = entry;
  const { verdict } = session;
  // Behind a get of one key the session may have added others already.
  const isCurrent = session.current === request;
  session.verdict = "";
  if (isCurrent) session.stepping = false;
  if (verdict === "no room") {
    // Other clients may take the message meanwhile: then it waits for the rest of its time.
    session.waitEnds = session.wait?.until;
    if (session.wait !== undefined) forgetWait(engine, session);
    session.sink.awaitRoom();
    return;
  }
  if (verdict === "wait") {
    if (session.wait !== undefined) return keepWaiting(engine, session);
    beginWait(engine, session, request);
    // Further input of the client is held from now on.
    session.sink.gathered();
    return;
  }
  if (isCurrent && verdict !== "over" && session.nextKey < keyCount(request)) {
    engine.runnable.add(session);
    return;
  }
  if (verdict === "") writeEnd(engine, entry, session.found);
  if (session.wait !== undefined) forgetWait(engine, session);
  if (isCurrent) {
    session.current = undefined;
    engine.runnable.add(session);
  }
  session.found = false;
  session.waitEnds = undefined;
  keepRecord(engine, request);
}

/** @param found whether there was a message; for a get that only closes, an open one */
function writeEnd(engine: Engine, { session, request, keyIndex }: Entry, found: boolean): void {
  const { output } = engine;
  const start = output.length;
  const isEnding = keyOf(request, keyIndex).action === "none";
  if (isEnding) request.encoder.ended(output, request, found);
  else request.encoder.end(output, request, found);
  if ((!found || isEnding) && request.wanted !== "all") output.length = start;
  else if (isTracing()) traceReply(engine, session, request, start);
}
