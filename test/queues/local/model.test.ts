/** Random operations in groups, failing commits and restarts, against a model that is a few lists. */
import { expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { bringDue, endLeases } from "../../../src/queues/local/due.ts";
import { executeGroup, executeOne } from "../../../src/queues/local/execute.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import type { ReplyRoom } from "../../../src/queues/room.ts";
import { newRandom, type Random, seeds } from "../../protocol/random.ts";
import { suite } from "../../store/scratch.ts";
import { type Delivered, type Expected, Model } from "./model.ts";
import {
  drain,
  failNextCommit,
  faults,
  newShop,
  NO_LIMITS,
  operation,
  restart,
  type Shop,
  summaries,
  takenOf,
} from "./shop.ts";

suite();

const NAMES = ["a", "b", "c", "d", "e", "a.dead"] as const;
const SIZES = [0, 1, 30, 400, 5000, 16_383, 16_384, 40_000, 70_000];
const CACHES = [0, 20_000, 150_000, 1024 * 1024];
const RULES = [
  "a:deliveries=3,retry=100..300,copy-to=b+c,once=2147483647",
  "c:max-messages=4,max-bytes=100k,once=2147483647",
  "d:max-messages=3,max-bytes=50k,drop-oldest=yes,once=2147483647",
  "e:expiry=drop,once=2147483647",
  "*:once=2147483647",
];
const EXPIRING = ["e"];
const COPIES = { a: ["b", "c"] };
const LIMITS = {
  c: { messages: 4, bytes: 100 * 1024, drops: false },
  d: { messages: 3, bytes: 50 * 1024, drops: true },
};
const RETRIES = { a: { deliveries: 3, first: 100, most: 300 } };
const CONSUMERS = 6;
const GROUPS = 500;

/** How the commit of a group ends, and how often in a hundred. */
const ENDS = [
  ["committed", 75],
  ["failed", 10],
  ["unknown, not done", 4],
  ["unknown, done", 4],
  ["restarted", 7],
] as const;

type End = (typeof ENDS)[number][0];

/** How often each kind is asked, in a hundred or so. */
const KINDS = [
  ["put", 36],
  ["take", 18],
  ["open", 12],
  ["lease", 12],
  ["acknowledge", 5],
  ["remove", 5],
  ["give back", 4],
  ["return", 5],
  ["move", 4],
  ["move all", 1],
  ["pass", 3],
  ["extend", 5],
  ["peek", 6],
  ["check", 2],
  ["close", 8],
  ["abort", 6],
  ["restore", 8],
  ["release", 3],
  ["flush", 1],
  ["delete", 1],
  ["pause", 2],
  ["resume", 4],
  ["details", 2],
  ["list", 1],
  ["flush all", 1 / 4],
  ["none", 1],
  ["checkpoint", 1 / 2],
] as const;

function pickWeighted<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  const total = choices.reduce((sum, [, weight]) => sum + weight, 0);
  let left = (random.below(1_000_000) / 1_000_000) * total;
  for (const [choice, weight] of choices) if ((left -= weight) < 0) return choice;
  return (choices[0] as (typeof choices)[number])[0];
}

/** The queues, the model, and what is between them. */
interface Trial {
  random: Random;
  shop: Shop;
  model: Model;
  consumers: ReturnType<typeof newConsumer>[];
  /** Messages that were taken, and may yet be restored. */
  delivered: Delivered[];
  /** All that ever were: where one came from that is restored, the store may have forgotten. */
  taken: Set<string>;
  /** Leases that were told; most of them are over. */
  leases: { queue: string; number: number }[];
  /** Restores that are asked for, and of which message. */
  restores: Map<Operation, Delivered>;
  count: number;
}

