import type { Consumer, Operation, Outcome } from "../operation.ts";
import { absentOutcome } from "./describe.ts";
import type { Making, Plan } from "./plan.ts";

/* What is known of operations without PostgreSQL. */

/** Operations on several queues have a turn of their own. @param openers clients that open messages in this turn */
export function isAlone(
  { kind, outcome, consumer }: Operation,
  openers: ReadonlySet<Consumer | undefined>,
): boolean {
  if (outcome !== "pending") return false;
  if (kind === "release") return (consumer?.open.size ?? 0) > 0 || openers.has(consumer);
  return kind === "flush all" || kind === "expire all";
}

/** The outcome where that can be told without PostgreSQL. */
export function knownOutcome(
  { ids, errors }: Making,
  { outcomes }: Plan,
  operation: Operation,
  before: Operation | undefined,
  isPlanned: boolean,
): Outcome | undefined {
  const { kind, session, outcome } = operation;
  if (operation.chained && before !== undefined) {
    const known = isPlanned ? outcomes.get(before) : before.outcome;
    if (known !== undefined && isSkipped(operation, known)) return "skipped";
    if (isPlanned && before.outcome === "skipped") return "skipped";
    // The turn decides.
    if (isPlanned && known === undefined && outcome === "pending" && !session.postponed)
      return undefined;
  }
  if (outcome !== "pending") return undefined;
  if (session.postponed && kind !== "release" && kind !== "restore") return "postponed";
  if (kind === "none" || kind === "checkpoint" || kind === "archive") return "done";
  if (kind === "clash") return "held";
  // One that has messages open is alone.
  if (kind === "release" && operation.consumer?.open.size === 0) return "done";
  if (QUEUELESS.has(kind) || ids.has(operation.queue)) return undefined;
  const error = errors.get(operation.queue);
  if (error !== undefined) {
    operation.error = error;
    return "failed";
  }
  if (kind === "put" && ids.has(operation.source)) return undefined;
  if (kind === "put") return operation.source === "" ? "full" : "unheld";
  // The record may tell what another operation brought.
  if (kind === "expire") operation.number = 0;
  return absentOutcome(kind);
}

/** Kinds whose operations name no queue, or need none. */
export const QUEUELESS: ReadonlySet<string> = new Set([
  "list",
  "survey",
  "release",
  "flush all",
  "expire all",
]);

/** Whether a chained operation is skipped when the one before it has this outcome. */
function isSkipped({ alternative }: Operation, before: Outcome): boolean {
  if (before === "done") return alternative;
  return before === "failed" || before === "skipped" || before === "held" || before === "too large";
}
