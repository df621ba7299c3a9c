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

test.each(Array.from({ length: 8 }, (_, seed) => seed + 1))("seed %i", async (seed) => {
  const { local, shared } = await newPair();
  const random = randomFrom(seed);
  const consumers = Array.from(
    { length: 3 },
    () => [newConsumer(), shared.backend.newConsumer()] as const,
  );
  const told = [1, 2];
  const history: string[] = [];
  for (let n = 0; n < 200; n++) {
    const { kind, queue, consumer, fields } = randomSaid(random, told);
    const pair = consumers[consumer] as (typeof consumers)[number];
    const [mine, its] = pair.map((each) =>
      operation(kind, queue, { ...fields, consumer: each }),
    ) as [Operation, Operation];
    if (kind === "restore") Object.assign(mine, { queueId: -1 });
    if (kind === "restore") Object.assign(its, { queueId: -1 });
    const expected = await execute(local, mine);
    const { body: _body, ...shown } = fields ?? {};
    history.push(`${kind} ${queue} of ${consumer} ${JSON.stringify(shown)}: ${expected}`);
    expect(await execute(shared.backend, its), history.slice(-40).join("\n")).toEqual(expected);
    if (mine.outcome === "done" && mine.number > 0) told.push(mine.number);
    expect(await shownOf(shared.backend, queue), history.slice(-40).join("\n")).toEqual(
      await shownOf(local, queue),
    );
    if (n % 4 > 0) continue;
    expect(await totalsOf(shared.backend), history.slice(-40).join("\n")).toEqual(
      await totalsOf(local),
    );
  }
  await shared.backend.close();
});
