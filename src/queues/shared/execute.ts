import { logInternal } from "../../util/log.ts";
import type { Operation } from "../operation.ts";
import type { SharedConsumer } from "./consumer.ts";
import { plainReason } from "./errors.ts";
import { executeAlone } from "./every_queue.ts";
import { AwayError, PlanError } from "./grace.ts";
import { LISTING, lookUp } from "./lookup.ts";
import { applyRows } from "./outcomes.ts";
import { useQueue } from "./plan.ts";
import { inTurn, runPlanned } from "./planned.ts";
import { planOf } from "./planning.ts";
import { settle } from "./settle.ts";
import type { Shared } from "./state.ts";
import { waitForAbsent } from "./wake.ts";

/** See {@link Backend.execute}. */
export async function executeGroup(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
): Promise<number> {
  const { clock } = shared.options;
  const begun = clock.monotonic();
  if (isIdle(operations, from, to)) return answerIdle(operations, from, to);
  const deadline = begun + shared.options.graceMs;
  try {
    const end = await inTurn(shared, () => executeSome(shared, operations, from, to, deadline));
    shared.watcher.committed(clock.monotonic() - begun);
    waitForAbsent(shared, operations, from, end);
    return end - from;
  } catch (error) {
    failAll(shared, operations, from, to, error);
    return to - from;
  }
}

/** A group that needs no PostgreSQL is answered also while that is away. */
function isIdle(operations: readonly Operation[], from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const { kind, outcome } = operations[at] as Operation;
    if (kind !== "none" && outcome === "pending") return false;
  }
  return true;
}

function answerIdle(operations: readonly Operation[], from: number, to: number): number {
  for (let at = from; at < to; at++) {
    const operation = operations[at] as Operation;
    if (operation.outcome === "pending")
      operation.outcome = operation.session.postponed ? "postponed" : "done";
  }
  return to - from;
}

async function executeSome(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
  deadline: number,
): Promise<number> {
  await settle(shared, deadline);
  const first = operations[from] as Operation;
  const alone = await executeAlone(shared, first, deadline);
  if (alone) return from + 1;
  // Names that turned out to be needed: queues of dead letters, of expired messages, of returned ones.
  const needed = new Set<string>();
  let careful = isNearLimit(shared, operations, from, to);
  let end = to;
  const done = await runPlanned(shared, deadline, async (failure) => {
    if (failure === "limit") careful = true;
    else if (failure !== undefined && end > from + 1 && isUsed(operations, from, end, failure)) {
      // Operations in front of the one that makes this queue are not to see it.
      end = from + 1;
    } else if (failure !== undefined) needed.add(failure);
    const found = await lookUp(shared, operations, from, end, needed, deadline);
    const plan = planOf({ shared, careful, ...found }, operations, from, found.end);
    for (const name of needed) useQueue(shared, plan, found.ids.get(name) as number);
    return plan;
  });
  return applyRows(shared, done.plan, done.rows, operations, from);
}

function isUsed(operations: readonly Operation[], from: number, to: number, name: string): boolean {
  return operations.slice(from, to).some(({ kind, queue }) => queue === name || LISTING.has(kind));
}

/** Whether the limit of all queues may be reached by these operations: then messages are added one by one. */
function isNearLimit(
  { options, usage }: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
): boolean {
  const { bytes } = options.limits;
  if (bytes === Infinity) return false;
  let sum = usage.bytes;
  for (let at = from; at < to; at++) {
    const { kind, start, end } = operations[at] as Operation;
    if (kind === "put") sum += (end - start) * COPIES;
  }
  return sum > bytes;
}

/** A message may be copied to so many queues. */
const COPIES = 64;

/** Nothing was executed, or it is unknown. What clients that are gone had open goes back later. */
function failAll(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
  error: unknown,
): void {
  const reason = reasonOf(error);
  shared.watcher.failed(reason);
  for (let at = from; at < to; at++) {
    const operation = operations[at] as Operation;
    if (operation.outcome === "skipped") continue;
    if (operation.kind === "none") {
      operation.outcome = "done";
      continue;
    }
    if (operation.kind === "release") keepForLater(shared, operation);
    operation.outcome = "failed";
    operation.error = reason;
  }
}

function keepForLater(shared: Shared, { consumer, inVain }: Operation): void {
  const { id, open } = consumer as SharedConsumer;
  for (const name of open.keys()) {
    const q = shared.names.ids.get(name);
    if (q !== undefined) shared.leftovers.push({ k: "release", q, c: id, inVain, absent: "done" });
  }
  open.clear();
}

function reasonOf(error: unknown): string {
  if (error instanceof AwayError) {
    const what = error.isSent ? "outcome unknown" : "nothing was stored";
    return `PostgreSQL is away (${error.message}): ${what}`;
  }
  if (error instanceof PlanError && error.failure.kind === "refused") return error.failure.reason;
  logInternal(error);
  return `internal error: ${plainReason(error)}`;
}
