/** Judges each group that was executed, before it is answered: whether the contract allows its outcomes, and what it promises. */
import type { Entry } from "../../src/engine/engine.ts";
import type { Operation } from "../../src/queues/operation.ts";
import type { QueueSummary } from "../../src/queues/summary.ts";
import { type Body, isBody } from "./body.ts";
import type { Event, Own } from "./faults.ts";
import {
  apply,
  bring,
  commit,
  compareMessage,
  count,
  doubt,
  expect,
  expectBefore,
  flush,
  lose,
  putBack,
  recover,
  rollBack,
  settle,
  type Told,
} from "./model.ts";
import type { Judge } from "./state.ts";
import { countOne } from "./statistics.ts";
import { type Asked, attend, type Talk } from "./talk.ts";
import { answer } from "./verdict.ts";
import { Violation } from "./violation.ts";

/** Why the commit of the group failed, if it did. */
type Failure = Extract<Event, { what: "failed" | "in doubt" }> | undefined;

/** Operations from number `from` on, so many, were executed. @throws Violation */
export function judge(
  judge: Judge,
  operations: readonly Operation[],
  from: number,
  executed: number,
): void {
  const { model, faults } = judge;
  model.time = { first: judge.judgedAt, last: judge.now(), calendar: judge.calendar() };
  judge.judgedAt = judge.now();
  const { before, failure, after } = splitEvents(faults.events.splice(0));
  noteEvents(judge, before);
  for (const talk of judge.talks.values()) if (talk.taken.length > 0) talk.taken = [];
  judge.lost = 0;
  judge.operations += executed;
  const { own } = faults;
  faults.own = undefined;
  const unchanged: [Entry, Told][] = [];
  for (let i = from; i < from + executed; i++) {
    const entry = operations[i] as Entry;
    if (entry.outcome === "pending")
      throw new Violation(`${entry.kind} is done without an outcome`);
    const told = judgeOne(judge, entry, failure, own?.[i - from]);
    if (failure !== undefined && told !== undefined) unchanged.push([entry, told]);
  }
  for (const [entry, told] of unchanged) checkUnchanged(judge, entry, told);
  if (failure === undefined) {
    commit(model);
    countOne(judge.counters, "lost_messages", judge.lost);
  } else if (failure.what === "failed") {
    rollBack(model);
  } else {
    doubt(model, failure.reason, failure.kept);
  }
  noteEvents(judge, after);
  faults.reads.length = 0;
  faults.checkpoints.length = 0;
}

function splitEvents(events: Event[]): { before: Event[]; failure: Failure; after: Event[] } {
  const at = events.findIndex(({ what }) => what === "failed" || what === "in doubt");
  if (at < 0) return { before: events, failure: undefined, after: [] };
  return {
    before: events.slice(0, at),
    failure: events[at] as Failure,
    after: events.slice(at + 1),
  };
}

function noteEvents(judge: Judge, events: Event[]): void {
  const { model } = judge;
  for (const event of events) {
    if (event.what === "recovered") {
      recover(model);
      judge.epoch++;
    } else if (event.what === "not recovered" && model.doubt !== undefined) {
      model.doubt.reason = event.reason;
    }
  }
}

/** @returns what it told, when the operation has not failed and a failing commit should not have mattered to it */
function judgeOne(
  judge: Judge,
  entry: Entry,
  failure: Failure,
  own: Own | undefined,
): Told | undefined {
  const { session, kind, outcome } = entry;
  const talk = judge.talks.get(session);
  if (talk === undefined) throw new Violation(`${kind} of nobody`);
  if (kind === "release") return void release(judge, talk, entry);
  if (kind === "restore") return void restore(judge, entry, failure);
  // The end of its wait, say.
  if (kind === "none" && talk.gone) return undefined;
  if (outcome === "skipped") return void skip(talk, entry);
  if (outcome === "postponed") return void postpone(talk, entry);
  const isAfterFailure = talk.failed === entry.request;
  const asked = isAfterFailure ? undefined : attend(talk, entry);
  if (entry.kind === "put") checkBody(talk, asked, entry);
  const told = execute(judge, talk, entry, own, asked?.body);
  if (isAfterFailure) {
    if (entry.last) talk.failed = undefined;
  } else if (asked !== undefined) {
    answer(judge, talk, asked, entry, told);
  }
  return outcome === "failed" || outcome === "too large" || kind === "none" ? undefined : told;
}

