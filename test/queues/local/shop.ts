/** The queues over a real store, and the operations that tests ask of them, one by one or in groups. */
import type { Database } from "bun:sqlite";

import { parseQueueRule } from "../../../src/config/queue_rules.ts";
import type { QueueRule } from "../../../src/config/queue_settings.ts";
import type { Watcher } from "../../../src/queues/backend.ts";
import { commitChanges } from "../../../src/queues/local/commit.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { recountPortion } from "../../../src/queues/local/damage.ts";
import { executeGroup, executeOne } from "../../../src/queues/local/execute.ts";
import { undoChanges } from "../../../src/queues/local/failed_commit.ts";
import { countMessages } from "../../../src/queues/local/held.ts";
import { hasNumber } from "../../../src/queues/local/number_set.ts";
import { countOpen } from "../../../src/queues/local/open.ts";
import { type LocalConsumer, type Queue } from "../../../src/queues/local/queue.ts";
import { segmentCost } from "../../../src/queues/local/segment.ts";
import { type Limits, type Local, newLocal } from "../../../src/queues/local/state.ts";
import { detailsOf, summaryOf } from "../../../src/queues/local/summary.ts";
import { newOperation, type Operation, type OperationKind } from "../../../src/queues/operation.ts";
import type { QueueSummary, Tally } from "../../../src/queues/summary.ts";
import type { Batch } from "../../../src/store/batch.ts";
import { type Outcome, type Store, StoreError } from "../../../src/store/store.ts";
import { connect, newHome, NUMBER_BITS, open, rows } from "../../store/scratch.ts";

export interface Taken {
  flags: number;
  number: number;
  body: string;
}

/** One set of queues after the other over the same directory. */
export interface Shop {
  home: string;
  store: Store;
  local: Local;
  cacheLimit: number;
  limits: Limits;
  rules: readonly QueueRule[];
  /** Names of the queues that a client waits for, and what the queues told of them: "<queue> <messages>". */
  awaited: Set<string>;
  ready: string[];
  /** Reasons of failed commits, and lines for the operator. */
  failures: string[];
  warnings: string[];
  /** Milliseconds of the monotonic clock, which stands still until a test moves it. */
  now: number;
}

/** The calendar when the monotonic clock was 0. */
const STARTED = Date.now();

export const NO_LIMITS: Limits = { messages: Infinity, bytes: Infinity };

/** @param rules as `--queue` has them */
export function newShop(
  cacheLimit = 1024 * 1024,
  limits = NO_LIMITS,
  rules: readonly string[] = [],
): Shop {
  const home = newHome();
  const shop = {
    home,
    store: open(home),
    cacheLimit,
    limits,
    rules: rules.map(ruleOf),
    awaited: new Set<string>(),
    ready: [],
    failures: [],
    warnings: [],
    now: 0,
  };
  return Object.assign(shop, { local: localOf(shop) });
}

/** @param rules as `--queue` has them */
export function shopWith(...rules: string[]): Shop {
  return newShop(1024 * 1024, NO_LIMITS, rules);
}

function localOf(shop: Omit<Shop, "local">): Local {
  const watcher: Watcher = {
    committed: () => {},
    failed: (reason) => void shop.failures.push(reason),
    isAwaited: (queue) => shop.awaited.has(queue),
    ready: (queue, messages) => void shop.ready.push(`${queue} ${messages}`),
  };
  const clock = { monotonic: () => shop.now, calendar: () => STARTED + shop.now };
  const warn = (text: string) => void shop.warnings.push(text);
  const { store, cacheLimit, limits, rules } = shop;
  return newLocal(store, cacheLimit, limits, watcher, clock, warn, rules);
}

export function ruleOf(text: string): QueueRule {
  const rule = parseQueueRule(text);
  if (typeof rule === "string") throw new Error(rule);
  return rule;
}

/** What is not committed is forgotten, as when the process is killed. */
export function restart(shop: Shop): void {
  shop.store.close();
  shop.store = open(shop.home);
  shop.local = localOf(shop);
}

/** An operation with some fields filled in. A body lies amid other bytes, as it arrives. */
export function operation(
  kind: OperationKind,
  queue = "",
  fields: Partial<Omit<Operation, "body">> & { body?: string | Buffer } = {},
): Operation {
  const { body, ...rest } = fields;
  const made = Object.assign(newOperation(), { kind, queue, consumer: newConsumer() }, rest);
  if (body === undefined) return made;
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  const source = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("\r\nafter")]);
  return Object.assign(made, { body: source, start: 6, end: 6 + bytes.length });
}

/** Executes one operation, which is not committed yet. */
export function run({ local }: Shop, one: Operation): Operation {
  executeOne(local, one);
  return one;
}

/** Executes operations as the engine does, in as many groups as the budget makes of them, and commits each group. */
export function execute(shop: Shop, ...operations: Operation[]): string[] {
  for (let done = 0; done < operations.length;) {
    done += executeGroup(shop.local, operations, done, operations.length);
  }
  return operations.map(tell);
}

