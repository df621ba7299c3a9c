/** The backend over a store of its own, as the engine, the metrics and the page see it. */
import { beforeEach, describe, expect, test } from "bun:test";

import { BackendError } from "../../../src/queues/backend.ts";
import { type LocalBackend, openLocal } from "../../../src/queues/local/local.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { type Store, StoreError } from "../../../src/store/store.ts";
import { newHome, open, suite } from "../../store/scratch.ts";
import { NO_LIMITS, operation, withoutTally } from "./shop.ts";

suite();

let store: Store;
let backend: LocalBackend;
let now = 0;
let committed: number[] = [];
beforeEach(() => {
  store = open(newHome());
  now = 1_000_000;
  committed = [];
  const watcher = {
    committed: (milliseconds: number) => void committed.push(milliseconds),
    failed() {},
    isAwaited: () => false,
    ready() {},
  };
  backend = openLocal(store, watcher, {
    cacheLimit: 1024 * 1024,
    limits: NO_LIMITS,
    tricklePercent: 50,
    clock: { monotonic: () => now++, calendar: Date.now },
    warn() {},
  });
});

function execute(...operations: Operation[]): void {
  for (let done = 0; done < operations.length;) {
    done += backend.execute(operations, done, operations.length) as number;
  }
}

function stock(...bodies: string[]): void {
  for (const body of bodies) execute(operation("put", "q", { body, flags: body.length }));
}

describe("previews", () => {
  const most = { messages: 10, bytes: 100 };
  const bodies = (messages = 10, bytes = 100) =>
    backend.previews("q", { messages, bytes })?.map(({ body }) => body.toString());

  test("show the oldest messages, with the beginnings of their bodies, and take nothing", () => {
    const before = Date.now();
    stock("1", "22", "x".repeat(50_000));
    const previews = backend.previews("q", { messages: 3, bytes: 5 });
    const untouched = {
      open: false,
      leased: false,
      due: undefined,
      deliveries: 0,
      moved: undefined,
    };
    expect(previews?.map(({ arrived: _arrived, ...rest }) => rest)).toEqual([
      { number: 1, flags: 1, length: 1, body: Buffer.from("1"), ...untouched },
      { number: 2, flags: 2, length: 2, body: Buffer.from("22"), ...untouched },
      { number: 3, flags: 50_000, length: 50_000, body: Buffer.from("xxxxx"), ...untouched },
    ]);
    for (const { arrived } of previews ?? []) expect(arrived).toBeGreaterThanOrEqual(before);
    expect(bodies(2)).toEqual(["1", "22"]);
    expect(backend.summary("q")).toMatchObject({ messages: 3, gets: 0 });
    expect(backend.previews("unknown", most)).toBeUndefined();
  });

  test("show open messages, and those that were put back, in order", () => {
    stock("1", "2", "3", "4");
    const [one, two] = [backend.newConsumer(), backend.newConsumer()];
    execute(operation("open", "q", { consumer: one }), operation("open", "q", { consumer: two }));
    execute(operation("take", "q"), operation("abort", "q", { consumer: two }));
    const previews = backend.previews("q", most) ?? [];
    expect(previews.map(({ number, open }) => [number, open])).toEqual([
      [1, true],
      [2, false],
      [4, false],
    ]);
  });

  test("read no more than a megabyte or so", () => {
    for (let n = 0; n < 5; n++) execute(operation("put", "q", { body: "x".repeat(600_000) }));
    expect(backend.previews("q", most)).toHaveLength(2);
  });
});

