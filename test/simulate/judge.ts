/** Judges each group that was executed, before it is answered: whether the contract allows its outcomes, and what it promises. */
import type { Entry } from "../../src/engine/engine.ts";
import type { Operation } from "../../src/queues/operation.ts";
import { isBody } from "./body.ts";
import { compare, compareSummary } from "./compare.ts";
import { learn, settleDoubts } from "./doubt.ts";
import { bringDue, endLeases, sharpenLeases } from "./due.ts";
import { checkFailure, noteDamage, refuse } from "./failures.ts";
import type { Event, Own } from "./faults.ts";
import { abandonOpen, NUMBERS } from "./holding.ts";
import { apply, bring, expect, expectBefore, putBack, type Told } from "./model.ts";
import { doubtDropped, flushPart, movePart } from "./parts.ts";
import type { Judge } from "./state.ts";
import { countOne } from "./statistics.ts";
import { type Asked, attend, isRefused, TAKING, type Talk } from "./talk.ts";
import { commit, doubt, recover, rollBack } from "./undo.ts";
import { answer, skipOther } from "./verdict.ts";
import { Violation } from "./violation.ts";

/** Why the commit of the group failed, if it did. */
type Failure = Extract<Event, { what: "failed" | "in doubt" }> | undefined;

/** So many groups may be executed while a request waits for its turn, and one more for each other client. */
const MAX_PASSED_BY = 4;

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
  const leased = new Set<string>();
  judge.lost = 0;
  if (from === 0 && executed > 0) judge.passedOver.clear();
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
    if (entry.kind === "lease" || entry.kind === "extend") leased.add(entry.queue);
  }
  for (const [entry, told] of unchanged) checkUnchanged(judge, entry, told);
  if (failure === undefined) {
    commit(model);
    countOne(judge.counters, "lost_messages", judge.lost);
    if (model.doubt === undefined) sharpenLeases(judge, leased);
  } else if (failure.what === "failed") {
    rollBack(model);
  } else {
    doubt(model, failure.reason, failure.kept);
  }
  noteEvents(judge, after);
  if (judge.isPrompt) checkWaits(judge);
  if (model.hasDoubtful && model.doubt === undefined) settleDoubts(model, judge.look.numbers);
  faults.reads.length = 0;
  faults.checkpoints.length = 0;
}

/** Nobody waits for others longer than for some groups. */
function checkWaits({ talks }: Judge): void {
  for (const { asks, arrived, gone, reads, wait, id } of talks.values()) {
    const [asked] = asks;
    if (asked === undefined || asked.end > arrived || gone || !reads || wait !== undefined)
      continue;
    if (asked.steps !== undefined) continue;
    if (++asked.passedBy > MAX_PASSED_BY + talks.size) {
      throw new Violation(`client ${id} waits, and ${asked.passedBy} groups were executed`);
    }
  }
}

