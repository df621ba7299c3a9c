import { feed, newInput, rejectPartial } from "../protocol/input.ts";
import type { SingleKind } from "../protocol/request.ts";
import { text } from "../protocol/text/encoder.ts";
import { verbosity } from "../util/log.ts";
import { lock } from "./authenticate.ts";
import type { Engine, Session, Sink } from "./engine.ts";
import { addRefusal, addRequest, gather } from "./gather.ts";
import { closeIfLarge } from "./group_closing.ts";
import { takeRecord } from "./records.ts";
import { joinTraffic } from "./traffic.ts";
import { endWait } from "./waiters.ts";

/** A client that sends so many bytes more while it waits for a message is not kept waiting. */
const MAX_AHEAD = 1024 * 1024;

/** How a client is connected. */
export interface Connectedness {
  /** For the log; 0 for a client without a connection. */
  id: number;
  hasConnection: boolean;
  /** Whether it speaks the binary dialect; undefined: its first byte says it. */
  binary: boolean | undefined;
  /** Where the client is, in words for the log. */
  address?: () => string;
  /** Bytes that came before its first request, and count as a part of it. */
  headerBytes?: number;
}

export function newSession(engine: Engine, sink: Sink, how: Connectedness): Session {
  const session: Session = {
    id: how.id,
    engine,
    sink,
    // The sender of a datagram may be forged: what is no request there is better not taken for one.
    input: newInput(engine.settings.maxBody, how.binary, how.hasConnection),
    consumer: engine.backend.newConsumer(sink.client),
    account: undefined,
    traffic: engine.traffic.others,
    cancelCheck: undefined,
    address: how.address ?? (() => "this process"),
    hasConnection: how.hasConnection,
    phase: "open",
    inputEnded: false,
    requestBytes: 0,
    headerBytes: how.headerBytes ?? 0,
    load: 0,
    pending: 0,
    current: undefined,
    stepping: false,
    deferred: [],
    postponedNow: 0,
    taken: 0,
    postponed: false,
    nextKey: 0,
    cursor: undefined,
    draft: undefined,
    found: false,
    verdict: "",
    wait: undefined,
    waitEnds: undefined,
  };
  session.input.request = takeRecord(engine);
  if (how.hasConnection) {
    engine.sessions.add(session);
    lock(session);
    // Where clients authenticate, it is counted by its account, from then on.
    if (engine.access === undefined)
      session.traffic = joinTraffic(engine.traffic, session.address());
    else session.traffic.connections++;
  }
  return session;
}

/** Bytes have come from the client; the caller must not change them any more. */
export function receive(session: Session, chunk: Buffer): void {
  const { engine, input } = session;
  if (session.phase !== "open" || session.inputEnded) return;
  engine.stats.bytesRead += chunk.length;
  input.keepLines = verbosity() >= 2;
  feed(input, chunk);
  if (session.wait === undefined) {
    gather(engine, session);
    closeIfLarge(engine);
  } else {
    // Its connection must be read all the time: without that its end is not noticed, and a message would be lost.
    if (unreadBytes(session) > MAX_AHEAD) endWait(engine, session);
    session.sink.gathered();
  }
}

/** The client asks for something that no dialect has a command for. The reply is that of the text protocol. */
export function receiveSingle(
  session: Session,
  kind: SingleKind,
  queue: string,
  number: number,
): void {
  const { engine, input } = session;
  const { request } = input;
  request.kind = kind;
  request.encoder = text;
  request.wanted = "all";
  request.name = queue;
  request.number = number;
  addRequest(engine, session);
  engine.requestTurn();
}

/** The client sends nothing more, or is not read any more: requests that have arrived are still replied to. */
export function receiveEnd(session: Session): void {
  const { engine } = session;
  session.inputEnded = true;
  if (session.wait !== undefined) endWait(engine, session);
  else engine.runnable.add(session);
  engine.requestTurn();
}

/** There is room for replies again. */
export function resume(session: Session): void {
  session.engine.runnable.add(session);
  session.engine.requestTurn();
}

/** How many bytes were received and not decoded yet. */
export function unreadBytes({ input }: Session): number {
  return input.chunk.length - input.at;
}

/** Refuses the request that is arriving, for lack of memory for the rest of it. @returns whether there is one */
export function refusePartial(session: Session): boolean {
  const { engine, input } = session;
  if (session.phase !== "open" || session.wait !== undefined) return false;
  if (!rejectPartial(input)) return false;
  addRefusal(engine, session);
  engine.requestTurn();
  return true;
}

/** What a client does, for the metrics and the page. */
export type Activity = "ready" | "waiting" | "blocked" | "ending";

export function activityOf({ phase, wait, sink }: Session): Activity {
  if (phase !== "open") return "ending";
  if (wait !== undefined) return "waiting";
  return sink.blocked ? "blocked" : "ready";
}
