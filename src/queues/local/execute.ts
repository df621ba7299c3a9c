import { StoreError } from "../../store/store.ts";
import { MAX_TAKEN, type Operation } from "../operation.ts";
import { append } from "./append.ts";
import { dropAll, QUEUE_BYTES } from "./cache.ts";
import { finishGroup } from "./commit.ts";
import { skipLost } from "./damage.ts";
import {
  abandonOpen,
  abortOpen,
  closeOpen,
  countMessages,
  empty,
  keepOpen,
  putBack,
} from "./held.ts";
import {
  countAvailable,
  type LocalConsumer,
  newQueue,
  noteAdded,
  noteGone,
  type Queue,
} from "./queue.ts";
import { consumeHead, findReadable, peekHead } from "./reading.ts";
import { isKnown } from "./recovery.ts";
import { singleSegment } from "./segment.ts";
import { isChanged, type Local, touch } from "./state.ts";
import { detailsOf, summaryOf } from "./summary.ts";

/** How long a group is executed before it is committed, in milliseconds, and how many bytes it sets or takes. */
const BUDGET_MS = 2;
const BUDGET_BYTES = 1024 * 1024;
/** After so many operations the clock is looked at; after one that did more than look into memory it always is. */
const CLOCK_EVERY = 32;
/** What a queue in a list counts for beside its name, as if so many bytes were set. */
const ROW_BYTES = 32;
/** Queues that a part of a list has, or of a flush of all. */
const LIST_PART = 256;
/** The store keeps a message's number in 43 bits. */
const MAX_NUMBER = 2 ** 43 - 1;

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
  const { changes, clock } = local;
  const known = isKnown(local);
  const deadline = clock.monotonic() + BUDGET_MS;
  let at = from;
  let costly = 0;
  while (at < to) {
    const operation = operations[at] as Operation;
    if (operation.chained && isCut(operations[at - 1])) operation.outcome = "skipped";
    at++;
    if (known) executeOne(local, operation);
    else refuse(local, operation);
    if (changes.bytes >= BUDGET_BYTES) break;
    if (changes.costly > costly || (at - from) % CLOCK_EVERY === 0) {
      costly = changes.costly;
      if (clock.monotonic() >= deadline) break;
    }
  }
  finishGroup(local, operations, from, at);
  return at - from;
}

/** Whether the operations behind this one of the same request are not done. */
function isCut(operation: Operation | undefined): boolean {
  switch (operation?.outcome) {
    case "failed":
    case "skipped":
    case "held":
    case "too large":
      return true;
    default:
      return false;
  }
}

/**
 * Nothing is answered from memory, and nothing changed, before the file has told what is so. A consumer that is gone is
 * gone all the same: what it has open must not stay open for ever.
 */
function refuse({ unknown }: Local, operation: Operation): void {
  operation.rests = false;
  if (operation.outcome !== "pending") return;
  operation.outcome = "done";
  if (operation.kind === "release") abortAll(operation.consumer as LocalConsumer);
  else if (operation.kind !== "none") fail(operation, unknown?.reason ?? "");
}

function abortAll(consumer: LocalConsumer): Queue[] {
  const queues = [...consumer.open.keys()];
  for (const queue of queues) abortOpen(queue, consumer);
  return queues;
}

export function executeOne(local: Local, operation: Operation): void {
  operation.rests = false;
  // One that asks nothing of the queues may have its outcome already.
  if (operation.outcome !== "pending") return;
  if (operation.session.postponed && operation.kind !== "release" && operation.kind !== "restore") {
    operation.outcome = "postponed";
    return;
  }
  try {
    operation.outcome = "done";
    executeKind(local, operation);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    fail(operation, error.message);
  }
}

function fail(operation: Operation, reason: string): void {
  operation.outcome = "failed";
  operation.error = reason;
}

