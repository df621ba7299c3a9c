import { type Bytes, writeBytes } from "../protocol/buffer.ts";
import { keyOf, type Request } from "../protocol/request.ts";
import type { OperationKind, QueueCounts } from "../queues/operation.ts";
import { type Account, maySee } from "./access/account.ts";
import type { Engine, Entry, Session } from "./engine.ts";
import { addEntry } from "./group.ts";
import { keepRecord } from "./records.ts";
import { isTracing, isWithinRoom, replyFailure, replyOutcome, traceReply } from "./replies.ts";
import { countOther } from "./stats.ts";
import { WIDE } from "./weights.ts";

/*
 * Requests that go through all queues, of which there may be very many: one part in each group. The next part is added
 * once the one before is replied to.
 */

export function addList(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "list", session, request);
}

export function addFlushAll(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "flush all", session, request);
  engine.gathering.changes++;
}

export function addPart(
  engine: Engine,
  kind: OperationKind,
  session: Session,
  request: Request,
): Entry {
  const entry = addEntry(engine, kind, session, request, WIDE);
  entry.cursor = session.cursor;
  session.current = request;
  session.stepping = true;
  return entry;
}

/** Writes a part of the counters of all queues. */
export function replyList(engine: Engine, entry: Entry): void {
  const { session, request, counts } = entry;
  replyPart(engine, entry, () => {
    if (counts !== undefined) writeCounts(engine.output, request, session.account, counts);
  });
}

/** Writes a part of a list. @param write writes its lines */
export function replyPart(engine: Engine, entry: Entry, write: () => void): void {
  const { output } = engine;
  const { session, request } = entry;
  const { encoder } = request;
  const start = output.length;
  if (replyFailure(engine, entry)) return finish(engine, entry);
  if (session.draft !== undefined) writeBytes(output, session.draft, 0, session.draft.length);
  write();
  const isLast = entry.outcome !== "more";
  if (isLast) encoder.rowsEnd(output, request);
  if (!isWithinRoom(engine, entry, start)) return finish(engine, entry);
  if (!isLast && !session.hasConnection) {
    // A datagram has the whole list or none of it.
    session.draft = Buffer.from(output.buffer.subarray(start, output.length));
    output.length = start;
  }
  if (isTracing()) traceReply(engine, session, request, start);
  if (isLast) finish(engine, entry);
  else continueLater(engine, entry);
}

function writeCounts(
  output: Bytes,
  request: Request,
  account: Account | undefined,
  { names, sets, gets }: QueueCounts,
): void {
  for (let i = 0; i < names.length; i++) {
    if (!maySee(account, names[i] ?? "")) continue;
    request.encoder.counts(output, request, names[i] ?? "", sets[i] ?? 0, gets[i] ?? 0);
  }
}

export function addExpireAll(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "expire all", session, request);
  engine.gathering.changes++;
}

export function replyExpireAll(engine: Engine, entry: Entry): void {
  if (entry.outcome === "more") return continueLater(engine, entry);
  if (!replyFailure(engine, entry)) replyOutcome(engine, entry, "expired", entry.number);
  finish(engine, entry);
}

/** Behind the last part: OK. */
export function replyFlushAll(engine: Engine, entry: Entry): void {
  if (entry.outcome === "more") return continueLater(engine, entry);
  if (!replyFailure(engine, entry)) replyOutcome(engine, entry, "done");
  finish(engine, entry);
}

/** The flush of one queue is done in parts, too, since it may have very many delayed messages. */
export function addFlush(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "flush", session, request).queue = request.name;
  engine.gathering.changes++;
}

export function replyFlush(engine: Engine, entry: Entry): void {
  if (entry.outcome === "more") return continueLater(engine, entry);
  if (!replyFailure(engine, entry)) replyOutcome(engine, entry, "flushed");
  finish(engine, entry);
}

/** Moves all messages of a queue to another one, in parts. The reply is that of a get without a message. */
export function addMoveAll(engine: Engine, session: Session, request: Request): void {
  const { queue, target } = keyOf(request, 0);
  const entry = addPart(engine, "move all", session, request);
  entry.queue = queue;
  entry.target = target;
  engine.gathering.changes++;
}

/** All dead letters of a queue go back to the queues that they came from, in parts. */
export function addReturnAll(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "return all", session, request).queue = request.name;
  engine.gathering.changes++;
}

export function replyMoveAll(engine: Engine, entry: Entry): void {
  if (entry.outcome === "more") return continueLater(engine, entry);
  const { request, session } = entry;
  const start = engine.output.length;
  if (!replyFailure(engine, entry) && request.wanted === "all") {
    request.encoder.end(engine.output, request, false);
    if (isTracing()) traceReply(engine, session, request, start);
  }
  finish(engine, entry);
}

function continueLater(engine: Engine, { session, cursor }: Entry): void {
  session.cursor = cursor;
  session.stepping = false;
  engine.runnable.add(session);
}

export function finish(engine: Engine, { session, request }: Entry): void {
  countOther(engine.stats, request.kind);
  session.cursor = undefined;
  session.draft = undefined;
  session.stepping = false;
  session.current = undefined;
  engine.runnable.add(session);
  keepRecord(engine, request);
}
