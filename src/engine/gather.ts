import { nextRequest } from "../protocol/decoder.ts";
import { compactInput, isIncomplete, newInput } from "../protocol/input.ts";
import { refuse, type Request } from "../protocol/request.ts";
import { text } from "../protocol/text/encoder.ts";
import { trace } from "../util/log.ts";
import { commands } from "./commands.ts";
import type { Engine, Session } from "./engine.ts";
import { stepGet } from "./get.ts";
import { takeRecord } from "./group.ts";
import { isTracing } from "./replies.ts";
import { countOther } from "./stats.ts";

/** Work that a session adds to a group beside others, and to one of its own. */
const MAX_BESIDE = 32;
const MAX_ALONE = 128;
/** Bytes of bodies that close a group. */
const MAX_GROUP_BYTES = 1024 * 1024;

/** Adds the session's requests to the group, as far as they have arrived and it is its turn. */
export function gather(engine: Engine, session: Session): void {
  if (session.phase === "closed") return;
  const { input, sink } = session;
  while (session.phase === "open" && session.wait === undefined && !session.stepping) {
    if (sink.isBlocked()) break;
    if (!mayAdd(engine, session)) {
      engine.runnable.add(session);
      break;
    }
    const { current } = session;
    if (current !== undefined) goOn(engine, session, current);
    else if (!addNext(engine, session)) break;
  }
  compactInput(input);
  if (input.spent.length > 0) engine.gathering.spent.push(...input.spent.splice(0));
  sink.gathered();
  engine.requestTurn();
}

/** Where room for replies is short, a session has one request on its way. */
function mayAdd({ gathering }: Engine, { load, pending, sink }: Session): boolean {
  if (gathering.bytes >= MAX_GROUP_BYTES) return false;
  if (sink.room() !== Infinity) return pending === 0;
  return load < (gathering.count > pending ? MAX_BESIDE : MAX_ALONE);
}

function goOn(engine: Engine, session: Session, request: Request): void {
  if (request.kind === "get") stepGet(engine, session, request);
  else commands[request.kind].add(engine, session, request);
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
  const { input } = session;
  const { request } = input;
  const { kind, fatal } = request;
  if (isTracing()) trace(`${session.id} < ${request.line}`);
  if (request.line !== "") request.line = "";
  input.request = takeRecord(engine);
  if (kind === "set" && !request.bodyAlone) input.pinned = true;
  if (kind !== "set" && kind !== "get") countOther(engine.stats, kind);
  commands[kind].add(engine, session, request);
  if (kind === "quit" || (kind === "error" && fatal)) finishInput(session);
}

/** Nothing more is read of the client; it is over once all that came before is replied to. */
export function finishInput(session: Session): void {
  if (session.phase !== "open") return;
  const { engine, input } = session;
  session.phase = "ending";
  session.input = newInput(engine.settings.maxBody, input.binary);
}