/** The queues did what was due, since a moment on the monotonic clock. */
export function judgeDue(judge: Judge, since: number): void {
  const { model, faults, look } = judge;
  model.time = { first: since, last: judge.now(), calendar: judge.calendar() };
  const { before, failure, after } = splitEvents(faults.events.splice(0));
  faults.own = undefined;
  noteEvents(judge, before);
  if (failure !== undefined) judge.hinderedAt = judge.now();
  if (failure?.what === "in doubt") doubt(model, failure.reason, failure.kept);
  noteEvents(judge, after);
  if (model.doubt !== undefined) return;
  endLeases(judge, (name) => new Set(look.leases(name).keys()));
  bringDue(judge);
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
      const { time } = model;
      // Leases may have ended in the commit that was in doubt.
      model.time = { ...time, first: Math.min(time.first, model.doubt?.since ?? Infinity) };
      recover(model);
      judge.hinderedAt = judge.now();
      judge.epoch++;
      endLeases(judge, (name) => event.leased.get(name) ?? new Set());
      model.time = time;
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
  if (kind === "none" && talk.gone && !isRefused(entry)) return undefined;
  if (outcome === "skipped") return void skip(judge, talk, entry);
  if (own?.outcome === "postponed" || outcome === "postponed") doubtDropped(judge, entry);
  if (outcome === "postponed") return void postpone(talk, entry);
  const isAfterFailure = talk.failed === entry.request;
  const asked = isAfterFailure ? undefined : attend(talk, entry);
  if (entry.kind === "put") checkBody(talk, asked, entry);
  const told = execute(judge, talk, entry, own, asked);
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
  const { model } = judge;
  // Where nothing can be written, nothing is counted.
  apply(model, { ...entry, inVain: entry.inVain && model.doubt === undefined }, talk.id, "done");
  if (model.doubt !== undefined) commit(model);
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
function skip(judge: Judge, talk: Talk, entry: Entry): void {
  const { request, last } = entry;
  if (talk.gone) return;
  if (talk.failed !== request) return skipOther(judge, talk, entry);
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
  asked: Asked | undefined,
): Told {
  const { model } = judge;
  const { kind } = entry;
  if (model.doubt !== undefined) return refuse(judge, talk, entry);
  const { outcome, error } = own ?? entry;
  if (outcome === "absent" && isPassedOver(judge, entry)) return { outcome };
  const isUsual = TAKING.has(kind) && entry.scope === "available";
  if (isUsual && outcome === "done") {
    bring(model, entry.queue, entry.number);
    learn(model, entry.queue, entry.number % NUMBERS);
  } else if (isUsual && outcome === "absent") {
    learn(model, entry.queue, 0);
  }
  if (kind === "flush" || kind === "flush all") return flushPart(judge, talk, entry, own, asked);
  if (kind === "move all") return movePart(judge, talk, entry, own, asked);
  const told = expect(model, entry, talk.id);
  if (outcome === "postponed") return { outcome };
  if (outcome === "failed") {
    if (error.startsWith("the database is damaged")) noteDamage(judge, entry, error);
    else if (error !== told.error) checkFailure(judge, talk, entry, error);
    // That it was delivered is not counted then.
    if (kind === "abort") abandonOpen(model, entry.queue, talk.id);
    return { outcome };
  }
  if (kind === "list" || kind === "survey") {
    for (const summary of entry.summaries ?? []) compareSummary(judge, summary);
    return { outcome };
  }
  compare(judge, talk, entry, outcome, told);
  apply(model, entry, talk.id, outcome, asked?.body);
  return { ...told, outcome };
}

/** Whether an earlier offer to a client that waits for the queue, too, had come to nothing. */
function isPassedOver({ passedOver }: Judge, { queue, offered }: Entry): boolean {
  const isBehind = offered !== undefined && passedOver.has(queue);
  for (const name of offered ?? []) passedOver.add(name);
  return isBehind;
}

/** What is stored is what the client sent. */
function checkBody(talk: Talk, asked: Asked | undefined, { queue, body, start, end }: Entry): void {
  if (asked?.body !== undefined && isBody(asked.body, body, start, end)) return;
  throw new Violation(`client ${talk.id}: put ${queue} stores another body than was sent`);
}

/** The commit of the group failed, and this was answered nevertheless: it saw and changed nothing of the group. */
function checkUnchanged({ model, talks }: Judge, entry: Entry, told: Told): void {
  const { kind, queue, outcome, session } = entry;
  const isChange =
    outcome === "done" &&
    told.outcome !== "absent" &&
    !["check", "details", "list", "survey", "release"].includes(kind);
  const before = expectBefore(model, entry, talks.get(session)?.id ?? -1);
  // An offer that came to nothing is not answered, unless its client's time is over: it waits on.
  const waitsOn = entry.offered !== undefined && session.wait?.expired !== true;
  const isUnanswered = waitsOn && told.outcome === "absent";
  const isSame =
    isUnanswered ||
    ["put", "list", "survey", "move all"].includes(kind) ||
    before.outcome === told.outcome;
  if (isSame && !isChange) return;
  throw new Violation(`${kind} ${queue} was answered ${outcome}, and its commit failed`);
}
