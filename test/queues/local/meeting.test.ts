/** Where moves, settings, ids and failures meet: a message is never in no queue, nor in two. */
import { describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { doDue, nextDue } from "../../../src/queues/local/due.ts";
import type { LocalConsumer } from "../../../src/queues/local/queue.ts";
import { sweepQueues } from "../../../src/queues/local/sweep.ts";
import { StoreError } from "../../../src/store/store.ts";
import { suite } from "../../store/scratch.ts";
import {
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  NO_LIMITS,
  operation,
  queueOf,
  restart,
  save,
  type Shop,
  shopWith,
  tamper,
} from "./shop.ts";

suite();

function setAll(shop: Shop, queue: string, ...bodies: string[]): string[] {
  return execute(shop, ...bodies.map((body) => operation("put", queue, { body })));
}

function openFor(shop: Shop, consumer: LocalConsumer, queue: string): string[] {
  return execute(shop, operation("open", queue, { consumer }));
}

/** The store's next answers to this question are an error, so many of them. */
function failReads(shop: Shop, what: "read" | "arrived", times = 1): void {
  const { store } = shop;
  const ask = store[what];
  let left = times;
  const failing = () => {
    if (--left <= 0) Object.assign(store, { [what]: ask });
    throw new StoreError("disk I/O error");
  };
  Object.assign(store, { [what]: failing });
}

test("a lease from before a start, and the calendar set back, lasts once for its whole length, also behind a failed sync", () => {
  const shop = shopWith();
  setAll(shop, "q", "a");
  execute(shop, operation("lease", "q", { lease: 1000 }));
  tamper(shop, (database) => database.run("UPDATE held SET due = due + 10000000"));
  restart(shop);
  shop.now += 900;
  failNextCommit(shop, "disk I/O error", "unknown");
  expect(setAll(shop, "other", "x")).toEqual(["failed: disk I/O error, outcome unknown"]);
  execute(shop, operation("peek", "q"));
  shop.now += 100;
  doDue(shop.local);
  expect([details(shop, "q")?.leased, drain(shop, "q")]).toEqual([0, ["a"]]);
});

describe("a dead letter that is opened in the group in which it arrives", () => {
  test.each(["abort", "bury", "release"] as const)("is not made one again: %s", (how) => {
    const shop = shopWith("*:deliveries=1");
    const [consumer, other] = [newConsumer(), newConsumer()];
    setAll(shop, "q", "a");
    openFor(shop, consumer, "q");
    const bury = operation("bury", "q", { consumer });
    const open = operation("open", "q.dead", { consumer: other });
    expect(execute(shop, bury, open)).toEqual(["done", "a"]);
    expect(execute(shop, operation(how, "q.dead", { consumer: other, inVain: true }))).toEqual([
      "done",
    ]);
    restart(shop);
    expect(details(shop, "q.dead.dead")).toBeUndefined();
    expect([drain(shop, "q.dead"), faults(shop)]).toEqual([["a"], []]);
  });
});

describe("a repeat of an id that closes another message", () => {
  test("fails with its commit, and the message is back", () => {
    const shop = shopWith();
    const consumer = newConsumer();
    setAll(shop, "in", "work");
    const set = () => operation("put", "out", { body: "x", id: "a", source: "in", consumer });
    openFor(shop, consumer, "in");
    expect(execute(shop, set())).toEqual(["done"]);
    setAll(shop, "in", "again");
    openFor(shop, consumer, "in");
    failNextCommit(shop, "no space");
    expect(execute(shop, set())).toEqual(["failed: no space"]);
    expect(openFor(shop, consumer, "in")).toEqual(["again"]);
    expect(execute(shop, set(), set())).toEqual(["repeated", "repeated"]);
    expect([details(shop, "in")?.messages, drain(shop, "out")]).toEqual([0, ["x"]]);
    restart(shop);
    expect([drain(shop, "in"), faults(shop)]).toEqual([[], []]);
  });

  test("is done for a lease, too, and once", () => {
    const shop = shopWith();
    setAll(shop, "in", "1", "2");
    const lease = (): number => {
      const one = operation("lease", "in", { lease: 1000 });
      execute(shop, one);
      return one.number;
    };
    const set = (sourceNumber: number) =>
      operation("put", "out", { body: "x", id: "a", source: "in", sourceNumber });
    expect(execute(shop, set(lease()))).toEqual(["done"]);
    const second = lease();
    failNextCommit(shop, "no space");
    expect(execute(shop, set(second))).toEqual(["failed: no space"]);
    expect(details(shop, "in")?.leased).toBe(1);
    expect(execute(shop, set(second), set(second))).toEqual(["repeated", "repeated"]);
    expect([details(shop, "in")?.messages, faults(shop)]).toEqual([0, []]);
  });

  test("is looked for before the space on the disk", () => {
    const shop = shopWith();
    execute(shop, operation("put", "q", { body: "x", id: "a" }));
    shop.limits = { ...NO_LIMITS, minFree: 1e18 };
    restart(shop);
    const put = (id: string) => operation("put", "q", { body: "x", id });
    const [repeat, other] = execute(shop, put("a"), put("b"));
    expect(repeat).toBe("repeated");
    expect(other).toStartWith("failed: less than");
  });
});

describe("a message whose move fails", () => {
  test("by to= stays where it is", () => {
    const shop = shopWith();
    setAll(shop, "q", "1", "2");
    failReads(shop, "arrived");
    expect(execute(shop, operation("move", "q", { target: "r" }))).toEqual([
      "failed: disk I/O error",
    ]);
    expect([drain(shop, "q"), drain(shop, "r"), faults(shop)]).toEqual([["1", "2"], [], []]);
  });

  test("by all/to= stays where it is", () => {
    const shop = shopWith();
    setAll(shop, "q", "1", "2");
    failReads(shop, "arrived");
    expect(execute(shop, operation("move all", "q", { target: "r" }))).toEqual([
      "failed: disk I/O error",
    ]);
    expect([drain(shop, "q"), drain(shop, "r"), faults(shop)]).toEqual([["1", "2"], [], []]);
  });

  test("because it expired stays where it is", () => {
    const shop = shopWith("q:max-age=1,expiry=late");
    setAll(shop, "q", "1");
    // The store's clock is the real one.
    shop.now += 1_000_000;
    const { arrived } = shop.store;
    let asked = 0;
    // The first question is for its age.
    shop.store.arrived = (queue, number) => {
      if (++asked === 2) throw new StoreError("disk I/O error");
      return arrived(queue, number);
    };
    expect(execute(shop, operation("take", "q"))).toEqual(["failed: disk I/O error"]);
    expect(execute(shop, operation("take", "q"))).toEqual(["absent"]);
    expect([drain(shop, "late"), faults(shop)]).toEqual([["1"], []]);
  });

  test("to the dead letters is back in its queue, and so are others of a consumer that is gone", () => {
    const shop = shopWith("*:deliveries=1");
    const consumer = newConsumer();
    for (const queue of ["a", "b"]) setAll(shop, queue, queue);
    openFor(shop, consumer, "a");
    failReads(shop, "read");
    expect(execute(shop, operation("abort", "a", { consumer, delay: -1 }))).toEqual([
      "failed: disk I/O error",
    ]);
    expect(openFor(shop, consumer, "a")).toEqual(["a"]);
    openFor(shop, consumer, "b");
    failReads(shop, "read");
    expect(execute(shop, operation("release", "", { consumer, inVain: true }))).toEqual(["done"]);
    expect(consumer.open.size).toBe(0);
    expect([drain(shop, "a"), drain(shop, "b"), drain(shop, "b.dead")]).toEqual([["a"], [], ["b"]]);
    expect(faults(shop)).toEqual([]);
  });

  test("keeps no other lease from its end", () => {
    const shop = shopWith("*:deliveries=1");
    for (const queue of ["a", "b"]) {
      setAll(shop, queue, queue);
      execute(shop, operation("lease", queue, { lease: 1000 }));
    }
    shop.now += 2000;
    failReads(shop, "read");
    doDue(shop.local);
    expect([details(shop, "a")?.leased, drain(shop, "b.dead")]).toEqual([1, ["b"]]);
    shop.now += 1000;
    doDue(shop.local);
    expect([drain(shop, "a.dead"), faults(shop)]).toEqual([["a"], []]);
  });
});

test("a get that takes very many expired messages away fails with its commit, and is not tried for ever", () => {
  const shop = shopWith("q:max-age=1");
  setAll(shop, "q", ...Array.from({ length: 600 }, String));
  shop.now += 1_000_000;
  failNextCommit(shop, "no space");
  expect(execute(shop, operation("take", "q"))).toEqual(["failed: no space"]);
  expect(details(shop, "q")).toMatchObject({ messages: 600, expired: 0 });
  expect(execute(shop, operation("take", "q"))).toEqual(["postponed"]);
  expect([details(shop, "q")?.messages, faults(shop)]).toEqual([344, []]);
});

describe("messages that expire", () => {
  test("are not moved by all/to=, but expire", () => {
    const shop = shopWith("q:expiry=late");
    const put = (body: string, expires: number) => operation("put", "q", { body, expires });
    execute(shop, put("1", 1), put("2", 0), put("3", 1), put("4", 0));
    expect(execute(shop, operation("move all", "q", { target: "r" }))).toEqual(["done"]);
    expect([drain(shop, "r"), drain(shop, "late")]).toEqual([
      ["2", "4"],
      ["1", "3"],
    ]);
    expect(faults(shop)).toEqual([]);
  });

  test("keep their time while they are leased or delayed, whatever is taken meanwhile", () => {
    const shop = shopWith("q:expiry=late");
    const expires = Date.now() + 500_000;
    execute(shop, operation("put", "q", { body: "leased", expires }));
    execute(shop, operation("lease", "q", { lease: 1_000_000 }));
    execute(shop, operation("put", "q", { body: "delayed", expires, delay: 1_000_000 }));
    for (let n = 0; n < 3; n++) {
      setAll(shop, "q", ...Array.from({ length: 1500 }, String));
      expect(drain(shop, "q")).toHaveLength(1500);
      save(shop);
    }
    shop.now += 2_000_000;
    doDue(shop.local);
    expect(execute(shop, operation("take", "q"))).toEqual(["absent"]);
    expect([drain(shop, "late"), faults(shop)]).toEqual([["leased", "delayed"], []]);
  });

  test("are swept away behind one that is open, or delayed", () => {
    const shop = shopWith("q:expiry=late");
    setAll(shop, "q", "open");
    openFor(shop, newConsumer(), "q");
    execute(shop, operation("put", "q", { body: "delayed", delay: 1000 }));
    execute(shop, operation("put", "q", { body: "expired", expires: 1 }));
    expect(sweepQueues(shop.local)).toBe(true);
    expect([drain(shop, "late"), details(shop, "q")?.messages]).toEqual([["expired"], 2]);
    expect(sweepQueues(shop.local)).toBe(false);
  });
});

test("a message that is moved twice in a group keeps the time at which it came", () => {
  const shop = shopWith();
  setAll(shop, "a", "x");
  const arrived = shop.store.arrived(queueOf(shop, "a").id, 1);
  shop.now += 1_000_000;
  const move = (from: string, target: string) => operation("move", from, { target });
  execute(shop, move("a", "b"), move("b", "c"));
  expect(arrived).toBeGreaterThan(0);
  expect(shop.store.arrived(queueOf(shop, "c").id, 1)).toBe(arrived);
});

describe("long messages that are moved", () => {
  const LONG = "x".repeat(300_000);
  const all = Array<string>(10).fill(LONG);

  test("are a few of each group, by all/to=", () => {
    const shop = shopWith();
    setAll(shop, "q", ...all);
    const one = operation("move all", "q", { target: "r" });
    const left: unknown[] = [];
    for (const cursor of [undefined, 1, 2]) {
      if (cursor !== undefined) Object.assign(one, { outcome: "pending" });
      left.push(...execute(shop, one), details(shop, "q")?.messages);
    }
    expect(left).toEqual(["more", 6, "more", 2, "done", 0]);
  });

  test("are a few of each group, because they expired", () => {
    const shop = shopWith("q:max-age=1,expiry=late");
    setAll(shop, "q", ...all);
    shop.now += 1_000_000;
    expect(sweepQueues(shop.local)).toBe(true);
    const swept = details(shop, "late")?.messages ?? 0;
    expect(execute(shop, operation("take", "q"))).toEqual(["postponed"]);
    const taken = (details(shop, "late")?.messages ?? 0) - swept;
    for (const each of [swept, taken]) expect([2, 3, 4]).toContain(each);
  });

  test("are a few of each group, because their leases ended", () => {
    const shop = shopWith("q:deliveries=1");
    setAll(shop, "q", ...all);
    execute(shop, ...all.map(() => operation("lease", "q", { lease: 1000 })));
    const leased = details(shop, "q")?.leased ?? 0;
    shop.now += 2000;
    doDue(shop.local);
    expect(details(shop, "q.dead")?.messages).toBe(4);
    // It goes on at once.
    expect(nextDue(shop.local)).toBeLessThanOrEqual(shop.now);
    for (let n = 0; n < 2; n++) doDue(shop.local);
    expect([details(shop, "q.dead")?.messages, faults(shop)]).toEqual([leased, []]);
  });
});

test("leases of a queue that was deleted keep no others from their end", () => {
  const shop = shopWith();
  setAll(shop, "a", "1");
  setAll(shop, "b", "2");
  execute(shop, operation("lease", "a", { lease: 1000 }), operation("delete", "a"));
  execute(shop, operation("lease", "b", { lease: 1500 }));
  shop.now += 1100;
  doDue(shop.local);
  expect(nextDue(shop.local)).toBeLessThanOrEqual(1500);
  shop.now += 400;
  doDue(shop.local);
  expect([drain(shop, "b"), nextDue(shop.local)]).toEqual([["2"], Infinity]);
});

test("a move to a child that is not there yet is within the limits of its parent", () => {
  const shop = shopWith("q:max-bytes=3");
  shop.local.fanout.isOn = true;
  setAll(shop, "big", "12345");
  expect(execute(shop, operation("move", "big", { target: "q+child" }))).toEqual([
    "failed: a limit of queue q+child is reached, and nothing was moved",
  ]);
  expect(drain(shop, "big")).toEqual(["12345"]);
});
