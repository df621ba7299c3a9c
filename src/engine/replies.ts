import type { ErrorKind } from "../protocol/errors.ts";
import type { Outcome as Answer, Row } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";
import { trace, verbosity } from "../util/log.ts";
import type { Engine, Entry, Session } from "./engine.ts";

/** Why a datagram is refused whose reply would be much longer. */
export const TOO_LONG = "answer too long for UDP, pad the line";

/** Tells what became of a request. @param number the stored message's own, where the request asks for it */
export function replyOutcome(
  engine: Engine,
  { session, request }: Entry,
  answer: Answer,
  number = 0,
): void {
  const { encoder, wanted } = request;
  if (wanted === "none" || (wanted === "quiet" && encoder.quietOutcomes.has(answer))) return;
  const start = engine.output.length;
  encoder.outcome(engine.output, request, answer, number);
  if (isTracing()) traceReply(engine, session, request, start);
}

/** Tells that a request is refused, or has failed. @param reason in words for the client */
export function replyError(
  engine: Engine,
  { session, request }: Entry,
  kind: ErrorKind,
  reason: string,
): void {
  if (request.wanted === "none") return;
  const start = engine.output.length;
  request.encoder.error(engine.output, request, kind, reason);
  if (isTracing()) traceReply(engine, session, request, start);
}

/** Tells the operation's own error, if it failed. @returns whether it did */
export function replyFailure(engine: Engine, entry: Entry): boolean {
  if (entry.outcome !== "failed") return false;
  replyError(engine, entry, "failure", entry.error);
  return true;
}

export function replyStatistics(engine: Engine, entry: Entry, rows: Iterable<Row>): void {
  const { session, request } = entry;
  const start = engine.output.length;
  request.encoder.statistics(engine.output, request, rows);
  if (!isWithinRoom(engine, entry, start)) return;
  if (isTracing()) traceReply(engine, session, request, start);
}

/** Whether a client without a connection may be sent what was written from `start` on; it is told when not. */
export function isWithinRoom(engine: Engine, entry: Entry, start: number): boolean {
  const { session } = entry;
  if (session.hasConnection || engine.output.length - start <= session.sink.room()) return true;
  engine.output.length = start;
  replyError(engine, entry, "failure", TOO_LONG);
  return false;
}

export function isTracing(): boolean {
  return verbosity() >= 2;
}

/** Logs what was written from `start` on: there may be no bodies in it. */
export function traceReply(
  { output }: Engine,
  { id }: Session,
  { encoder }: Request,
  start: number,
): void {
  for (const line of encoder.describe(output.buffer, start, output.length))
    trace(`${id} > ${line}`);
}
