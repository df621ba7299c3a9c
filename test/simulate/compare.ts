/** Whether an operation told what it must, and whether counters are right. */
import type { Entry } from "../../src/engine/engine.ts";
import type { QueueSummary } from "../../src/queues/summary.ts";
import { countCertain, isDoubtful } from "./doubt.ts";
import { compareMessage, type Told } from "./model.ts";
import { count } from "./queue.ts";
import type { Judge } from "./state.ts";
import { TAKING, type Talk } from "./talk.ts";
import { Violation } from "./violation.ts";

export function compare(
  judge: Judge,
  talk: Talk,
  entry: Entry,
  outcome: Entry["outcome"],
  told: Told,
): void {
  const { model } = judge;
  const { kind, queue: name, room } = entry;
  const queue = model.queues.get(name);
  const isTaking = TAKING.has(kind);
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
  if (outcome !== told.outcome && outcome !== told.or) {
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
export function compareSummary({ model, epoch }: Judge, summary: QueueSummary): void {
  const { name, messages, bytes, open, leased, sets, gets, delayed } = summary;
  const queue = model.queues.get(name);
  if (queue === undefined) throw new Violation(`queue ${name} is there`);
  const isVague = isDoubtful(queue);
  const isIn = messages >= countCertain(queue) && messages <= count(queue);
  const there = isVague && isIn ? messages : count(queue);
  const isCounted = !queue.damaged && !isVague;
  const told = [messages, open, leased, sets, gets, isCounted ? bytes : 0];
  const right = [there, queue.open.size, queue.leased.size, queue.sets, queue.sets - there];
  right.push(isCounted ? queue.bytes : 0);
  if (told.join() !== right.join()) throw new Violation(`${name} has ${told}, must have ${right}`);
  const waiting = queue.delayed.filter(({ due }) => (due?.first ?? 0) > model.time.last);
  const least = waiting.filter(({ doubtful }) => !doubtful).length;
  if (delayed < least || delayed > queue.delayed.length) {
    throw new Violation(`${delayed} of ${name} wait, must be ${least}..${queue.delayed.length}`);
  }
  // What a group had counted that was in doubt is not counted, also when it happened.
  if (epoch > 0) return;
  const { dropped, duplicates, redelivered, dead, missed } = summary;
  const isKnown = !Number.isNaN(queue.tally.dropped);
  const toldTally = { dropped: isKnown ? dropped : NaN, duplicates, redelivered, dead, missed };
  const tally = Object.values(toldTally).join();
  const counted = Object.values(queue.tally).join();
  if (tally !== counted) throw new Violation(`${name} counts ${tally}, must be ${counted}`);
}
