import { nextRequest } from "../protocol/decoder.ts";
import { compactInput, isIncomplete, newInput } from "../protocol/input.ts";
import { refuse, type Request, type RequestKind } from "../protocol/request.ts";
import { text } from "../protocol/text/encoder.ts";
import { trace } from "../util/log.ts";
import { refuseForbidden } from "./authenticate.ts";
import { commands } from "./commands.ts";
import type { Deferred, Engine, Group, Session } from "./engine.ts";
import { stepGet } from "./get.ts";
import { keepBody, takeRecord } from "./records.ts";
import { isTracing } from "./replies.ts";

/** How much work a session adds to a group that others use, too, and to one that it has for itself. */
const MAX_BESIDE = 32;
const MAX_ALONE = 128;
/** A group has at most about so many bytes of bodies, and so many operations. */
const MAX_GROUP_BYTES = 1024 * 1024;
const MAX_GROUP_OPERATIONS = 4096;
/** Unread bytes of a session that may add a request to a full group. */
const MAX_SMALL = 16 * 1024;
/** Requests whose replies may be long. */
const LONG_REPLIES: ReadonlySet<RequestKind> = new Set([
  "get",
  "stats",
  "stats queue",
  "stats queues",
  "dump_stats",
]);

/** Adds the session's requests to the group, as far as they have arrived and the group takes them. */
export function gather(engine: Engine, session: Session): void {
  if (session.phase === "closed") return;
  const { input, sink } = session;
  while (hasMore(session)) {
    if (sink.blocked) break;
    if (!mayAdd(engine, session)) {
      engine.runnable.add(session);
      break;
    }
    const { current } = session;
    if (current !== undefined) continueRequest(engine, session, current);
    else if (session.deferred.length > 0) addDeferred(engine, session);
    else if (!addNext(engine, session)) break;
    // Most clients wait for the reply: there is no further input to decode.
    else if (input.at === input.chunk.length && !session.inputEnded) break;
  }
  compactInput(input);
  if (input.spent.length > 0) engine.gathering.spent.push(...input.spent.splice(0));
  sink.gathered();
  engine.requestTurn();
}

/** Whether there may be something to add, and nothing that must be replied to first. */
function hasMore(session: Session): boolean {
  const { phase, wait, stepping, postponed, current, deferred, cancelCheck } = session;
  if (wait !== undefined || stepping || postponed || cancelCheck !== undefined) return false;
  return phase === "open" || current !== undefined || deferred.length > 0;
}

/** Whether nothing more is added to the group, so that its memory is bounded. */
export function isFull({ bytes, count }: Group): boolean {
  return bytes >= MAX_GROUP_BYTES || count >= MAX_GROUP_OPERATIONS;
}

/** Whether the session may add something. */
function mayAdd({ gathering }: Engine, session: Session): boolean {
  const { load, pending, current, deferred } = session;
  if (isFull(gathering)) return isSmall(session) && hasRoomForSmall(gathering);
  const next = current ?? deferred[0]?.request;
  if (next !== undefined && mustWait(session, next)) return false;
  return load < (gathering.count > pending ? MAX_BESIDE : MAX_ALONE);
}

/** Whether it has little to add, and nothing else in the group: it need not wait for the groups of sessions with much. */
function isSmall({ pending, current, deferred, input }: Session): boolean {
  const isNew = pending === 0 && current === undefined && deferred.length === 0;
  return isNew && input.chunk.length - input.at <= MAX_SMALL;
}

function hasRoomForSmall({ bytes, count }: Group): boolean {
  return bytes < 2 * MAX_GROUP_BYTES && count < 2 * MAX_GROUP_OPERATIONS;
}

/** Where room for replies is short, a session has one request with a long reply at a time, and nothing beside it. */
function mustWait({ sink, pending }: Session, { kind }: Request): boolean {
  return sink.pressure.outputFull && pending > 0 && LONG_REPLIES.has(kind);
}

function continueRequest(engine: Engine, session: Session, request: Request): void {
  if (request.kind === "get") stepGet(engine, session, request);
  else commands[request.kind].add(engine, session, request);
}

/** Adds the first of the requests that were postponed. */
function addDeferred(engine: Engine, session: Session): void {
  const { request, from } = session.deferred.shift() as Deferred;
  if (from === 0) return commands[request.kind].add(engine, session, request);
  session.current = request;
  session.nextKey = from;
}

/** Adds the next request: false when it has not arrived. */
function addNext(engine: Engine, session: Session): boolean {
  const { input } = session;
  const { at } = input;
  const isFound = nextRequest(input);
  // A datagram holds whole requests, and nothing comes behind it.
  const isCut = !session.hasConnection && isIncomplete(input);
  if (!isFound || isCut) {
    if (session.inputEnded || isCut) endInput(engine, session);
    return false;
  }
  session.requestBytes = input.at - at + session.headerBytes;
  session.headerBytes = 0;
  addRequest(engine, session);
  return true;
}

/** The client sends no more. A datagram must hold whole requests; what a connection leaves unfinished is dropped. */
function endInput(engine: Engine, session: Session): void {
  if (!session.hasConnection && isIncomplete(session.input)) {
    const request = takeRecord(engine);
    refuse(request, "bad request", "incomplete request");
    request.encoder = text;
    request.wanted = "all";
    commands.error.add(engine, session, request);
  }
  finishInput(session);
}

/** Adds the request that the input has found; the input gets another record to fill. */
export function addRequest(engine: Engine, session: Session): void {
  const request = takeRequest(engine, session);
  if (session.account !== undefined) refuseForbidden(session, session.account, request);
  if (mustWait(session, request)) defer(engine, session, request);
  else commands[request.kind].add(engine, session, request);
  endAfter(session, request);
}

/** Refuses the request that the input has found, behind all that came before it. */
export function addRefusal(engine: Engine, session: Session): void {
  const request = takeRequest(engine, session);
  const { deferred, current, postponed } = session;
  const isBehind = deferred.length > 0 || current !== undefined || postponed;
  if (isBehind) defer(engine, session, request);
  else commands[request.kind].add(engine, session, request);
  endAfter(session, request);
}

function defer(engine: Engine, session: Session, request: Request): void {
  if (request.kind === "set") keepBody(request);
  session.deferred.push({ request, from: 0 });
  engine.runnable.add(session);
}

/** Behind the last request of a client nothing is read. */
function endAfter(session: Session, { kind, fatal }: Request): void {
  if (kind === "quit" || (kind === "error" && fatal)) finishInput(session);
}

/** Takes the request that the input has found; the input gets another record to fill. */
function takeRequest(engine: Engine, session: Session): Request {
  const { input } = session;
  const { request } = input;
  if (isTracing()) trace(`${session.id} < ${request.line}`);
  if (request.line !== "") request.line = "";
  input.request = takeRecord(engine);
  if (request.kind === "set" && !request.bodyAlone) input.pinned = true;
  return request;
}

/** Nothing more is read from the client. The session ends once all earlier requests are replied to. */
export function finishInput(session: Session): void {
  if (session.phase !== "open") return;
  const { engine, input } = session;
  session.phase = "ending";
  session.input = newInput(engine.settings.maxBody, input.binary, input.anyCase);
}
