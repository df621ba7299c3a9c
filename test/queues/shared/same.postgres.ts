/** What is asked of queues in PostgreSQL has the outcomes that the same has in a server of its own: random operations, of any kind. */
import { expect, test } from "bun:test";

import type { Backend } from "../../../src/queues/backend.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { openLocal } from "../../../src/queues/local/local.ts";
import type { Operation, OperationKind } from "../../../src/queues/operation.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { newHome, open, suite } from "../../store/scratch.ts";
import { databases } from "./database.ts";
import { newServer, operation, ruleOf, type Server } from "./shop.ts";

suite();

const { port, make } = databases();

/** Few queues with little room, so that much happens in them. */
const RULES = [
  "limited:max-messages=4",
  "bytes:max-bytes=40,drop-oldest=yes",
  "few:max-messages=3,drop-oldest=yes",
  "dying:deliveries=2",
  "copied:copy-to=plain+limited",
  "old:expiry=expired",
  "dropped:expiry=drop",
];
const QUEUES = [
  "plain",
  "limited",
  "bytes",
  "few",
  "dying",
  "dying.dead",
  "plain.dead",
  "copied",
  "old",
  "expired",
  "dropped",
  "none",
];

interface Pair {
  local: Backend;
  shared: Server;
}

async function newPair(): Promise<Pair> {
  const watcher = {
    committed: () => {},
    failed: () => {},
    isAwaited: () => false,
    ready: () => {},
  };
  const local = openLocal(open(newHome()), watcher, {
    cacheLimit: 2 ** 20,
    limits: { messages: Infinity, bytes: Infinity },
    rules: RULES.map(ruleOf),
    tricklePercent: 0,
    clock: systemClock,
    warn: () => {},
  });
  return { local, shared: await newServer(await port(), await make(), { queue: RULES }) };
}

type Random = (below: number) => number;

function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KINDS: OperationKind[] = [
  ...([
    "put",
    "put",
    "put",
    "put",
    "put",
    "take",
    "take",
    "open",
    "open",
    "lease",
    "lease",
    "move",
    "move all",
    "pass",
  ] as const),
  ...([
    "peek",
    "check",
    "close",
    "abort",
    "bury",
    "acknowledge",
    "extend",
    "give back",
    "remove",
    "return",
    "return all",
  ] as const),
  ...([
    "release",
    "restore",
    "flush",
    "expire",
    "details",
    "pause",
    "resume",
    "list",
    "survey",
    "delete",
  ] as const),
];

/** What an operation says, but for its consumer, which each backend has its own of. */
type Said = {
  kind: OperationKind;
  queue: string;
  consumer: number;
  fields: Parameters<typeof operation>[2];
};

function randomSaid(random: Random, told: number[]): Said {
  const kind = KINDS[random(KINDS.length)] as OperationKind;
  const queue = QUEUES[random(QUEUES.length)] as string;
  const one = <T>(values: readonly T[]) => values[random(values.length)] as T;
  const isOften = (percent: number) => random(100) < percent;
  const fields: Said["fields"] = { target: one(QUEUES), inVain: isOften(70) };
  if (kind === "put") {
    Object.assign(fields, {
      body: "x".repeat(random(12)) + random(1000),
      flags: isOften(50) ? 0 : random(2 ** 32),
    });
    if (isOften(10)) fields.id = `id${random(5)}`;
    if (isOften(5)) fields.delay = 3_600_000;
    if (isOften(10)) fields.expires = isOften(50) ? Date.now() - 1000 : Date.now() + 3_600_000;
    if (isOften(10)) fields.source = one(QUEUES);
    if (isOften(30) && fields.source !== undefined) fields.sourceNumber = one(told);
  }
  if (kind === "lease") fields.lease = 3_600_000;
  if (kind === "extend") fields.lease = one([0, -1, 3_600_000]);
  if (kind === "abort") fields.delay = one([-1, -1, 0, 3_600_000]);
  if (kind === "open" && isOften(20)) fields.scope = "early";
  if (kind === "peek" && isOften(40)) fields.scope = "leased";
  if (kind === "pause" && queue !== "plain") fields.until = isOften(50) ? 0 : Date.now() - 1;
  if (NUMBERED.has(kind)) fields.number = isOften(50) ? one(told) : 1 + random(10);
  return { kind, queue, consumer: random(3), fields };
}

const NUMBERED: ReadonlySet<OperationKind> = new Set([
  "acknowledge",
  "extend",
  "give back",
  "remove",
  "return",
  "restore",
]);

async function execute(backend: Backend, one: Operation): Promise<string> {
  const lines: string[] = [];
  for (let isLeft = true; isLeft;) {
    Object.assign(one, { outcome: "pending" });
    Object.assign(one.session, { taken: 0, postponed: false });
    await backend.execute([one], 0, 1);
    isLeft = one.outcome === "more" || one.outcome === "postponed";
    if (!isLeft) lines.push(tellOf(one));
  }
  return lines.join();
}

const BRINGING: ReadonlySet<OperationKind> = new Set(["take", "open", "lease", "move", "peek"]);

function tellOf(one: Operation): string {
  const { kind, outcome, error, number, deliveries, flags, ttl, dueIn, body, start, end } = one;
  if (outcome === "failed") return `failed ${error}`;
  if (BRINGING.has(kind) && outcome === "done") {
    return `${body.toString("latin1", start, end)} ${number} ${flags} ${deliveries} ${ttl < 0} ${dueIn > 0}`;
  }
  if (kind === "put" && outcome === "done") return `stored ${number}`;
  if (kind === "expire") return `${outcome} ${number}`;
  return outcome;
}

