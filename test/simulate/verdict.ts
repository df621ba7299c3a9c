/** What the outcome of an operation promises to its client. */
import type { Entry } from "../../src/engine/engine.ts";
import type { Ask } from "./ask.ts";
import { countCertain } from "./doubt.ts";
import { isPaused, type Told, toldNumber } from "./model.ts";
import { count, type Message, messagesOf } from "./queue.ts";
import { endRequest, failRequest, type Judge, keyOf, leaveLine } from "./state.ts";
import { countOne, resetCounters } from "./statistics.ts";
import {
  type Asked,
  finish,
  isEither,
  isNoRoomForLine,
  isRefused,
  NO_ROOM,
  promiseEnd,
  promiseHeld,
  promiseMessage,
  promiseOther,
  promiseResult,
  promiseRows,
  promiseRowsEnd,
  promiseUnheld,
  refuseLine,
  TAKING,
  type Talk,
  wrongOf,
} from "./talk.ts";
import { Violation } from "./violation.ts";

const MAX_AHEAD = 1024 * 1024;

export function answer(judge: Judge, talk: Talk, asked: Asked, entry: Entry, told: Told): void {
  if (talk.gone) return forGone(judge, talk, asked, entry, told);
  if (isRefused(entry) && judge.maxInput === 0) throw new Violation("refused for no reason");
  if (isRefused(entry) && isNoRoomForLine(entry.request)) {
    return refuseLine(talk, asked.ask);
  }
  if (asked.ask.kind === "get") return answerGet(judge, talk, asked, entry, told);
  answerOther(judge, talk, asked, entry);
}

/** Nothing is sent. A message that was taken for it must come back. */
function forGone(judge: Judge, talk: Talk, asked: Asked, entry: Entry, told: Told): void {
  const { kind, outcome, queue } = entry;
  if (kind === "put" && outcome === "done") {
    countOne(judge.counters, "set_cmds");
    countOne(judge.counters, "set_hits");
  }
  if (kind === "take" && outcome === "done" && told.message !== undefined) {
    const serial = judge.model.queues.get(queue)?.serial ?? 0;
    judge.owed.push({ queue, serial, message: told.message, client: talk.id });
  }
  if (outcome !== "more" && ++asked.next >= (asked.steps?.length ?? 0)) {
    judge.requests++;
    talk.asks.shift();
  }
}

function answerGet(judge: Judge, talk: Talk, asked: Asked, entry: Entry, told: Told): void {
  const { ask, steps = [] } = asked;
  const { kind, outcome, queue, error } = entry;
  const { action, waitMs } = keyOf(asked, entry);
  const isTaking = TAKING.has(kind);
  const isLast = asked.next + 1 >= steps.length;
  // What else the message could have come from has no part in the answer.
  const isFirst = talk.wait === undefined;
  const isOther = isTaking && isFirst && isEither(ask) && outcome === "absent" && !isLast;
  const counts = (isTaking || action === "none") && outcome !== "held" && outcome !== "too large";
  if (counts && !isOther && kind !== "move all" && isFirst) {
    countOne(judge.counters, "get_cmds");
  }
  switch (outcome) {
    case "failed":
      leaveLine(judge, talk);
      judge.requests++;
      return failRequest(talk, asked, entry, error);
    case "held":
      promiseHeld(talk, ask, queue);
      judge.requests++;
      return endRequest(talk, entry);
    case "too large":
      asked.again = true;
      leaveLine(judge, talk);
      if (!entry.last) talk.failed = entry.request;
      return;
    case "more":
      return;
    case "absent":
      if (isTaking && !isOther && waitMs > 0 && waits(judge, talk, asked, entry, waitMs)) return;
      break;
    default:
      if (kind === "none") checkEnd(judge, talk, entry);
      if (isTaking && outcome === "done") deliver(judge, talk, asked, entry, told);
  }
  // While a client waits an offer stands alone.
  if (isFirst && ++asked.next < steps.length) return;
  endGet(judge, talk, asked, entry);
}

/** Of several queues all others are skipped once one has brought a message. */
export function skipOther(judge: Judge, talk: Talk, entry: Entry): void {
  const [asked] = talk.asks;
  if (asked === undefined || !isEither(asked.ask) || !asked.found) {
    throw new Violation(`client ${talk.id}: ${entry.kind} is skipped for no reason`);
  }
  if (++asked.next >= (asked.steps?.length ?? 0)) endGet(judge, talk, asked, entry);
}

