/**
 * What one client asked for and has not been answered yet, and what it may be sent: each operation that was executed for
 * it must be the next one of its requests, and makes a part of the answer.
 */
import type { Entry } from "../../src/engine/engine.ts";
import type { OperationKind } from "../../src/queues/operation.ts";
import {
  type Delivered,
  endAnswer,
  endedAnswer,
  failureAnswer,
  messageAnswer,
  packet,
  refusalAnswer,
  type Result,
  resultAnswer,
  rowsAnswer,
  rowsEnd,
  versionAnswer,
} from "./answer.ts";
import { type Ask, meaningOf } from "./ask.ts";
import { type Body, sizeOf } from "./body.ts";
import { expectBody, expectCheck, type Expected, expectText, newExpected } from "./expected.ts";
import type { Message } from "./queue.ts";
import { checkOf, type Counters } from "./statistics.ts";
import { Violation } from "./violation.ts";
import { WRONG, type Wrong } from "./wrong.ts";

export interface Talk {
  id: number;
  /** In the order in which they were sent; the first one is executed next. */
  asks: Asked[];
  expected: Expected;
  /** Bytes that it was ever sent or may be sent now. */
  promised: number;
  /** Messages that the last group took for it, and where in its answers they begin. */
  taken: { at: number; queue: string; serial: number; message: Message }[];
  /** Bytes that the server was given of its requests. */
  arrived: number;
  /** The server knows that it is gone, or that it sends no more. */
  gone: boolean;
  ended: boolean;
  /** No more of it is read: its last request is there. */
  finished: boolean;
  /** It waits for a message since the request was executed first; it has its place in the line of those who wait. */
  wait: { queues: string[]; until: number; isPeek: boolean } | undefined;
  /** Its client reads all that it is sent, at once. */
  reads: boolean;
  /** A request failed in the middle: the rest of its operations in the group mean nothing. */
  failed: Entry["request"] | undefined;
}

export interface Asked {
  ask: Ask;
  /** Behind its last byte. */
  end: number;
  /** set. */
  body: Body | undefined;
  /** When its last byte arrived, in milliseconds. */
  at: number;
  steps: Step[] | undefined;
  next: number;
  found: boolean;
  /** It was postponed, or waits: operations may come again. */
  again: boolean;
  /** It is a get that counted already. */
  counted: boolean;
  /** Groups that were executed since all of it was there, and nothing that its client asked for before was left to do. */
  passedBy: number;
  /** A flush in parts: what it found at its beginning. All that is moved: how many are left to move. */
  doomed: Set<Message> | undefined;
  left: number | undefined;
  /** A list or a flush in parts: queues that were seen, and the epoch in which it began. */
  seen: Set<string> | undefined;
  epoch: number;
  /** The client is gone, and the request was in a group by then: its changes must be done. */
  isBegun: boolean;
}

interface Step {
  kind: OperationKind;
  queue: string;
  key: number;
}

/** Of these only one is done that brings a message. */
export function isEither({ keys = [] }: Ask): boolean {
  const [key] = keys;
  if (key === undefined) return false;
  const { waitMs, others } = meaningOf(key);
  return keys.length > 1 ? waitMs >= 0 : others.length > 0;
}

export const NO_ROOM = "out of memory storing object";
export const NO_ROOM_FOR_LINE = "out of memory reading request";

/** Operations that bring a message: a client that is gone has no use for them. */
export const TAKING: ReadonlySet<OperationKind> = new Set([
  "take",
  "open",
  "lease",
  "move",
  "peek",
]);

export function newTalk(id: number, reads: boolean): Talk {
  return {
    id,
    reads,
    asks: [],
    expected: newExpected(),
    promised: 0,
    taken: [],
    arrived: 0,
    gone: false,
    ended: false,
    finished: false,
    wait: undefined,
    failed: undefined,
  };
}

export function newAsked(ask: Ask, end: number): Asked {
  return {
    ask,
    end,
    body: undefined,
    at: 0,
    steps: undefined,
    next: 0,
    found: false,
    again: false,
    counted: false,
    passedBy: 0,
    doomed: undefined,
    left: undefined,
    seen: undefined,
    epoch: 0,
    isBegun: false,
  };
}

const OPERATIONS: Record<Exclude<Ask["kind"], "get">, OperationKind> = {
  set: "put",
  delete: "delete",
  acknowledge: "acknowledge",
  touch: "extend",
  flush: "flush",
  pause: "pause",
  resume: "resume",
  flush_all: "flush all",
  stats: "survey",
  details: "details",
  list: "list",
  reset: "none",
  version: "none",
  verbosity: "none",
  noop: "none",
  checkpoint: "checkpoint",
  archive: "archive",
  quit: "none",
  wrong: "none",
};