/** What people are shown of the messages; times differ. */
async function shownOf(backend: Backend, queue: string): Promise<unknown> {
  const previews = await backend.previews(queue, { messages: 20, bytes: 6 });
  const { open, leased, delayed } = await backend.heldMessages(queue, 20);
  return [
    previews?.map(({ arrived: _, due, body, ...rest }) => ({
      ...rest,
      body: body.toString(),
      isDue: due,
    })),
    open.map(({ openedAt: _, ...rest }) => rest),
    leased.map(({ until: _, ...rest }) => rest),
    delayed.map(({ due: _, ...rest }) => rest),
  ].map((list) =>
    list?.map((each) => ("isDue" in each ? { ...each, isDue: each.isDue !== undefined } : each)),
  );
}

interface Totals {
  [queue: string]: unknown;
}

async function totalsOf(backend: Backend): Promise<Totals> {
  const all: Totals = {};
  for await (const portion of backend.summaries()) {
    for (const summary of portion) {
      const {
        id: _id,
        openedAt,
        arrived: _arrived,
        waitedMs: _waited,
        paused,
        name,
        ...rest
      } = summary;
      all[name] = { ...rest, isOpen: openedAt !== undefined, isPaused: paused === 0 };
    }
  }
  return all;
}

/** Operations of one request, which depend on those before them. */
const OF_GETS: ReadonlySet<OperationKind> = new Set([
  ...BRINGING,
  ...(["check", "close", "abort", "bury", "pass"] as const),
]);

/** Has operations in a group depend on each other, as those of one get do. */
function chain(random: Random, group: readonly (readonly Operation[])[]): void {
  for (const [i, pair] of group.entries()) {
    const kind = pair[0]?.kind as OperationKind;
    const before = group[i - 1]?.[0]?.kind;
    const chained =
      before !== undefined && OF_GETS.has(before) && OF_GETS.has(kind) && random(100) < 70;
    const alternative = chained && BRINGING.has(kind) && BRINGING.has(before) && random(100) < 50;
    for (const one of pair) Object.assign(one, { chained, alternative });
  }
}

/** Executes a group of one session, and goes on until all of it is done. */
async function executeAll(backend: Backend, group: readonly Operation[]): Promise<string[]> {
  const session = { taken: 0, postponed: false };
  for (const one of group) Object.assign(one, { session, outcome: "pending" });
  const told: string[] = [];
  for (let done = 0; done < group.length;) {
    done += await backend.execute(group, done, group.length);
    Object.assign(session, { taken: 0 });
    // Bodies are good until the next part.
    for (const one of group.slice(told.length, done))
      told.push(one.outcome === "more" ? "done" : tellOf(one));
  }
  return told;
}

/** Consumers of both backends, side by side. */
function threeConsumers({ backend }: Server) {
  return Array.from({ length: 3 }, () => [newConsumer(), backend.newConsumer()] as const);
}

test.each(Array.from({ length: 8 }, (_, seed) => seed + 1))("one by one, seed %i", async (seed) => {
  const { local, shared } = await newPair();
  const random = randomFrom(seed);
  const consumers = threeConsumers(shared);
  const told = [1, 2];
  const history: string[] = [];
  for (let n = 0; n < 150; n++) {
    const [mine, its] = pairOf(randomSaid(random, told), consumers);
    const expected = await execute(local, mine);
    history.push(lineOf(mine, expected));
    const about = history.slice(-40).join("\n");
    expect(await execute(shared.backend, its), about).toEqual(expected);
    if (mine.outcome === "done" && mine.number > 0) told.push(mine.number);
    const { queue } = mine;
    expect(await shownOf(shared.backend, queue), about).toEqual(await shownOf(local, queue));
    if (n % 4 === 0) expect(await totalsOf(shared.backend), about).toEqual(await totalsOf(local));
  }
  await shared.backend.close();
});

test.each(Array.from({ length: 8 }, (_, seed) => seed + 101))(
  "in groups, seed %i",
  async (seed) => {
    const { local, shared } = await newPair();
    const random = randomFrom(seed);
    const consumers = threeConsumers(shared);
    const told = [1, 2];
    const history: string[] = [];
    for (let n = 0; n < 60; n++) {
      const group = Array.from({ length: 1 + random(10) }, () =>
        pairOf(randomSaid(random, told), consumers),
      );
      chain(random, group);
      const mine = group.map(([one]) => one);
      const expected = await executeAll(local, mine);
      history.push("--", ...mine.map((one, i) => lineOf(one, expected[i] as string)));
      const about = history.slice(-60).join("\n");
      expect(
        await executeAll(
          shared.backend,
          group.map(([, one]) => one),
        ),
        about,
      ).toEqual(expected);
      for (const one of mine) if (one.outcome === "done" && one.number > 0) told.push(one.number);
      expect(await totalsOf(shared.backend), about).toEqual(await totalsOf(local));
    }
    await shared.backend.close();
  },
);

type Consumers = readonly (readonly [Operation["consumer"], Operation["consumer"]])[];

/** The same operation for both backends. */
function pairOf(
  { kind, queue, consumer, fields }: Said,
  consumers: Consumers,
): [Operation, Operation] {
  const [a, b] = (consumers[consumer] ?? []).map((each) => {
    const one = operation(kind, queue, { ...fields, consumer: each });
    return kind === "restore" ? Object.assign(one, { queueId: -1 }) : one;
  });
  return [a as Operation, b as Operation];
}

function lineOf(
  { kind, queue, chained, alternative, number, target, source, delay, lease, scope }: Operation,
  outcome: string,
): string {
  return `${kind} ${queue} ${JSON.stringify({ chained, alternative, number, target, source, delay, lease, scope })}: ${outcome}`;
}