function executeKind(local: Local, operation: Operation): void {
  switch (operation.kind) {
    case "put":
      return put(local, operation);
    case "take":
    case "open":
    case "peek":
      return take(local, operation);
    case "check":
    case "close":
    case "abort":
      return changeOpen(local, operation);
    case "release":
      return release(local, operation);
    case "restore":
      return restore(local, operation);
    case "delete":
      return deleteQueue(local, operation);
    case "flush":
      return flush(local, operation);
    case "flush all":
      return goThrough(local, operation, (queue) => flushQueue(local, queue));
    case "list":
      operation.rows = [];
      return goThrough(local, operation, (queue) => {
        operation.rows.push(summaryOf(queue));
        local.changes.bytes += queue.name.length + ROW_BYTES;
      });
    case "details":
      return details(local, operation);
    case "checkpoint":
    case "archive":
      // It is made once the group is committed; when that fails, it is not made at all.
      operation.rests = true;
      return;
    case "none":
      return;
  }
}

/** The queue of that name. An outcome that rests on what the group did is as true as its commit. */
function find(local: Local, operation: Operation): Queue | undefined {
  const queue = local.queues.get(operation.queue);
  const { dropped } = local.changes;
  operation.rests =
    queue === undefined
      ? dropped.length > 0 && dropped.some(({ name }) => name === operation.queue)
      : queue.touched;
  return queue;
}

function put(local: Local, operation: Operation): void {
  const { limits, changes } = local;
  const { flags, body, start, end, alone } = operation;
  const length = end - start;
  let queue = find(local, operation);
  if (local.bytes + length > limits.bytes) {
    operation.rests = isChanged(local);
    operation.outcome = "full";
    return;
  }
  // Counting is for a server that has a limit.
  if (limits.messages !== Infinity && queue !== undefined) {
    if (countMessages(queue) >= limits.messages) {
      operation.outcome = "full";
      return;
    }
  }
  queue ??= createQueue(local, operation.queue);
  if (queue.tail >= MAX_NUMBER) throw new StoreError("the queue has used up its message numbers");
  touch(local, queue);
  operation.rests = true;
  operation.number = queue.tail;
  append(queue, local.cache, flags, body, start, end, alone);
  local.bytes += length;
  changes.bytes += length;
}

function createQueue(local: Local, name: string): Queue {
  const id = local.store.newQueueId();
  if (id === undefined) throw new StoreError("too many queues");
  const queue = newQueue({ queue: id, name, head: 1, tail: 1, bytes: 0, held: [] });
  local.queues.set(name, queue);
  local.changes.created.push(queue);
  local.changes.bytes += QUEUE_BYTES;
  return queue;
}

function take(local: Local, operation: Operation): void {
  const { kind } = operation;
  const queue = find(local, operation);
  const consumer = operation.consumer as LocalConsumer | undefined;
  if (kind === "open" && queue !== undefined && consumer?.open.has(queue) === true) {
    operation.outcome = "held";
    return;
  }
  if (queue === undefined || countAvailable(queue) === 0) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.rests = true;
  if (!findOldest(local, queue, operation)) return;
  const { fits, flags, start, end, number } = operation;
  if (fits !== undefined && !fits(flags, end - start, number)) {
    operation.outcome = "too large";
    return;
  }
  if (isTooMuch(operation)) return;
  local.changes.bytes += end - start;
  operation.queueId = queue.id;
  if (kind === "peek") return;
  consumeHead(queue, local.cache, operation);
  if (kind === "open") {
    keepOpen(queue, consumer as LocalConsumer, operation);
  } else {
    noteGone(queue, number, end - start);
    local.bytes -= end - start;
  }
}

/** Whether the session has taken enough: then this operation and its further ones are postponed. */
function isTooMuch(operation: Operation): boolean {
  const { session, start, end } = operation;
  const taken = session.taken + end - start;
  if (session.taken > 0 && taken > MAX_TAKEN) {
    session.postponed = true;
    operation.outcome = "postponed";
    return true;
  }
  session.taken = taken;
  return false;
}

/** Finds the oldest message: false when it is lost, or none is left behind what is lost. */
function findOldest(local: Local, queue: Queue, operation: Operation): boolean {
  const { cache, store, changes } = local;
  const before = cache.used;
  const isReturned = queue.returned !== undefined;
  const gap = peekHead(queue, cache, store, operation);
  if (isReturned || cache.used > before) {
    changes.costly++;
    changes.bytes += Math.max(0, cache.used - before);
  }
  if (gap === undefined) return true;
  changes.costly++;
  if (operation.kind === "peek") {
    if (findReadable(queue, store, operation)) return true;
    operation.outcome = "absent";
  } else {
    fail(operation, skipLost(local, queue, gap));
  }
  return false;
}