/** The operations of a request, in order. */
function stepsOf(ask: Ask): Step[] {
  const { kind, queue = "", keys = [], leaseSeconds = 0 } = ask;
  if (kind !== "get") return [{ kind: OPERATIONS[kind], queue, key: 0 }];
  const steps = keys.length > 1 ? checksOf(keys) : [];
  const taking: Step[] = [];
  for (const [key, each] of keys.entries()) {
    const { queue, before, action: wanted, others } = meaningOf(each);
    const action = leaseSeconds > 0 ? "lease" : wanted;
    if (before !== undefined) steps.push({ kind: before, queue, key });
    const into = isEither(ask) ? taking : steps;
    if (action === "none") continue;
    for (const name of [queue, ...others]) into.push({ kind: action, queue: name, key });
  }
  return [...steps, ...taking];
}

/** A get of several keys is refused before it does anything when it would open a second message of a queue. */
function checksOf(keys: readonly string[]): Step[] {
  const open = new Map<string, boolean>();
  const steps: Step[] = [];
  for (const [key, each] of keys.entries()) {
    const { queue, before, action } = meaningOf(each);
    if (action === "peek" || action === "take") continue;
    const known = open.get(queue);
    if (action === "open" && before === undefined && known !== false) {
      steps.push({ kind: known === true ? "clash" : "check", queue, key });
    }
    open.set(queue, action === "open");
  }
  return steps;
}

/** Finds the request that the operation belongs to. @throws Violation when it is not the next one of this client */
export function attend(talk: Talk, entry: Entry): Asked {
  for (;;) {
    const [asked] = talk.asks;
    if (asked === undefined) throw new Violation(`${shown(talk, entry)}, which was not asked for`);
    // The body of a request that is refused may still be on its way.
    if (asked.end > talk.arrived && asked.ask.kind !== "wrong" && !isRefused(entry)) {
      throw new Violation(`${shown(talk, entry)}, before all of the request was there`);
    }
    asked.steps ??= stepsOf(asked.ask);
    // A message came for one of the queues that it waits for.
    const offered = talk.wait === undefined ? -1 : offeredStep(asked, entry);
    if (offered >= 0) asked.next = offered;
    if (isAt(asked, talk, entry, asked.next)) return asked;
    if (asked.again && rewind(asked, talk, entry)) return asked;
    if (!talk.gone) {
      const { kind = "nothing", queue = "" } = asked.steps[asked.next] ?? {};
      throw new Violation(`${shown(talk, entry)}, and next comes ${kind} ${queue}`);
    }
    skipStep(talk, asked);
  }
}

function offeredStep({ steps = [] }: Asked, { kind, queue }: Entry): number {
  return steps.findIndex((step) => TAKING.has(kind) && step.kind === kind && step.queue === queue);
}

function isAt({ steps = [] }: Asked, talk: Talk, entry: Entry, index: number): boolean {
  const { kind, queue } = entry;
  const step = steps[index];
  if (step === undefined) return false;
  if (isRefused(entry)) return step.kind === "put" || isNoRoomForLine(entry.request);
  // A wait has ended.
  if (kind === "none" && TAKING.has(step.kind)) return talk.wait !== undefined;
  return step.kind === kind && (kind === "none" || step.queue === "" || step.queue === queue);
}

/** Too much is held of all requests: what the client sends is refused. */
export function isRefused({ kind, request }: Entry): boolean {
  return kind === "none" && (isNoRoom(request) || isNoRoomForLine(request));
}

/** Records of requests are used again: one that is no error has a reason of an earlier request. */
function isNoRoom({ kind, reason }: Entry["request"]): boolean {
  return kind === "error set" && reason === NO_ROOM;
}

export function isNoRoomForLine({ kind, reason }: Entry["request"]): boolean {
  return kind === "error" && reason === NO_ROOM_FOR_LINE;
}

/** A key that was postponed is executed again, with what comes first in it. */
function rewind(asked: Asked, talk: Talk, entry: Entry): boolean {
  const { steps = [], next } = asked;
  const key = steps[next]?.key;
  for (let i = next - 1; i >= 0; i--) {
    const isCheck = steps[i]?.kind === "check" || steps[i]?.kind === "clash";
    if (steps[i]?.key !== key && !isCheck && !isEither(asked.ask)) continue;
    if (!isAt(asked, talk, entry, i)) continue;
    asked.next = i;
    return true;
  }
  return false;
}

const MUST_BE_DONE: ReadonlySet<OperationKind> = new Set([
  "put",
  "delete",
  "flush",
  "acknowledge",
  "extend",
]);