function newOperationOf(trial: Trial): Operation {
  const { random, consumers, delivered } = trial;
  const kind = pickWeighted(random, KINDS);
  const at = random.below(CONSUMERS);
  const consumer = consumers[at] as (typeof consumers)[number];
  const chained = random.below(8) === 0;
  const name = random.pick(NAMES);
  const fields = { consumer, chained };
  if (kind === "put") {
    const number = ++trial.count;
    const body = Buffer.alloc(random.pick(SIZES), `${number};`);
    const isDelayed = random.below(4) === 0;
    const delay = isDelayed ? random.between(1, 3000) : 0;
    const id = random.below(4) === 0 ? `${random.below(100)}` : "";
    const closes = random.below(5) === 0;
    const known = closes && random.below(2) === 0 ? random.pick(trial.leases) : undefined;
    const source = closes ? (known?.queue ?? random.pick(NAMES)) : "";
    const now = trial.shop.local.clock.calendar();
    const expires = random.below(2) === 0 ? 0 : now + random.below(2000);
    const more = { flags: number, alone: false, delay, id, source, expires };
    return operation(kind, name, { ...fields, body, ...more, sourceNumber: known?.number ?? 0 });
  }
  // A time that is over is no pause.
  if (kind === "pause") return operation(kind, name, { ...fields, until: random.below(2) });
  if (kind === "release") {
    consumers[at] = newConsumer();
    return operation(kind, "", { consumer, inVain: true });
  }
  if (kind === "restore") {
    const [message] = delivered.splice(random.below(delivered.length || 1), 1);
    if (message === undefined) return operation("none");
    const { queue, message: taken } = message;
    const { queueId, deliveries } = message;
    const one = operation(kind, queue, { ...taken, queueId, deliveries });
    trial.restores.set(one, message);
    return one;
  }
  if (kind === "remove" || kind === "return" || kind === "give back") {
    const from = kind === "return" ? random.pick(["a.dead", "a", "b"]) : name;
    const known = trial.shop.local.queues.get(from);
    const number = random.between(Math.max(1, (known?.tail ?? 1) - 25), (known?.tail ?? 1) + 1);
    const lease = kind === "give back" ? random.pick(trial.leases) : undefined;
    if (lease !== undefined && random.below(2) === 0)
      return operation(kind, lease.queue, { chained, number: lease.number });
    if (kind === "return" && trial.taken.has(`${from} ${number}`)) return operation("none");
    return operation(kind, from, { chained, number });
  }
  if (kind === "acknowledge" || kind === "extend") {
    const known = random.pick(trial.leases);
    const fields = { chained, number: known?.number ?? 1, lease: random.pick([-1, 0, 500, 2000]) };
    return operation(kind, known?.queue ?? name, fields);
  }
  if (kind === "move all") {
    const target = random.pick(["a", "b", "a.dead"].filter((other) => other !== name));
    return operation(kind, name, { ...fields, target });
  }
  if (kind === "move" || kind === "pass") {
    return operation(kind, name, { ...fields, target: random.pick(["a", "b", "a.dead"]) });
  }
  if (kind === "abort") {
    return operation(kind, name, { ...fields, delay: random.pick([-1, -1, 0, 200]) });
  }
  if (kind === "take" || kind === "open" || kind === "lease") {
    const lease = random.between(1, 2000);
    const most = random.pick(SIZES);
    const room = random.below(4) === 0 ? roomOf(most) : undefined;
    return operation(kind, name, { ...fields, room, lease });
  }
  return operation(kind, name, fields);
}

const CUTTING = new Set(["failed", "skipped", "held", "too large"]);

/** Room that is not used up: the model looks at it behind the queues. */
function roomOf(bytes: number): ReplyRoom {
  return {
    get left() {
      return bytes;
    },
    set left(_) {},
  };
}

/** What the operation told, in the words of the model. */
function toldBy(one: Operation) {
  const { kind, outcome, counts, details } = one;
  if (outcome !== "done") return { outcome };
  if (kind === "take" || kind === "open" || kind === "lease" || kind === "move" || kind === "peek")
    return { outcome, message: takenOf(one) };
  if (kind === "list" && counts !== undefined) {
    const { names, sets, gets } = counts;
    return { outcome, rows: names.map((name, i) => ({ name, sets: sets[i], gets: gets[i] })) };
  }
  if (kind !== "details" || details === undefined) return { outcome };
  const { name, messages, bytes, open, sets, gets, paused, delayed, leased } = details;
  return {
    outcome,
    rows: [{ name, messages, bytes, open, sets, gets, paused, delayed, leased }],
  };
}

interface Prediction {
  expected: Expected;
  /** Of the queue, as the model has it then. */
  serial: number;
}

/** What the model tells of the operations from number `from` up to `to`; it has done them then. */
function predict(trial: Trial, operations: Operation[], from: number, to: number): Prediction[] {
  const { model, restores } = trial;
  const predictions: Prediction[] = [];
  let before = operations[from - 1]?.outcome;
  for (const one of operations.slice(from, to)) {
    const isSkipped = one.chained && CUTTING.has(before ?? "");
    if (!isSkipped) model.dropExpired(one);
    const expected: Expected = isSkipped ? { outcome: "skipped" } : model.expect(one);
    predictions.push({ expected, serial: model.queues.get(one.queue)?.serial ?? 0 });
    // How much of it is done in a group is a matter of its budget.
    if (one.kind === "move all" && one.outcome === "more") expected.outcome = "more";
    if (expected.outcome === "done" || expected.outcome === "more")
      model.apply(one, restores.get(one));
    else if (expected.outcome === "repeated") model.closeSource(one);
    before = expected.outcome;
  }
  return predictions;
}

/** The group is committed: all is as the model says. */
function follow(
  { delivered, leases, taken }: Trial,
  executed: Operation[],
  predictions: Prediction[],
): void {
  for (const [i, one] of executed.entries()) {
    const { expected, serial } = predictions[i] as Prediction;
    expect<unknown>(toldBy(one)).toEqual(expected);
    const { kind, queue, queueId, number, deliveries } = one;
    if (kind === "lease" && one.outcome === "done") leases.push({ queue, number });
    if (kind !== "take" || expected.message === undefined) continue;
    taken.add(`${queue} ${number}`);
    delivered.push({ queue, queueId, serial, message: expected.message, deliveries });
  }
}