/** The outcome of an operation, with the body that it told, or the reason of its failure. */
export function tell(one: Operation): string {
  const { kind, outcome, error } = one;
  if (outcome === "failed") return `failed: ${error}`;
  const isTaking = kind === "take" || kind === "open" || kind === "peek";
  return outcome === "done" && isTaking ? bodyOf(one) : outcome;
}

export function bodyOf({ body, start, end }: Operation): string {
  return body.toString("latin1", start, end);
}

/** @returns false when a limit forbids it. @throws StoreError when it failed */
export function put(shop: Shop, queue: string, body: string | Buffer, flags = 0): boolean {
  return isDone(run(shop, operation("put", queue, { body, flags })));
}

function isDone({ outcome, error }: Operation): boolean {
  if (outcome === "failed") throw new StoreError(error);
  return outcome === "done";
}

/** Takes, opens or peeks: undefined when there is no message. @throws StoreError when it failed */
export function take(
  shop: Shop,
  queue: string,
  consumer: LocalConsumer = newConsumer(),
  kind: "take" | "open" | "peek" = "take",
): Taken | undefined {
  const one = run(shop, operation(kind, queue, { consumer }));
  return isDone(one) ? takenOf(one) : undefined;
}

export function takenOf(one: Operation): Taken {
  const { flags, number } = one;
  return { flags, number, body: bodyOf(one) };
}

/** The body of the next message. */
export function body(
  shop: Shop,
  queue: string,
  consumer?: LocalConsumer,
  kind?: "take" | "open" | "peek",
): string | undefined {
  return take(shop, queue, consumer, kind)?.body;
}

/** Opens the next message for a consumer of its own. */
export function openNext(shop: Shop, queue: string): LocalConsumer {
  const consumer = newConsumer();
  if (take(shop, queue, consumer, "open") === undefined) throw new Error("there is no message");
  return consumer;
}

export function close(shop: Shop, queue: string, consumer: LocalConsumer): boolean {
  return isDone(run(shop, operation("close", queue, { consumer })));
}

export function abort(shop: Shop, queue: string, consumer: LocalConsumer): boolean {
  return isDone(run(shop, operation("abort", queue, { consumer })));
}

export function release(shop: Shop, consumer: LocalConsumer): void {
  run(shop, operation("release", "", { consumer }));
}

/** Keeps the body that the operation told, which is good only until the next group. */
export function keepBody(taken: Operation): Operation {
  taken.body = Buffer.from(taken.body.subarray(taken.start, taken.end));
  taken.start = 0;
  taken.end = taken.body.length;
  return taken;
}

/** The restore of what an operation took. */
export function restoring(taken: Operation): Operation {
  const { queue, queueId, number, flags } = taken;
  return operation("restore", queue, { queueId, number, flags, body: bodyOf(taken) });
}

export function remove(shop: Shop, queue: string): boolean {
  return isDone(run(shop, operation("delete", queue)));
}

export function flush(shop: Shop, queue: string): void {
  isDone(run(shop, operation("flush", queue)));
}

export function save({ local }: Shop): void {
  commitChanges(local);
}

/** Nothing since the last commit happened, as when it failed. */
export function undo({ local }: Shop): void {
  undoChanges(local);
}

/** All messages that can be taken, which are gone then. */
export function drain(shop: Shop, queue: string): string[] {
  const found: string[] = [];
  for (let next = body(shop, queue); next !== undefined; next = body(shop, queue)) found.push(next);
  return found;
}

export function queueOf({ local }: Shop, name: string): Queue {
  const queue = local.queues.get(name);
  if (queue === undefined) throw new Error(`there is no queue ${name}`);
  return queue;
}

export function counts({ local }: Shop): string[] {
  return [...local.queues.values()]
    .map((queue) => summaryOf(local, queue))
    .map(({ name, sets, gets }) => {
      return `${name} ${sets}/${gets}`;
    });
}

export function details({ local }: Shop, name: string) {
  const queue = local.queues.get(name);
  return queue && detailsOf(local, queue);
}

/** All that a client can be told of the queues, but for ages, memory, and what was counted since the start. */
export function summaries({ local }: Shop) {
  return [...local.queues.values()].map((queue) => summaryOf(local, queue)).map(withoutTally);
}

export function withoutTally({
  dropped: _dropped,
  expired: _expired,
  duplicates: _duplicates,
  redelivered: _redelivered,
  dead: _dead,
  missed: _missed,
  ...rest
}: QueueSummary): Omit<QueueSummary, keyof Tally> {
  return rest;
}

/** The batches that are committed from now on. */
export function recordBatches(shop: Shop): Batch[] {
  const batches: Batch[] = [];
  const { store } = shop;
  const write = store.commit;
  store.commit = (batch) => {
    batches.push(structuredClone(batch));
    write(batch);
  };
  return batches;
}

/** The next commit fails, whether or not it was done before. */
export function failNextCommit(
  shop: Shop,
  reason = "no",
  outcome: Outcome = "nothing happened",
  isCommitted = false,
): void {
  const { store } = shop;
  const write = store.commit;
  store.commit = (batch) => {
    store.commit = write;
    if (isCommitted) write(batch);
    throw new StoreError(reason, outcome);
  };
}