function changeOpen(local: Local, operation: Operation): void {
  const { kind } = operation;
  const queue = find(local, operation);
  const consumer = operation.consumer as LocalConsumer;
  if (kind === "check") {
    if (queue !== undefined && consumer.open.has(queue)) operation.outcome = "held";
    return;
  }
  const before = queue?.bytes ?? 0;
  const isDone =
    queue !== undefined &&
    (kind === "close" ? closeOpen(queue, consumer) : abortOpen(queue, consumer));
  if (queue === undefined || !isDone) {
    operation.outcome = "absent";
    return;
  }
  local.bytes += queue.bytes - before;
  touch(local, queue);
  operation.rests = true;
}

function release(local: Local, operation: Operation): void {
  for (const queue of abortAll(operation.consumer as LocalConsumer)) {
    if (local.queues.get(queue.name) === queue) touch(local, queue);
  }
}

/** Whether the message that was taken is back, or was never gone. */
function isThere({ stored, listed, restored }: Queue, number: number): boolean {
  if (number >= stored.head || listed?.has(number) === true) return true;
  return restored?.some((message) => message.number === number) === true;
}

/** What a take gave was not delivered: it comes before all younger messages again. */
function restore(local: Local, operation: Operation): void {
  const { number, flags, body, start, end, queueId } = operation;
  const queue = find(local, operation);
  // After a failed sync it may be there already.
  if (queue?.id !== queueId || isThere(queue, number)) return;
  touch(local, queue);
  operation.rests = true;
  local.changes.costly++;
  const [stored] = local.store.read(queue.id, number, 1);
  const isStored = stored !== undefined && stored.first <= number;
  const segment = isStored ? undefined : singleSegment(number, flags, body, start, end);
  (queue.restored ??= []).push({ number, segment });
  putBack(queue, number);
  noteAdded(queue, number, end - start);
  local.bytes += end - start;
}

function deleteQueue(local: Local, operation: Operation): void {
  const { changes, cache } = local;
  const queue = find(local, operation);
  if (queue === undefined) {
    operation.outcome = "absent";
    return;
  }
  operation.rests = true;
  local.queues.delete(queue.name);
  local.bytes -= queue.bytes;
  dropAll(cache, queue);
  changes.costly++;
  const made = changes.created.indexOf(queue);
  if (made < 0) {
    changes.dropped.push(queue);
  } else {
    changes.created.splice(made, 1);
    abandonOpen(queue);
  }
}

function flush(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  operation.rests = true;
  if (queue !== undefined) flushQueue(local, queue);
}

/** Drops the queue's messages, but not those that are open; they count as taken. */
function flushQueue(local: Local, queue: Queue): void {
  if (countAvailable(queue) === 0) return;
  const before = queue.bytes;
  touch(local, queue);
  empty(queue, local.cache);
  local.bytes += queue.bytes - before;
}

/** How far the going through all queues is. Queues may come and go meanwhile. */
interface Passage {
  epoch: number;
  queues: Iterator<Queue>;
  /** Queues that are left: there are no more than at first, so that it ends. */
  left: number;
}

/** Visits the next queues, at most a part of them. */
function goThrough(local: Local, operation: Operation, visit: (queue: Queue) => void): void {
  const passage = (operation.cursor ??= newPassage(local)) as Passage;
  if (passage.epoch !== local.epoch) throw new StoreError("the queues were read anew meanwhile");
  operation.rests = true;
  local.changes.costly++;
  for (let n = 0; n < LIST_PART; n++) {
    const next = passage.left-- > 0 ? passage.queues.next() : undefined;
    if (next === undefined || next.done === true) return;
    if (local.queues.get(next.value.name) === next.value) visit(next.value);
  }
  operation.outcome = "more";
}

function newPassage({ queues, epoch }: Local): Passage {
  return { epoch, queues: queues.values(), left: queues.size };
}

function details(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  operation.details = queue && detailsOf(local, queue);
  if (queue === undefined) operation.outcome = "absent";
}