/** The group failed: what was told nevertheless was so before it. */
function followFailed(trial: Trial, executed: Operation[], isDone: boolean): void {
  const { model, delivered, restores } = trial;
  for (const one of executed) {
    const restored = restores.get(one);
    if (one.outcome === "failed") {
      expect(one.error).toStartWith("no space");
      if (restored !== undefined && !isDone) delivered.push(restored);
    } else if (one.outcome === "skipped") {
      expect(one.chained).toBe(true);
    } else if (one.kind !== "release") {
      expect<unknown>(toldBy(one)).toEqual(model.expectBefore(one));
    }
  }
}

/** Executes the operations in groups; how the first of them that writes anything ends is given. */
function executeAll(trial: Trial, operations: Operation[], end: End): void {
  const { shop, model } = trial;
  const { commit } = shop.store;
  const isDone = end === "unknown, done";
  if (end === "failed") failNextCommit(shop, "no space");
  else if (end !== "committed") failNextCommit(shop, "no space", "unknown", isDone);
  for (let from = 0; from < operations.length;) {
    shop.failures = [];
    const to = from + executeGroup(shop.local, operations, from, operations.length);
    const executed = operations.slice(from, to);
    const predictions = predict(trial, operations, from, to);
    if (shop.failures.length === 0) {
      follow(trial, executed, predictions);
      model.save();
    } else {
      followFailed(trial, executed, isDone);
      if (isDone) model.saveUntold();
      else model.undo();
    }
    bringDue(shop.local);
    model.bringDue();
    expectSame(trial);
    from = to;
  }
  shop.store.commit = commit;
}

/** The process ends in the middle of a group. */
function killAndRestart(trial: Trial, operations: Operation[]): void {
  const { shop, model } = trial;
  for (const one of operations) executeOne(shop.local, one);
  restart(shop);
  model.restart();
  trial.consumers = trial.consumers.map(() => newConsumer());
  trial.delivered = [];
  bringDue(shop.local);
  model.bringDue();
  expectSame(trial);
}

/** Leases end by the clock, unless the commit of it fails. */
function endLeasesOf(trial: Trial): void {
  const { random, shop, model } = trial;
  const { commit } = shop.store;
  const isFailing = random.below(8) === 0;
  if (isFailing) failNextCommit(shop, "no space");
  shop.failures = [];
  endLeases(shop.local);
  shop.store.commit = commit;
  if (shop.failures.length === 0) model.endLeases();
  bringDue(shop.local);
  model.bringDue();
  expectSame(trial);
}

function expectSame({ shop, model }: Trial): void {
  expect(faults(shop)).toEqual([]);
  const counters = summaries(shop).map(
    ({ id: _id, openedAt: _at, waitedMs: _waited, arrived: _on, ...counted }) => counted,
  );
  expect(counters).toEqual(model.counters());
  const sum = (name: "messages" | "sets") =>
    counters.reduce((total, queue) => total + queue[name], 0);
  expect(shop.local.totals).toEqual({ messages: sum("messages"), sets: sum("sets") });
  expect(shop.local.cache.used).toBeLessThanOrEqual(shop.cacheLimit);
}

test.each(seeds)("seed %d", (seed) => {
  const random = newRandom(seed);
  const shop = newShop(CACHES[seed % CACHES.length], NO_LIMITS, RULES);
  const trial: Trial = {
    random,
    shop,
    model: new Model(LIMITS, RETRIES, COPIES, EXPIRING, shop.local.clock.calendar()),
    consumers: Array.from({ length: CONSUMERS }, () => newConsumer()),
    delivered: [],
    taken: new Set(),
    leases: [],
    restores: new Map(),
    count: 0,
  };
  let done = 0;
  for (let group = 0; group < GROUPS; group++) {
    trial.restores.clear();
    const size = random.between(1, 30);
    const operations = Array.from({ length: size }, () => newOperationOf(trial));
    const end = pickWeighted(random, ENDS);
    if (end === "restarted") killAndRestart(trial, operations);
    else executeAll(trial, operations, end);
    if (random.below(3) === 0) trial.shop.store.maintain();
    const passed = random.below(300);
    trial.shop.now += passed;
    trial.model.now += passed;
    endLeasesOf(trial);
    done += size;
  }
  expect(done).toBeGreaterThan(GROUPS * 10);
  endLeasesOf(trial);
  trial.shop.now += 3000;
  trial.model.now += 3000;
  endLeases(trial.shop.local);
  bringDue(trial.shop.local);
  trial.model.endLeases();
  trial.model.bringDue();
  for (const [name, queue] of trial.model.queues) {
    executeOne(trial.shop.local, operation("resume", name));
    expect(drain(trial.shop, name)).toEqual(trial.model.fresh(queue).map(({ body }) => body));
  }
});
