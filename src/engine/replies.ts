import type { ErrorKind } from "../protocol/errors.ts";
import type { Outcome as Answer, Row } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";
import { trace, verbosity } from "../util/log.ts";
import type { Engine, Entry, Session } from "./engine.ts";

/** The error where a reply would be much longer than the datagram that asked for it. */
export const TOO_LONG = "answer too long for UDP, pad the line";

/** Writes the result of a request. @param number the stored message's own, where the request asks for it */
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

/** Writes that a request is refused, or has failed. @param reason in words for the client */
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

/** Writes the operation's error, if it has failed. @returns whether it has */
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

/**
 * Whether what was written from `start` on fits into the datagrams of a client without a connection. When it does not,
 * an error takes its place.
 */
export function isWithinRoom(engine: Engine, entry: Entry, start: number): boolean {
  const { session } = entry;
  if (session.hasConnection || engine.output.length - start <= session.sink.room()) return true;
  engine.output.length = start;
  replyError(engine, entry, "failure", TOO_LONG);
  return false;
}

/** An outcome of an operation that has no reply does not compile. */
export function withoutReply(outcome: never): never {
  throw new Error(`an outcome without a reply: ${String(outcome)}`);
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