/** The rows of the table `held` that belong to queues which are there, as "<queue> <number>". */
export function heldRows(shop: Shop): string[] {
  const mask = 2 ** NUMBER_BITS - 1;
  const query = `SELECT CAST(name AS TEXT) || ' ' || (key & ${mask}) AS row
    FROM held JOIN queue ON queue.id = key >> ${NUMBER_BITS} ORDER BY key`;
  return rows<{ row: string }>(shop.home, query).map(({ row }) => row);
}

/** The rows of the table `queue`, as "<head> to <tail> <bytes>". */
export function queueRows(shop: Shop): string[] {
  const query = "SELECT head || ' to ' || tail || ' ' || bytes AS row FROM queue ORDER BY id";
  return rows<{ row: string }>(shop.home, query).map(({ row }) => row);
}

/** Counts the bytes of damaged queues to the end, and commits what was found. @returns how many portions it took */
export function recountAll(shop: Shop): number {
  for (let portions = 1; portions < 1000; portions++) {
    if (recountPortion(shop.local)) continue;
    save(shop);
    return portions;
  }
  throw new Error("there is no end to it");
}

/** Changes the file with a connection of its own. */
export function tamper(shop: Shop, change: (database: Database) => void): void {
  const database = connect(shop.home);
  change(database);
  database.close();
}

/** What is wrong with the books of the queues. */
export function faults({ local }: Shop): string[] {
  const { cache, queues, recounts } = local;
  const found: string[] = [];
  const all = [...queues.values()];
  const segments = all.flatMap((queue) => [...(queue.segments ?? []), ...(queue.spent ?? [])]);
  const used = segments.reduce((total, segment) => total + segmentCost(segment), 0);
  if (cache.used !== used) found.push(`cache ${cache.used}, not ${used}`);
  const holders = all.filter((queue) => queue.segments !== undefined);
  if (cache.holders.size !== holders.length || !holders.every((each) => cache.holders.has(each))) {
    found.push(`${cache.holders.size} queues hold segments, not ${holders.length}`);
  }
  const bytes = all.reduce((total, queue) => total + queue.bytes, 0);
  if (local.bytes !== bytes) found.push(`${local.bytes} bytes, not ${bytes}`);
  for (const queue of all) {
    const fault = faultOf(queue);
    // What damage took is counted anew later.
    if (fault !== undefined && !(recounts.has(queue) && fault.endsWith("and empty"))) {
      found.push(`${queue.name}: ${fault}`);
    }
    found.push(...faultsOfHeld(queue));
  }
  return found;
}

/** What is inconsistent in the numbers of a queue, if anything is. */
function faultOf(queue: Queue): string | undefined {
  if (queue.head > queue.tail) return `head ${queue.head} beyond tail ${queue.tail}`;
  if (queue.bytes < 0) return `${queue.bytes} bytes`;
  if (countMessages(queue) === 0) {
    if (queue.bytes !== 0 && queue.recount === undefined) return `${queue.bytes} bytes, and empty`;
  }
  return undefined;
}

/** What is counted of the deliveries is what is there. */
function faultsOfDelivery({ name, delivery, head, tail }: Queue): string[] {
  if (delivery === undefined) return [];
  const { ahead, delayed, brought, leases } = delivery;
  const found: string[] = [];
  if (ahead < 0 || ahead > delayed || ahead > tail - head) found.push(`${name}: ${ahead} ahead`);
  if (brought.size > delayed) found.push(`${name}: ${brought.size} brought of ${delayed}`);
  for (const number of leases.keys()) {
    if (number >= head) found.push(`${name}: ${number} is leased beyond the head`);
  }
  return found;
}

/** Held messages lie below the head, each of them once. */
function faultsOfHeld(queue: Queue): string[] {
  const { name, head, tail, loaded, returned = [] } = queue;
  const open = queue.open instanceof Map ? [...queue.open.values()] : [queue.open ?? []].flat();
  const held = [...returned, ...open.map(({ number }) => number)];
  const found: string[] = [];
  const lists = [queue.segments, queue.spent, queue.returned, queue.opened, queue.unlisted];
  if ([...lists, queue.restored].some((list) => list?.length === 0) || queue.listed?.size === 0) {
    found.push(`${name}: an empty list is kept`);
  }
  if (loaded < head || loaded > tail) found.push(`${name}: loaded up to ${loaded}`);
  if (open.length !== countOpen(queue)) found.push(`${name}: ${countOpen(queue)} open`);
  if (new Set(held).size < held.length) found.push(`${name}: held twice`);
  const isBeyond = (number: number) =>
    number >= head && !(queue.delivery !== undefined && hasNumber(queue.delivery.brought, number));
  if (held.some(isBeyond)) found.push(`${name}: held beyond the head`);
  found.push(...faultsOfDelivery(queue));
  if (returned.some((number, at) => at > 0 && number < (returned[at - 1] as number))) {
    found.push(`${name}: returned in disorder`);
  }
  for (const { number, consumer } of open) {
    if (consumer.open.get(queue) !== number) found.push(`${name}: ${number} is not its consumer's`);
  }
  return found;
}
