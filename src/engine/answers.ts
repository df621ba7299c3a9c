import type { ErrorKind } from "../protocol/errors.ts";
import type { Outcome, Row } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";
import { trace } from "../util/log.ts";
import { endTurn, isTracing, type Server } from "./server.ts";
import {
  addUnsent,
  addWritten,
  type Claim,
  type Client,
  type Patience,
  type Turn,
} from "./turn.ts";

/** Why a datagram is refused that would cause a much longer answer. */
export const TOO_LONG = "answer too long for UDP, pad the line";

/** Answers what became of a request. @param number the stored message's own, where the request asks for it */
export function answer(
  server: Server,
  client: Client,
  command: Request,
  outcome: Outcome,
  claim: Claim = "nothing",
  number = 0,
): void {
  const { encoder: dialect, wanted } = command;
  if (wanted === "none") return;
  const { bytes } = server.turn;
  const start = bytes.length;
  dialect.outcome(bytes, command, outcome, number);
  const isSent = wanted === "all" || !dialect.usual.has(outcome);
  addAnswer(server, client, command, start, claim, isSent);
}

/** Answers that a request is refused, or has failed. @param reason in words for the client */
export function refuse(
  server: Server,
  client: Client,
  command: Request,
  refusal: ErrorKind,
  reason: string,
): void {
  if (command.wanted === "none") return;
  const { bytes } = server.turn;
  const start = bytes.length;
  command.encoder.refusal(bytes, command, refusal, reason);
  addAnswer(server, client, command, start, "nothing", true);
}

export function answerStatistics(
  server: Server,
  client: Client,
  command: Request,
  rows: Iterable<Row>,
): void {
  const { bytes } = server.turn;
  const start = bytes.length;
  command.encoder.statistics(bytes, command, rows);
  if (client.patience === undefined && bytes.length - start > client.room()) {
    return refuseLong(server, client, command, start);
  }
  addAnswer(server, client, command, start, "nothing", true);
}

/** Answers instead of what was written from `start` on that this would be too much for a datagram. */
export function refuseLong(server: Server, client: Client, command: Request, start: number): void {
  server.turn.bytes.length = start;
  refuse(server, client, command, "failure", TOO_LONG);
}

/**
 * Sends what was written from `start` on, the first part of an answer or a further one, and goes on with
 * `patience.rest` when others were served or there is room. When the client is told that this part has failed,
 * nothing of the rest is done.
 */
export function pauseAnswer(
  server: Server,
  client: Client,
  patience: Patience,
  start: number,
  claim: Claim,
  first: "others" | "room",
): void {
  // A close writes nothing, but when it fails the client is told.
  const isTold = claim !== "nothing";
  if (isTold) addWritten(server.turn, client, start, claim);
  if ((isTold || first === "others") && endTurn(server) !== undefined && isTold) {
    patience.rest = undefined;
  }
  if (first === "room" && patience.rest !== undefined) patience.awaitRoom();
  else setImmediate(() => patience.resume());
}

/**
 * Adds what was written from `start` on as the last piece of an answer. When it is not to be sent its place in the
 * turn is kept all the same if it claims something: the client is told when that fails.
 */
export function addAnswer(
  { turn }: Server,
  client: Client,
  command: Request,
  start: number,
  claim: Claim,
  isSent: boolean,
): void {
  if (isSent) {
    addWritten(turn, client, start, claim);
    if (isTracing()) traceAnswer(turn, client, command, start);
  } else if (claim === "nothing") {
    turn.bytes.length = start;
  } else {
    addUnsent(turn, client, start, claim);
  }
}

/** Logs what was written from `start` on: there may be no bodies in it. */
export function traceAnswer(
  { bytes }: Turn,
  client: Client,
  { encoder: dialect }: Request,
  start: number,
): void {
  for (const line of dialect.describe(bytes.buffer, start, bytes.length)) {
    trace(`${client.id} > ${line}`);
  }
}