function endGet(judge: Judge, talk: Talk, asked: Asked, entry: Entry): void {
  const { ask } = asked;
  const { kind, outcome } = entry;
  const isEnding = keyOf(asked, entry).action === "none";
  promiseEnd(talk, ask, isEnding ? kind === "close" && outcome === "done" : asked.found, isEnding);
  leaveLine(judge, talk);
  judge.requests++;
  finish(talk);
}

/** The client waits for a message, and goes on to wait. @returns false when its wait has ended */
function waits(judge: Judge, talk: Talk, asked: Asked, entry: Entry, waitMs: number): boolean {
  if (talk.ended) return false;
  if (entry.session.wait?.expired === true) {
    checkEnd(judge, talk, entry);
    return false;
  }
  if (talk.wait !== undefined) return true;
  const now = judge.now();
  const targets = (asked.steps ?? []).filter(({ kind }) => TAKING.has(kind));
  const queues = [...new Set(targets.map(({ queue }) => queue))];
  talk.wait = { queues, until: now + waitMs, isPeek: entry.kind === "peek" };
  for (const queue of queues) {
    const line = judge.lines.get(queue);
    if (line === undefined) judge.lines.set(queue, [talk]);
    else line.push(talk);
  }
  return true;
}

/** A wait may end without a message for these reasons only. */
function checkEnd(judge: Judge, talk: Talk, { session }: Entry): void {
  const isOver = judge.now() >= (talk.wait?.until ?? Infinity);
  const ahead = session.input.chunk.length - session.input.at;
  if (isOver || talk.ended || ahead > MAX_AHEAD || judge.isLoose) return;
  throw new Violation(
    `client ${talk.id} waits no longer, ${(talk.wait?.until ?? 0) - judge.now()} ms early`,
  );
}

function deliver(judge: Judge, talk: Talk, asked: Asked, entry: Entry, told: Told): void {
  const { queue, kind } = entry;
  const message =
    told.message?.lost === true && kind === "peek" ? peeked(judge, entry) : told.message;
  if (message === undefined)
    throw new Violation(`client ${talk.id} got a message that is not there`);
  const first = talk.wait === undefined || judge.isLoose ? talk : firstInLine(judge, queue);
  if (first !== talk) {
    throw new Violation(`client ${talk.id} was served before client ${first?.id}`);
  }
  asked.found = true;
  countOne(judge.counters, "get_hits");
  if (kind === "take") {
    const serial = judge.model.queues.get(queue)?.serial ?? 0;
    talk.taken.push({ at: talk.promised, queue, serial, message });
  }
  if (kind === "lease") noteLease(judge, queue, message);
  const isLeased = kind === "lease" || (kind === "peek" && entry.scope === "leased");
  promiseMessage(talk, asked.ask, entry.keyIndex, message, {
    number: isLeased ? toldNumber(message) : message.number,
    deliveries: message.deliveries + (kind === "open" || isLeased ? 1 : 0),
    isLease: kind === "lease",
  });
}

/** How many leases are known to clients that want to acknowledge one. */
const MAX_TOLD = 30;

function noteLease({ told }: Judge, queue: string, message: Message): void {
  told.push({ queue, told: toldNumber(message) });
  if (told.length > MAX_TOLD) told.shift();
}

/** The client that has waited longest. While a queue is paused only those that peek can be served. */
function firstInLine({ lines, model }: Judge, name: string): Talk | undefined {
  const mayTake = !isPaused(model, model.queues.get(name));
  return lines.get(name)?.find(({ wait }) => mayTake || wait?.isPeek === true);
}

function peeked({ model }: Judge, { queue, number }: Entry) {
  const found = model.queues.get(queue);
  return found && messagesOf(found).find((message) => message.number === number);
}

function answerOther(judge: Judge, talk: Talk, asked: Asked, entry: Entry): void {
  const { ask } = asked;
  const { outcome, error } = entry;
  if (ask.kind === "set" || wrongOf(ask)?.isSet === true) countOne(judge.counters, "set_cmds");
  const refusal = isRefused(entry) && ask.kind === "set" ? NO_ROOM : undefined;

  if (ask.kind !== "stats" && (outcome === "failed" || refusal !== undefined)) {
    judge.requests++;
    return failRequest(talk, asked, entry, refusal ?? error);
  }
  answerKind(judge, talk, asked, entry);
  if (outcome === "more") return;
  judge.requests++;
  finish(talk);
}

