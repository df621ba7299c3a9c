import { parentOf } from "../child.ts";
import type { Consumer, Operation, Taker } from "../operation.ts";
import type { ReplyRoom } from "../room.ts";
import { BUDGET_BYTES, MAX_SEGMENT, MAX_SINGLES } from "./budget.ts";
import { singleOf } from "./describe.ts";
import { isAlone, knownOutcome, QUEUELESS } from "./known.ts";
import { addStep, type Making, newPlan, type Plan, pushSingle, useQueue } from "./plan.ts";
import { DELIVERING } from "./single.ts";
import { settingsFor, type Shared } from "./state.ts";

/*
 * A group becomes a plan: the steps of one turn. Plain sets and gets that stand beside each other are put together, since a
 * step costs PostgreSQL about the same for one message as for many:
 *
 *     set a, set b, get a, set a, get a    ->    add 2 messages to a, add 1 to b, take 2 of a
 *
 * Operations of different clients that are on their way together have no order between them. Those of one client keep theirs:
 * a set does not go before a get of the same client, and its gets are of one queue.
 */

/** What is put together until another operation comes. */
interface Batch {
  puts: Map<number, Operation[]>;
  takes: Map<number, Operation[]>;
  /** The queue that each session takes from. */
  takers: Map<Taker, number>;
  /** The operation that was added last. */
  last: Operation | undefined;
}

/** Plans operations from number `from` on, up to `to` at most. */
export function planOf(
  making: Making,
  operations: readonly Operation[],
  from: number,
  to: number,
): Plan {
  const plan = newPlan();
  const batch: Batch = { puts: new Map(), takes: new Map(), takers: new Map(), last: undefined };
  const takers = new Set<Taker>();
  const openers = new Set<Consumer | undefined>();
  const rooms = new Set<ReplyRoom>();
  let at = from;
  while (at < to && plan.bytes < BUDGET_BYTES && plan.singles.length < MAX_SINGLES) {
    const operation = operations[at] as Operation;
    const before = operations[at - 1];
    const next = at + 1 < to ? operations[at + 1] : undefined;
    if (isAlone(operation, openers) && at > from) break;
    // What the one before it has left of the room of their reply is known behind its turn.
    if (operation.room !== undefined && rooms.has(operation.room)) break;
    at++;
    const outcome = knownOutcome(making, plan, operation, before, at - 1 > from);
    if (outcome !== undefined) {
      plan.outcomes.set(operation, outcome);
      continue;
    }
    if (operation.outcome !== "pending") continue;
    if (DELIVERING.has(operation.kind)) takers.add(operation.session);
    if (operation.room !== undefined) rooms.add(operation.room);
    if (isPlain(making, operation, before, next, batch, plan))
      addToBatch(making, plan, batch, operation);
    else {
      closeBatch(making, plan, batch);
      addSingle(making, plan, operation, before, at - 1 > from);
    }
    if (operation.kind === "open") openers.add(operation.consumer);
    if (isAlone(operation, openers) || operation.kind === "delete") break;
  }
  closeBatch(making, plan, batch);
  const { limits } = making.shared.options;
  if (making.careful && limits.bytes !== Infinity) {
    (plan.rules ??= {})["all"] = { left: Math.floor(limits.bytes - making.shared.usage.bytes) };
  }
  plan.end = at;
  plan.most = MAX_TAKEN_EACH * Math.min(4, Math.max(1, takers.size));
  return plan;
}

/** Bytes that are taken in a turn, for each of up to four sessions. */
const MAX_TAKEN_EACH = 256 * 1024;

/** Whether the operation can be put together with others. @param batch has the one before it last, where that can, too */
function isPlain(
  making: Making,
  operation: Operation,
  before: Operation | undefined,
  next: Operation | undefined,
  { last }: Batch,
  { outcomes }: Plan,
): boolean {
  const { kind, chained, alternative, room } = operation;
  // What follows depends on its outcome.
  if (alternative || room !== undefined || (next?.chained === true && next.alternative))
    return false;
  const isFree = !chained || before === undefined || before === last || outcomes.has(before);
  if (!isFree && before.outcome === "pending") return false;
  if (!making.ids.has(operation.queue)) return false;
  return kind === "take" || (kind === "put" && isPlainPut(making, operation));
}

function isPlainPut({ shared, careful }: Making, operation: Operation): boolean {
  const { queue, delay, id, source, broughtDeliveries } = operation;
  if (delay > 0 || id !== "" || source !== "" || broughtDeliveries > 0) return false;
  const { copyTo, maxMessages, maxBytes } = settingsFor(shared, queue);
  if (copyTo.length > 0 || (shared.options.fanout && parentOf(queue) === undefined)) return false;
  if (!careful) return true;
  return (
    maxMessages === Infinity && maxBytes === Infinity && shared.options.limits.bytes === Infinity
  );
}

