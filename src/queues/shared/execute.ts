import { logInternal } from "../../util/log.ts";
import { parentOf } from "../child.ts";
import type { Operation } from "../operation.ts";
import type { SharedConsumer } from "./consumer.ts";
import { plainReason } from "./errors.ts";
import { executeAlone } from "./every_queue.ts";
import { findNames, makeNames } from "./find.ts";
import { AwayError, connected, PlanError } from "./grace.ts";
import { applyRows } from "./outcomes.ts";
import { planOf, relatedTo, useQueue } from "./plan.ts";
import { inTurn, runPlanned } from "./planned.ts";
import { settle } from "./settle.ts";
import { settingsFor, type Shared } from "./state.ts";
import { waitForAbsent } from "./wake.ts";

const MAX_CHILDREN = 64;

/** See {@link Backend.execute}. */
export async function executeGroup(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
): Promise<number> {
  const { clock } = shared.options;
  const begun = clock.monotonic();
  const idle = countIdle(operations, from, to);
  if (idle > 0) return idle;
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

/** Operations at the beginning that need no PostgreSQL are answered also while it is away. @returns how many */
function countIdle(operations: readonly Operation[], from: number, to: number): number {
  let at = from;
  for (; at < to; at++) {
    const { kind, outcome, chained, session } = operations[at] as Operation;
    if (kind !== "none" || outcome !== "pending" || chained || session.postponed) break;
    (operations[at] as Operation).outcome = "done";
  }
  return at - from;
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
  const errors = new Map<string, string>();
  const done = await runPlanned(shared, deadline, async (failure) => {
    if (failure === "limit") careful = true;
    else if (failure !== undefined) needed.add(failure);
    const ids = await findIds(shared, operations, from, to, needed, errors, deadline);
    const plan = planOf({ shared, ids, careful, errors }, operations, from, to);
    for (const name of needed) useQueue(shared, plan, ids.get(name) as number);
    return plan;
  });
  return applyRows(shared, done.plan, done.rows, operations, from);
}

/** The ids of the queues that the operations use; those that sets make are there then. */
async function findIds(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
  needed: ReadonlySet<string>,
  errors: Map<string, string>,
  deadline: number,
): Promise<Map<string, number>> {
  const wanted = new Set<string>();
  const made = new Set<string>(needed);
  const related = new Set<string>();
  for (let at = from; at < to; at++) {
    const operation = operations[at] as Operation;
    const { kind, queue, source, target, outcome } = operation;
    if (outcome !== "pending" || queue === "") continue;
    if (source !== "") wanted.add(source);
    if (target !== "") related.add(target);
    // A set that closes a message makes its queue only when that is still held.
    if (kind === "put" && source === "" && isStorable(shared, operation)) {
      made.add(queue);
      for (const name of settingsFor(shared, queue).copyTo) made.add(name);
    } else wanted.add(queue);
    for (const name of relatedTo(shared, operation)) related.add(name);
    if (TAKING.has(kind) && queue.includes("+")) {
      const error = await makeChild(shared, queue, deadline);
      if (error !== undefined) errors.set(queue, error);
    }
  }
  const ids = await makeNames(shared, made, deadline);
  for (const [name, id] of await findNames(shared, wanted, deadline)) ids.set(name, id);
  for (const name of related) {
    const id = shared.names.ids.get(name);
    if (id !== undefined) ids.set(name, id);
  }
  return ids;
}

const TAKING: ReadonlySet<string> = new Set(["take", "open", "lease", "move"]);

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

/** Whether the message fits into an empty queue: otherwise none is made for it. */
function isStorable(shared: Shared, { queue, start, end }: Operation): boolean {
  const { limits } = shared.options;
  const { maxBytes } = settingsFor(shared, queue);
  return end - start <= maxBytes && shared.usage.bytes + end - start <= limits.bytes;
}

/**
 * A client asks for a message of a queue that may be a child: it is made, and gets copies from now on.
 * @returns why it cannot be made
 */
async function makeChild(
  shared: Shared,
  name: string,
  deadline: number,
): Promise<string | undefined> {
  const parent = parentOf(name);
  if (parent === undefined || shared.names.ids.has(name)) return undefined;
  if (!shared.options.fanout) {
    if (!shared.isFanoutTold) {
      shared.options.warn(
        `a client gets from ${name}: without --fanout that is a queue like any other, and nothing that is set to ${parent} arrives there`,
      );
    }
    shared.isFanoutTold = true;
    return undefined;
  }
  const link = await connected(shared, deadline);
  const prefix = Buffer.from(`${parent}+`, "latin1");
  const end = Buffer.from(`${parent},`, "latin1");
  const [found] = await link.turns.unsafe<{ count: number }[]>(
    "select count(*)::int as count from memcacheq.queue where name > $1 and name < $2",
    [prefix, end],
  );
  const known = await findNames(shared, new Set([name]), deadline);
  if (known.size > 0) return undefined;
  if ((found?.count ?? 0) >= MAX_CHILDREN) return `${parent} has ${MAX_CHILDREN} children already`;
  await makeNames(shared, new Set([name]), deadline);
  return undefined;
}

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
    if (operation.kind === "none") operation.outcome = "done";
    if (operation.kind === "none") continue;
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
