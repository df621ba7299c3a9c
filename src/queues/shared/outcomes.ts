import type { Operation, Outcome, Taker } from "../operation.ts";
import { takesRoom } from "../room.ts";
import type { SharedConsumer } from "./consumer.ts";
import { nameOf } from "./names.ts";
import type { Plan, Step } from "./plan.ts";
import type { Single } from "./single.ts";
import type { Shared } from "./state.ts";
import { detailsOf, type Summary, summaryOf } from "./summary.ts";
import type { Row } from "./turn.ts";

/* What a turn brought becomes the outcomes of its operations. */

const NOTHING = Buffer.alloc(0);

/** @returns the number of the first operation that was not executed */
export function applyRows(
  shared: Shared,
  plan: Plan,
  rows: readonly Row[],
  operations: readonly Operation[],
  from: number,
): number {
  for (const [operation, outcome] of plan.outcomes) setOutcome(operation, outcome);
  const taken = new Map<Step, number>();
  let last: Row | undefined;
  for (const row of inOrder(rows)) {
    const step = plan.steps[row.step - 1];
    if (step === undefined) last = row;
    else if (step.kind === "add") applyAdded(step, row);
    else if (step.kind === "take") taken.set(step, applyTaken(step, row, taken.get(step) ?? 0));
    else
      applySingle(shared, step, row, plan.singles[plan.counts[row.step - 1] as number] as Single);
  }
  const cut = last?.number ?? 0;
  for (const [i, step] of plan.steps.entries()) {
    if (step.kind !== "take" || (cut > 0 && i + 1 > cut)) continue;
    const isCut = i + 1 === cut;
    for (const operation of step.operations.slice(taken.get(step) ?? 0)) {
      setOutcome(operation, isCut ? "postponed" : "absent");
    }
  }
  const end = cut === 0 ? plan.end : endOfCut(plan, cut, operations);
  if (cut > 0) keepOrder(plan, operations, from, end);
  return end;
}

/** Behind a postponed operation of a session all others of it are postponed: its replies keep their order. */
function keepOrder(
  { outcomes }: Plan,
  operations: readonly Operation[],
  from: number,
  end: number,
): void {
  const postponed = new Set<Taker>();
  for (let at = from; at < end; at++) {
    const operation = operations[at] as Operation;
    const { session, outcome } = operation;
    if (outcome === "postponed") postponed.add(session);
    else if (postponed.has(session) && outcomes.has(operation) && outcome !== "skipped") {
      operation.outcome = "postponed";
    }
  }
}

/** Rows that were kept come before those that are read again. */
function inOrder(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => a.step - b.step || (a.step > 0 ? a.number - b.number : 0));
}

/**
 * Step number `cut` was the last one. Takes of other queues that were put together with it, and what stands behind, are
 * not executed.
 */
function endOfCut(plan: Plan, cut: number, operations: readonly Operation[]): number {
  let end = cut;
  while (plan.steps[end - 1]?.kind === "take" && plan.steps[end]?.kind === "take") end++;
  for (const { operations: left } of plan.steps.slice(cut, end)) {
    for (const operation of left) setOutcome(operation, "postponed");
  }
  const later = new Set(plan.steps.slice(end).flatMap((step) => step.operations));
  const first = operations.findIndex((operation) => later.has(operation));
  if (first < 0) return plan.end;
  // What stands behind the first that is not executed has no outcome yet, although it was known.
  for (const operation of operations.slice(first + 1, plan.end)) {
    if (plan.outcomes.has(operation)) operation.outcome = "pending";
  }
  return first;
}

function setOutcome(operation: Operation, outcome: Outcome): void {
  operation.outcome = outcome;
  if (outcome === "postponed") operation.session.postponed = true;
}

function applyAdded({ operations }: Step, { number }: Row): void {
  for (const [i, operation] of operations.entries()) {
    operation.number = number + i;
    operation.provisional = true;
    operation.outcome = "done";
  }
}