function release(judge: Judge, talk: Talk, entry: Entry): void {
  // It comes once more, behind requests that were postponed.
  if (entry.outcome === "skipped") return;
  if (entry.outcome !== "done") throw new Violation(`a release is ${entry.outcome}`);
  if (!talk.gone) throw new Violation(`client ${talk.id} is there, and loses what it has open`);
  apply(judge.model, entry, talk.id, { outcome: "done" });
  if (judge.model.doubt !== undefined) commit(judge.model);
}

function restore(judge: Judge, entry: Entry, failure: Failure): void {
  const { queue, number, outcome } = entry;
  const at = judge.owed.findIndex((owed) => owed.queue === queue && owed.message.number === number);
  const owed = judge.owed[at];
  if (owed === undefined)
    throw new Violation(`number ${number} of ${queue} comes back, and was delivered`);
  if (outcome === "failed") {
    const { reads } = judge.faults;
    const isRead = reads.includes(entry.error);
    if (judge.model.doubt === undefined && !isRead && failure?.reason !== entry.error) {
      throw new Violation(`restore: ${entry.error}`);
    }
    if (failure !== undefined && !isRead) putBack(judge.model, owed.serial, queue, owed.message);
    return;
  }
  if (outcome !== "done") throw new Violation(`a restore is ${outcome}`);
  judge.owed.splice(at, 1);
  putBack(judge.model, owed.serial, queue, owed.message);
}

/** It was not executed: its client is gone, or its request had failed before it. */
function skip(talk: Talk, { request, last, kind }: Entry): void {
  if (talk.gone) return;
  if (talk.failed !== request)
    throw new Violation(`client ${talk.id}: ${kind} is skipped for no reason`);
  if (last) talk.failed = undefined;
}

function postpone(talk: Talk, { request, last }: Entry): void {
  if (talk.failed === request) {
    if (last) talk.failed = undefined;
    return;
  }
  const [asked] = talk.asks;
  if (asked !== undefined) asked.again = true;
}

/**
 * Does in the model what the operation did. @throws Violation when its outcome is not right
 * @param own what it came to before the commit of its group failed
 */
function execute(
  judge: Judge,
  talk: Talk,
  entry: Entry,
  own: Own | undefined,
  body: Body | undefined,
): Told {
  const { model, faults } = judge;
  const { kind } = entry;
  if (model.doubt !== undefined) return refuse(judge, talk, entry);
  const { outcome, error } = own ?? entry;
  const isTaking = kind === "take" || kind === "open" || kind === "peek";
  if (isTaking && outcome === "done") bring(model, entry.queue, entry.number);
  const told = expect(model, entry, talk.id);
  if (outcome === "failed") {
    if (error.startsWith("the database is damaged")) noteDamage(judge, entry, error);
    else if (!mayFail(judge, entry, error) && !faults.reads.includes(error)) {
      throw new Violation(`client ${talk.id}: ${kind} ${entry.queue} failed: ${error}`);
    }
    return { outcome };
  }
  if (kind === "flush all" || kind === "list" || kind === "survey") {
    for (const summary of entry.summaries ?? []) compareSummary(judge, summary);
    if (kind === "flush all") flushAll(judge);
    return { outcome };
  }
  compare(judge, talk, entry, outcome, told);
  if (outcome === "done") apply(model, entry, talk.id, told, body);
  return told;
}

/** What is stored is what the client sent. */
function checkBody(talk: Talk, asked: Asked | undefined, { queue, body, start, end }: Entry): void {
  if (asked?.body !== undefined && isBody(asked.body, body, start, end)) return;
  throw new Violation(`client ${talk.id}: put ${queue} stores another body than was sent`);
}

function mayFail({ faults, model, epoch }: Judge, { kind, queue }: Entry, error: string): boolean {
  if (kind === "checkpoint" || kind === "archive") return faults.checkpoints.includes(error);
  if (kind === "put") return error === "too many queues" && !model.queues.has(queue);
  if (kind !== "list" && kind !== "flush all") return false;
  return error === "the queues were read anew meanwhile" && epoch > 0;
}

function flushAll({ model }: Judge): void {
  for (const name of model.queues.keys()) flush(model, name);
}