/** A client that is gone takes nothing any more; all else that was in a group is done. */
function skipStep(talk: Talk, asked: Asked): void {
  const step = asked.steps?.[asked.next];
  const mustBeDone = step !== undefined && !TAKING.has(step.kind) && asked.isBegun;
  if (mustBeDone && MUST_BE_DONE.has(step.kind)) {
    throw new Violation(
      `client ${talk.id} is gone, and its ${step.kind} of ${step.queue} is not done`,
    );
  }
  if (++asked.next >= (asked.steps?.length ?? 0)) talk.asks.shift();
}

function shown({ id, gone }: Talk, { kind, queue, outcome }: Entry): string {
  return `client ${id}${gone ? ", which is gone," : ""} had executed ${kind} ${queue} (${outcome})`;
}

/** The request is answered: what is next of this client is the next one. */
export function finish(talk: Talk): void {
  const asked = talk.asks.shift();
  talk.wait = undefined;
  if (asked === undefined) return;
  const { ask } = asked;
  if (ask.kind !== "quit" && wrongOf(ask)?.isFatal !== true) return;
  talk.finished = true;
  talk.asks = [];
}

export function wrongOf({ kind, which = 0 }: Ask): Wrong | undefined {
  return kind === "wrong" ? WRONG[which] : undefined;
}

/** Too much is held of all requests, and nothing more is read of this client. */
export function refuseLine(talk: Talk, { dialect }: Ask): void {
  const ask: Ask = { kind: "wrong", dialect, fill: 0 };
  promise(talk, failureAnswer(ask, NO_ROOM_FOR_LINE));
  talk.finished = true;
  talk.wait = undefined;
  talk.asks = [];
}

/** The client may be sent this. */
export function promise(talk: Talk, text: string): void {
  talk.promised += text.length;
  expectText(talk.expected, text);
}

export function promiseMessage(
  talk: Talk,
  ask: Ask,
  key: number,
  message: Message,
  delivered: Delivered,
): void {
  const { head, tail } = messageAnswer(ask, key, message, delivered);
  promise(talk, head);
  if (ask.dialect !== "meta" || ask.tokens?.includes("v") === true) {
    talk.promised += sizeOf(message.body);
    expectBody(talk.expected, message.body);
  }
  promise(talk, tail);
}

/** @param isEnding the last key asks for no message */
export function promiseEnd(talk: Talk, ask: Ask, found: boolean, isEnding: boolean): void {
  promise(talk, isEnding ? endedAnswer(ask, found) : endAnswer(ask, found));
}

export function promiseResult(talk: Talk, ask: Ask, result: Result, number = 0): void {
  promise(talk, resultAnswer(ask, result, number));
}

export function promiseFailure(talk: Talk, ask: Ask, reason: string): void {
  promise(talk, failureAnswer(ask, reason));
}

export function promiseHeld(talk: Talk, ask: Ask, queue: string): void {
  promise(talk, refusalAnswer(ask, `a message of ${queue} is open already`));
}

/** A set that would close a message which the client does not hold. */
export function promiseUnheld(talk: Talk, ask: Ask): void {
  if (ask.quiet === true && ask.dialect === "text") return;
  const how = ask.number === undefined ? "is open" : "has that lease";
  promise(talk, refusalAnswer(ask, `no message of ${ask.closes} ${how}, nothing is stored`));
}

export function promiseRows(
  talk: Talk,
  ask: Ask,
  rows: readonly (readonly [string, string])[],
): void {
  promise(talk, rowsAnswer(ask, rows));
}

export function promiseRowsEnd(talk: Talk, ask: Ask): void {
  promise(talk, rowsEnd(ask));
}

/** The answers to requests that ask nothing of the queues. */
export function promiseOther(talk: Talk, ask: Ask, version: string, counters: Counters): void {
  switch (ask.kind) {
    case "version":
      return promise(talk, versionAnswer(ask, version));
    case "verbosity":
      return promiseResult(talk, ask, "done");
    case "noop":
      return promiseResult(talk, ask, "alive");
    case "reset":
      return promiseResult(talk, ask, "reset");
    case "quit":
      if (ask.dialect === "binary" && ask.quiet !== true) promiseResult(talk, ask, "done");
      return;
    case "stats":
      return expectCheck(talk.expected, checkOf(counters));
    default:
      return promiseWrong(talk, ask);
  }
}

function promiseWrong(talk: Talk, ask: Ask): void {
  const wrong = wrongOf(ask);
  if (wrong === undefined) return;
  if (!wrong.binary) return promise(talk, wrong.answer);
  const opcode = wrong.bytes(0).charCodeAt(1);
  promise(talk, packet({ ...ask, fill: 0 }, wrong.status ?? 0, "", wrong.answer, 0, 0, "", opcode));
}