/** @param from how many of the step's operations have their messages @returns the same behind this row */
function applyTaken({ operations, queue }: Step, row: Row, from: number): number {
  const { ends } = row;
  const first = ends?.[0] ?? 0;
  const count = (ends?.length ?? 1) - 1;
  for (let i = 0; i < count; i++) {
    const operation = operations[from + i] as Operation;
    setMessage(operation, row, queue, i);
    operation.start = (ends?.[i] as number) - first;
    operation.end = (ends?.[i + 1] as number) - first;
    operation.session.taken += operation.end - operation.start;
    operation.provisional = true;
    operation.outcome = "done";
  }
  return from + count;
}

function applySingle(shared: Shared, step: Step, row: Row, single: Single): void {
  const [operation] = step.operations;
  if (operation === undefined) return;
  const { kind } = operation;
  setOutcome(operation, (row.outcome ?? "done") as Outcome);
  operation.provisional = true;
  const { info } = row;
  if (operation.outcome === "failed") operation.error = String(info?.["error"]);
  if (row.body !== null && kind !== "put") applyMessage(operation, row, step.queue);
  if (kind === "put") operation.number = operation.outcome === "done" ? row.number : 0;
  if (kind === "expire") operation.number = Number(info?.["expired"] ?? 0);
  if (kind === "return") operation.target = nameOf(String(info?.["target"] ?? ""));
  if (kind === "list" || kind === "survey") applyListed(shared, operation, info, single);
  else if (operation.outcome === "more" || kind === "return all" || kind === "move all")
    operation.cursor = info ?? undefined;
  if (kind === "details" && operation.outcome === "done") {
    operation.details = detailsOf(shared, info as unknown as Summary);
  }
  noteOpen(shared, operation);
}

function applyMessage(operation: Operation, row: Row, queue: number): void {
  setMessage(operation, row, queue, 0);
  operation.session.taken += operation.end;
  takesRoom(operation, operation.flags, operation.end, operation.number);
}

/** The operation brought the message at this place of the row; its bytes are all of the body's, until they are cut out. */
function setMessage(operation: Operation, row: Row, queue: number, place: number): void {
  const { body, flags, number, info } = row;
  operation.body = body ?? NOTHING;
  operation.start = 0;
  operation.end = operation.body.length;
  operation.flags = (flags?.[place] ?? 0) >>> 0;
  operation.number = number + place;
  operation.queueId = queue;
  operation.deliveries = Number(info?.["deliveries"] ?? 0);
  operation.ttl = Number(info?.["ttl"] ?? -1);
  operation.dueIn = Number(info?.["dueIn"] ?? 0);
}

/** What the client has open. */
function noteOpen(shared: Shared, operation: Operation): void {
  const { kind, outcome, queue, number, source, sourceNumber } = operation;
  const consumer = operation.consumer as SharedConsumer | undefined;
  if (consumer === undefined) return;
  const { open } = consumer;
  if (kind === "open" && outcome === "done") open.set(queue, number);
  else if (ENDING.has(kind) && (outcome === "done" || outcome === "absent")) open.delete(queue);
  else if (kind === "put" && source !== "" && sourceNumber === 0 && CLOSED.has(outcome))
    open.delete(source);
  if (open.size > 0) shared.consumers.add(consumer);
  else shared.consumers.delete(consumer);
}

const ENDING: ReadonlySet<string> = new Set(["close", "abort", "bury", "pass"]);
const CLOSED: ReadonlySet<string> = new Set(["done", "repeated", "unheld"]);

interface Listed {
  queues: Summary[];
  totals: { queues: number; bytes: number; messages: number; sets: number } | null;
}

function applyListed(
  shared: Shared,
  operation: Operation,
  info: Row["info"],
  single: Single,
): void {
  const { queues, totals } = info as unknown as Listed;
  if (totals !== null) Object.assign(shared.usage, totals);
  const isFull = queues.length > 0 && queues.length === single["most"];
  if (isFull) operation.outcome = "more";
  operation.cursor = isFull ? { after: queues.at(-1)?.id } : undefined;
  const summaries = queues.map((queue) => summaryOf(shared, queue));
  if (operation.kind === "survey") {
    const isTooMany = totals !== null && totals.queues > operation.most;
    operation.summaries = isTooMany ? undefined : summaries;
    if (isTooMany) operation.outcome = "done";
    return;
  }
  operation.counts = {
    names: summaries.map(({ name }) => name),
    sets: summaries.map(({ sets }) => sets),
    gets: summaries.map(({ gets }) => gets),
  };
}
