/** Operations that failed: whether that may be, and what it means. */
import type { Entry } from "../../src/engine/engine.ts";
import { abandonOpen } from "./holding.ts";
import { bring, lose, type Told } from "./model.ts";
import type { Judge } from "./state.ts";
import type { Talk } from "./talk.ts";
import { commit } from "./undo.ts";
import { Violation } from "./violation.ts";

export function checkFailure(judge: Judge, talk: Talk, entry: Entry, error: string): void {
  if (mayFail(judge, entry, error) || judge.faults.reads.includes(error)) return;
  throw new Violation(`client ${talk.id}: ${entry.kind} ${entry.queue} failed: ${error}`);
}

function mayFail({ faults, model, epoch }: Judge, { kind, queue }: Entry, error: string): boolean {
  if (kind === "checkpoint" || kind === "archive") return faults.checkpoints.includes(error);
  if (kind === "put") return error === "too many queues" && !model.queues.has(queue);
  if (kind !== "list" && kind !== "flush all") return false;
  return error === "the queues were read anew meanwhile" && epoch > 0;
}

/** The client was told of messages that were lost: they were, and came first. */
export function noteDamage(judge: Judge, { kind, queue: name }: Entry, error: string): void {
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

/** It is not known what is in the file: nothing is done, but what was open and is closed or put back is available. */
export function refuse({ model }: Judge, talk: Talk, entry: Entry): Told {
  const { kind, outcome, error, queue } = entry;
  const reason = model.doubt?.reason ?? "";
  if (kind === "none") return { outcome };
  if (outcome !== "failed" || error !== reason) {
    throw new Violation(
      `client ${talk.id}: ${kind} ${queue} is ${outcome} ${error}, must be ${reason}`,
    );
  }
  if (kind === "close" || kind === "abort" || kind === "bury") {
    abandonOpen(model, queue, talk.id);
    commit(model);
  }
  return { outcome };
}