function answerKind(judge: Judge, talk: Talk, asked: Asked, entry: Entry): void {
  const { ask } = asked;
  const { outcome, number } = entry;
  switch (ask.kind) {
    case "set":
      if (outcome === "done") countOne(judge.counters, "set_hits");
      if (outcome === "full") return promiseResult(talk, ask, "not stored");
      if (outcome === "unheld") return promiseUnheld(talk, ask);
      if (outcome === "repeated") return promiseResult(talk, ask, "stored");
      return promiseResult(talk, ask, "stored", numberOf(ask, number));
    case "delete":
      return promiseResult(talk, ask, outcome === "done" ? "deleted" : "not found");
    case "acknowledge":
      return promiseResult(talk, ask, outcome === "done" ? "deleted" : "no lease");
    case "touch":
      return promiseResult(talk, ask, outcome === "done" ? "touched" : "no lease");
    case "flush":
      if (outcome !== "more") promiseResult(talk, ask, "flushed");
      return;
    case "pause":
    case "resume":
      return promiseResult(talk, ask, outcome === "done" ? "done" : "not found");
    case "flush_all":
      if (outcome !== "more") promiseResult(talk, ask, "done");
      return;
    case "checkpoint":
    case "archive":
      return promiseResult(talk, ask, "done");
    case "details":
      promiseRows(talk, ask, detailsOf(judge, entry));
      return promiseRowsEnd(talk, ask);
    case "list":
      promiseRows(talk, ask, listed(judge, asked, entry));
      if (outcome !== "more") promiseRowsEnd(talk, ask);
      return;
    case "reset":
      resetCounters(judge.counters);
      return promiseOther(talk, ask, judge.version, judge.counters);
    default:
      promiseOther(talk, ask, judge.version, judge.counters);
  }
}

/** Binary always tells the number; in text it is told on request. */
function numberOf({ dialect, tokens = [] }: Ask, number: number): number {
  return dialect === "binary" || tokens.includes("c") ? number : 0;
}

function detailsOf(
  { lines, calendar }: Judge,
  { details, queue }: Entry,
): (readonly [string, string])[] {
  if (details === undefined) return [];
  const {
    messages,
    bytes,
    open,
    sets,
    gets,
    age,
    memory,
    openAge,
    dropped,
    delayed,
    leased,
    redelivered,
    dead,
  } = details;
  if (age < 0 || memory < 0 || openAge < 0) throw new Violation(`age ${age}, memory ${memory}`);
  const waiters = lines.get(queue)?.length ?? 0;
  const until = details.paused;
  const left = until === 0 ? -1 : Math.max(0, (until ?? 0) - calendar());
  const rows = {
    messages,
    bytes,
    open,
    waiters,
    sets,
    gets,
    age,
    memory,
    open_age: openAge,
    paused: left,
    dropped,
    delayed,
    expired: details.expired,
    missed: details.missed,
    duplicates: details.duplicates,
    once: details.onceMs,
    leased,
    redelivered,
    dead,
  };
  return Object.entries(rows).map(([name, value]) => [name, String(value)] as const);
}

/** A part of a list: each queue is as it was when the part was made, and comes once. */
function listed(
  { model }: Judge,
  asked: Asked,
  { counts, outcome }: Entry,
): (readonly [string, string])[] {
  const seen = (asked.seen ??= new Set());
  const rows = (counts?.names ?? []).map((name, i) => {
    const queue = model.queues.get(name);
    const [sets = 0, gets = 0] = [counts?.sets[i], counts?.gets[i]];
    const told = `${sets}/${gets}`;
    const [least, most] = queue === undefined ? [1, 0] : [countCertain(queue), count(queue)];
    const isRight = sets === queue?.sets && sets - gets >= least && sets - gets <= most;
    if (!isRight || seen.has(name)) {
      throw new Violation(`${name} ${told}, must be ${queue?.sets}/${(queue?.sets ?? 0) - most}`);
    }
    seen.add(name);
    return [name, told] as const;
  });
  const isWhole = outcome === "done" && seen.size >= model.queues.size;
  if (outcome === "done" && !isWhole && [...model.queues.keys()].length < 60) {
    throw new Violation(`a list has ${seen.size} of ${model.queues.size} queues`);
  }
  return rows;
}