function addToBatch(making: Making, plan: Plan, batch: Batch, operation: Operation): void {
  const { kind, session } = operation;
  batch.last = operation;
  const queue = making.ids.get(operation.queue) as number;
  const taken = batch.takers.get(session);
  const keepsOrder = taken === undefined || (kind === "take" && taken === queue);
  if (!keepsOrder) closeBatch(making, plan, batch);
  const list = kind === "put" ? batch.puts : batch.takes;
  if (kind === "put") plan.bytes += operation.end - operation.start;
  else batch.takers.set(session, queue);
  const others = list.get(queue);
  if (others === undefined) list.set(queue, [operation]);
  else others.push(operation);
}

/** Sets first: they are never cut short. */
function closeBatch({ shared }: Making, plan: Plan, { puts, takes, takers }: Batch): void {
  for (const [queue, operations] of puts) addSegments(shared, plan, queue, operations);
  for (const [queue, operations] of takes) {
    addStep(plan, { kind: "take", queue, operations }, 2, operations.length);
    useQueue(shared, plan, queue);
  }
  puts.clear();
  takes.clear();
  takers.clear();
}

/** Messages that expire at the same time are one segment. */
function addSegments(shared: Shared, plan: Plan, queue: number, operations: Operation[]): void {
  useQueue(shared, plan, queue);
  const { readsExptime } = settingsFor(shared, (operations[0] as Operation).queue);
  const expiresOf = ({ expires }: Operation) => (readsExptime ? Math.floor(expires) : 0);
  for (let from = 0; from < operations.length;) {
    const expires = expiresOf(operations[from] as Operation);
    let to = from;
    let bytes = 0;
    for (; to < operations.length; to++) {
      const { body, start, end, flags } = operations[to] as Operation;
      if (
        to > from &&
        (bytes + end - start > MAX_SEGMENT || expiresOf(operations[to] as Operation) !== expires)
      )
        break;
      bytes += end - start;
      plan.bodies.push(body.subarray(start, end));
      plan.ends.push(bytes);
      plan.flags.push(flags | 0);
    }
    addStep(
      plan,
      { kind: "add", queue, operations: operations.slice(from, to) },
      1,
      to - from,
      expires,
    );
    from = to;
  }
}

function addSingle(
  making: Making,
  plan: Plan,
  operation: Operation,
  before: Operation | undefined,
  isPlanned: boolean,
): void {
  const { shared, ids } = making;
  const { kind, queue, source, target, chained, alternative, body, start, end } = operation;
  const id = QUEUELESS.has(kind) ? null : (ids.get(queue) ?? null);
  const sourceId = source === "" ? null : (ids.get(source) ?? null);
  const single = singleOf(shared, operation, id, sourceId);
  if (kind === "survey" || kind === "list") Object.assign(single, listing(operation));
  if (chained && isPlanned && before !== undefined && !plan.outcomes.has(before)) {
    single["chained"] = true;
    if (alternative) single["alternative"] = true;
  }
  if (kind === "put" || kind === "restore") {
    single["length"] = end - start;
    plan.bytes += end - start;
  }
  pushSingle(
    plan,
    single,
    operation,
    body.subarray(start, kind === "put" || kind === "restore" ? end : start),
  );
  if (id !== null) useQueue(shared, plan, id);
  for (const name of [source, target, ...relatedTo(shared, operation)]) {
    const other = ids.get(name);
    if (other !== undefined) useQueue(shared, plan, other);
  }
}

const NONE: readonly string[] = Object.freeze([]);

/** Queues that the operation may move or copy messages to, by the settings of its queue. */
export function relatedTo(shared: Shared, { kind, queue, source }: Operation): readonly string[] {
  const { copyTo, expireTo, dead, deliveries } = settingsFor(shared, queue);
  const isPlain = (kind === "put" || kind === "take") && deliveries === Infinity;
  if (isPlain && expireTo === "" && copyTo.length === 0 && source === "") return NONE;
  const names = [expireTo, dead === "" ? `${queue}.dead` : dead];
  if (source !== "") names.push(`${source}.dead`);
  return kind === "put" ? [...names, ...copyTo] : names;
}

/** How a list goes on. */
function listing({ kind, cursor, most }: Operation): Record<string, number | boolean | string> {
  const after = (cursor as { after: number } | undefined)?.after ?? 0;
  const isFirst = cursor === undefined && kind === "survey";
  return {
    k: "list",
    after,
    most: LIST_PART,
    ...(isFirst ? { totals: true } : {}),
    ...(most < 0 ? { most: 0 } : {}),
  };
}

/** Queues in a part of a list. */
const LIST_PART = 500;