function compare(
  judge: Judge,
  talk: Talk,
  entry: Entry,
  outcome: Entry["outcome"],
  told: Told,
): void {
  const { model } = judge;
  const { kind, queue: name, room } = entry;
  const queue = model.queues.get(name);
  const isTaking = kind === "take" || kind === "open" || kind === "peek";
  if (outcome === "too large" && room !== undefined && told.outcome === "done") return;
  if (kind === "peek" && told.message?.lost === true) {
    const readable = queue?.available.find(
      ({ number }) => outcome === "done" && number === entry.number,
    );
    const others = queue?.available.filter(({ number }) => number < (readable?.number ?? Infinity));
    if (others?.some(({ lost }) => !lost) === true)
      throw new Violation(`peek of ${name}: not the oldest`);
    if (readable !== undefined) compareMessage(entry, readable);
    return;
  }
  if (outcome !== told.outcome) {
    const holds = queue === undefined ? "does not exist" : `has ${queue.available.length} messages`;
    throw new Violation(
      `client ${talk.id}: ${kind} ${name} is ${outcome}, must be ${told.outcome}: the queue ${holds}`,
    );
  }
  if (isTaking && outcome === "done" && told.message !== undefined)
    compareMessage(entry, told.message);
  if (kind === "put" && outcome === "done" && entry.number !== (queue?.sets ?? 0) + 1) {
    throw new Violation(`put ${name} has number ${entry.number}, after ${queue?.sets ?? 0} sets`);
  }
  if (kind === "details" && queue !== undefined && entry.details !== undefined) {
    compareSummary(judge, entry.details);
  }
}

/** @throws Violation when the counters of the queue are not right */
export function compareSummary({ model }: Judge, summary: QueueSummary): void {
  const { name, messages, bytes, open, sets, gets } = summary;
  const queue = model.queues.get(name);
  if (queue === undefined) throw new Violation(`queue ${name} is there`);
  const there = count(queue);
  const told = [messages, open, sets, gets, queue.damaged ? 0 : bytes];
  const right = [there, queue.open.size, queue.sets, queue.sets - there];
  right.push(queue.damaged ? 0 : queue.bytes);
  if (told.join() !== right.join()) throw new Violation(`${name} has ${told}, must have ${right}`);
}

/** It is not known what is in the file: nothing is done, but what was open and is closed or put back is available. */
function refuse({ model }: Judge, talk: Talk, entry: Entry): Told {
  const { kind, outcome, error, queue } = entry;
  const reason = model.doubt?.reason ?? "";
  if (kind === "none") return { outcome };
  if (outcome !== "failed" || error !== reason) {
    throw new Violation(
      `client ${talk.id}: ${kind} ${queue} is ${outcome} ${error}, must be ${reason}`,
    );
  }
  if (kind === "close" || kind === "abort") {
    settle(model, queue, talk.id, false);
    commit(model);
  }
  return { outcome };
}

/** The client was told of messages that were lost: they were, and came first. */
function noteDamage(judge: Judge, { kind, queue: name }: Entry, error: string): void {
  const { model } = judge;
  const [first = 0, last = first] = [...error.matchAll(/\d+/g)].map(Number);
  for (let number = first; number <= last; number++) bring(model, name, number);
  const available = model.queues.get(name)?.available ?? [];
  const lost = available.filter(({ number }) => number <= last);
  if (kind === "peek" || lost[0]?.number !== first || lost.some((message) => !message.lost)) {
    throw new Violation(`${kind} ${name}: ${error}`);
  }
  judge.lost += lost.length;
  lose(model, name, last);
}

/** The commit of the group failed, and this was answered nevertheless: it saw and changed nothing of the group. */
function checkUnchanged({ model, talks }: Judge, entry: Entry, told: Told): void {
  const { kind, queue, outcome, session } = entry;
  const isChange =
    outcome === "done" && !["check", "details", "list", "survey", "release"].includes(kind);
  const before = expectBefore(model, entry, talks.get(session)?.id ?? -1);
  const isSame =
    kind === "put" || kind === "list" || kind === "survey" || before.outcome === told.outcome;
  if (isSame && !isChange) return;
  throw new Violation(`${kind} ${queue} was answered ${outcome}, and its commit failed`);
}