describe("the oldest arrival", () => {
  test("is that of the oldest message, an open one too, and 0 when there is none", async () => {
    expect(backend.oldestArrival("q")).toBe(0);
    stock("1");
    const first = backend.oldestArrival("q");
    expect(Math.abs(Date.now() - first)).toBeLessThan(10_000);
    while (Date.now() === first) await Promise.resolve();
    stock("2");
    const consumer = backend.newConsumer();
    execute(operation("open", "q", { consumer }));
    expect(backend.oldestArrival("q")).toBe(first);
    execute(operation("close", "q", { consumer }));
    expect(backend.oldestArrival("q")).toBeGreaterThan(first);
    execute(operation("take", "q"));
    expect(backend.oldestArrival("q")).toBe(0);
  });

  test("is asked of the store once a message", () => {
    stock("1", "2");
    let asked = 0;
    const { arrived } = store;
    store.arrived = (queue, number) => (asked++, arrived(queue, number));
    for (let n = 0; n < 5; n++) backend.oldestArrival("q");
    execute(operation("take", "q"));
    for (let n = 0; n < 5; n++) backend.oldestArrival("q");
    // The commit has looked at the message that was taken, too.
    expect(asked).toBe(3);
  });
});

test("usage and summaries tell what there is", () => {
  stock("1", "22");
  execute(operation("put", "r", { body: "333" }), operation("open", "q"));
  expect(backend.usage()).toMatchObject({
    queues: 2,
    bytes: 6,
    messages: 3,
    sets: 3,
    cacheLimit: 1024 * 1024,
    lost: 0,
  });
  expect(backend.usage().cached).toBeGreaterThan(0);
  expect([...backend.summaries()[0]].map(withoutTally).map(({ id: _id, ...rest }) => rest)).toEqual(
    [
      {
        name: "q",
        messages: 2,
        bytes: 3,
        open: 1,
        openedAt: expect.any(Number),
        arrived: undefined,
        sets: 2,
        gets: 0,
        delayed: 0,
        leased: 0,
        paused: undefined,
        waitedMs: 0,
      },
      {
        name: "r",
        messages: 1,
        bytes: 3,
        open: 0,
        openedAt: undefined,
        arrived: undefined,
        sets: 1,
        gets: 0,
        delayed: 0,
        leased: 0,
        paused: undefined,
        waitedMs: 0,
      },
    ],
  );
  const ids = [...backend.summaries()[0]].map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(backend.summary("unknown")).toBeUndefined();
});

test("the watcher is told of each commit that writes, and of no other", () => {
  stock("1");
  expect(committed).toHaveLength(1);
  execute(operation("open", "q"));
  execute(operation("peek", "q"), operation("none"), operation("details", "unknown"));
  expect(committed).toHaveLength(1);
  for (const milliseconds of committed) expect(milliseconds).toBeGreaterThan(0);
});

test("only errors of its own come out of it", () => {
  const failing = () => {
    throw new StoreError("disk I/O error");
  };
  stock("1");
  Object.assign(store, {
    arrived: failing,
    read: failing,
    extent: failing,
    probe: failing,
    maintain: failing,
    autoCheckpoint: failing,
    checkpoint: failing,
  });
  const calls: (() => unknown)[] = [
    () => backend.oldestArrival("q"),
    () => backend.previews("q", { messages: 1, bytes: 1 }),
    () => backend.disk(),
    () => backend.probe(),
    () => backend.maintain(),
    () => backend.afterReply(),
    () => backend.checkpoint("full"),
  ];
  for (const call of calls) expect(call).toThrow(new BackendError("disk I/O error"));
});

test("a checkpoint that fails fails the requests for one, and nothing else", () => {
  store.checkpoint = () => {
    throw new StoreError("database is locked");
  };
  const asked = operation("archive");
  const stored = operation("put", "q", { body: "1" });
  execute(stored, asked);
  expect([stored.outcome, asked.outcome, asked.error]).toEqual([
    "done",
    "failed",
    "database is locked",
  ]);
});

test("a trickle brings the log into the database only when little of it is there", () => {
  const asked: string[] = [];
  let checkpointed = 80;
  store.checkpoint = (how) => void asked.push(how);
  store.checkpointed = () => checkpointed;
  backend.checkpoint("trickle");
  checkpointed = 20;
  backend.checkpoint("trickle");
  backend.checkpoint("full");
  expect(asked).toEqual(["passive", "full"]);
});
