import { StoreError } from "../../store/store.ts";
import { logInternal } from "../../util/log.ts";
import type { Operation } from "../operation.ts";
import { BUDGET_BYTES, BUDGET_MS } from "./budget.ts";
import { finishGroup } from "./commit.ts";
import { failMistaken } from "./failed_commit.ts";
import { fail } from "./find.ts";
import { abortAll, abortOpen } from "./held.ts";
import { executeKind } from "./operations.ts";
import type { LocalConsumer } from "./queue.ts";
import { isKnown } from "./recovery.ts";
import type { Local } from "./state.ts";

/** The clock is read after so many operations, and after each that did more than look into memory. */
const CLOCK_EVERY = 32;

/**
 * Executes operations from number `from` up to `to`, as far as the budget goes, and commits them.
 * @returns how many were executed
 */
export function executeGroup(
  local: Local,
  operations: readonly Operation[],
  from: number,
  to: number,
): number {
  let end = to;
  try {
    end = executeWithinBudget(local, operations, from, to);
    finishGroup(local, operations, from, end);
  } catch (cause) {
    logInternal(cause);
    failMistaken(local, operations, from, end);
  }
  return end - from;
}

/** @returns the number of the first operation that was not executed */
function executeWithinBudget(
  local: Local,
  operations: readonly Operation[],
  from: number,
  to: number,
): number {
  const { changes, clock } = local;
  changes.bytes = 0;
  changes.costly = 0;
  changes.crowdedOut = 0;
  if (from === 0 && changes.passedOver.size > 0) changes.passedOver.clear();
  const known = isKnown(local);
  const deadline = clock.monotonic() + BUDGET_MS;
  let at = from;
  let costly = 0;
  while (at < to) {
    const operation = operations[at] as Operation;
    if (operation.chained && isSkipped(operation, operations[at - 1]))
      operation.outcome = "skipped";
    at++;
    if (known) executeOne(local, operation);
    else refuse(local, operation);
    if (changes.bytes >= BUDGET_BYTES) break;
    if (changes.costly > costly || (at - from) % CLOCK_EVERY === 0) {
      costly = changes.costly;
      if (clock.monotonic() >= deadline) break;
    }
  }
  return at;
}

/** Whether an operation is skipped because of the one before it in the same request. */
function isSkipped({ alternative }: Operation, before: Operation | undefined): boolean {
  switch (before?.outcome) {
    case "failed":
    case "skipped":
    case "held":
    case "too large":
      return true;
    case "done":
      return alternative;
    default:
      return false;
  }
}

/**
 * Fails an operation, because it is unknown what is on disk: nothing is answered from memory, and nothing is changed.
 * But when a consumer is gone, its messages must not stay open for ever.
 */
function refuse(local: Local, operation: Operation): void {
  if (!isDue(operation)) return;
  operation.outcome = "done";
  const { kind } = operation;
  if (kind === "release") {
    abortAll(operation.consumer as LocalConsumer);
    return;
  }
  if (kind === "close" || kind === "abort" || kind === "bury") giveBack(local, operation);
  if (kind !== "none") fail(operation, local.failedSync?.reason ?? "");
}

/** As behind any close that failed, the message is available again, and its consumer may open another one. */
function giveBack({ queues }: Local, { queue: name, consumer }: Operation): void {
  const queue = queues.get(name);
  if (queue !== undefined) abortOpen(queue, consumer as LocalConsumer);
}

/** Whether the operation is executed now: it may be withdrawn, or its session may have taken enough. */
function isDue(operation: Operation): boolean {
  const { kind, outcome, session } = operation;
  operation.provisional = false;
  if (outcome !== "pending") return false;
  if (!session.postponed || kind === "release" || kind === "restore") return true;
  operation.outcome = "postponed";
  return false;
}

export function executeOne(local: Local, operation: Operation): void {
  if (!isDue(operation)) return;
  try {
    operation.outcome = "done";
    executeKind(local, operation);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    fail(operation, error.message);
  }
}
