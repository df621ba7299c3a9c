/** The limits of single queues, and what makes room at them. */
import { describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { setRules } from "../../../src/queues/local/state.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { newRandom } from "../../protocol/random.ts";
import { suite } from "../../store/scratch.ts";
import {
  body,
  counts,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  newShop,
  operation,
  put,
  restart,
  ruleOf,
  save,
  type Shop,
  shopWith,
  undo,
} from "./shop.ts";

suite();

function putAll(shop: Shop, ...bodies: string[]): boolean[] {
  return bodies.map((each) => put(shop, "q", each));
}

describe("max-bytes", () => {
  test("is for its queue, exactly, and counts what is open", () => {
    const shop = shopWith("q:max-bytes=10");
    expect(putAll(shop, "12345", "123456", "12345", "", "1")).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
    expect(put(shop, "r", "12345678901")).toBe(true);
    body(shop, "q", newConsumer(), "open");
    expect(put(shop, "q", "1")).toBe(false);
    expect(body(shop, "q")).toBe("12345");
    expect(put(shop, "q", "12345")).toBe(true);
    save(shop);
    restart(shop);
    expect([put(shop, "q", "1"), faults(shop)]).toEqual([false, []]);
  });

  test("makes no queue for a message that is too large", () => {
    const shop = shopWith("q:max-bytes=10,drop-oldest=yes");
    expect([put(shop, "q", "12345678901"), counts(shop)]).toEqual([false, []]);
  });
});

describe("drop-oldest", () => {
  test("keeps the newest, and counts what is gone", () => {
    const shop = shopWith("q:max-messages=3,drop-oldest=yes");
    expect(putAll(shop, "1", "2", "3", "4", "5")).toEqual([true, true, true, true, true]);
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 3, sets: 5, gets: 2, dropped: 2 });
    expect(put(shop, "q", "6")).toBe(true);
    save(shop);
    restart(shop);
    expect([drain(shop, "q"), faults(shop)]).toEqual([["4", "5", "6"], []]);
  });

  test("drops as many as a long message needs", () => {
    const shop = shopWith("q:max-bytes=10,drop-oldest=yes");
    putAll(shop, "1111", "2222", "33");
    expect(put(shop, "q", "4444444")).toBe(true);
    expect([drain(shop, "q"), details(shop, "q")?.dropped]).toEqual([["33", "4444444"], 2]);
  });

  test("never drops what is open: without enough room nothing goes", () => {
    const shop = shopWith("q:max-bytes=10,drop-oldest=yes");
    putAll(shop, "1111", "2222", "33");
    body(shop, "q", newConsumer(), "open");
    expect([put(shop, "q", "7777777"), put(shop, "q", "666666")]).toEqual([false, true]);
    expect([drain(shop, "q"), details(shop, "q")?.dropped]).toEqual([["666666"], 2]);
  });

  test("makes room below --max-bytes, too, with messages of its own queue", () => {
    const shop = newShop(1024 * 1024, { messages: Infinity, bytes: 10 }, ["q:drop-oldest=yes"]);
    expect([put(shop, "q", "1234"), put(shop, "r", "1234"), put(shop, "q", "123456")]).toEqual([
      true,
      true,
      true,
    ]);
    expect([put(shop, "r", "1"), put(shop, "q", "1234567")]).toEqual([false, false]);
    expect([drain(shop, "q"), faults(shop)]).toEqual([["123456"], []]);
  });

  test("is undone with a commit that fails", () => {
    const shop = shopWith("q:max-messages=2,drop-oldest=yes");
    putAll(shop, "1", "2");
    save(shop);
    failNextCommit(shop, "no space");
    const told = execute(shop, operation("put", "q", { body: "3" }), operation("details", "q"));
    expect(told).toEqual(["failed: no space", "failed: no space"]);
    expect(details(shop, "q")).toMatchObject({
      messages: 2,
      bytes: 2,
      sets: 2,
      gets: 0,
      dropped: 0,
    });
    put(shop, "q", "4");
    undo(shop);
    expect([drain(shop, "q"), faults(shop)]).toEqual([["1", "2"], []]);
  });
});

/** Executes the set as often as it takes. @returns in how many groups, and how many messages each of them left */
function setInParts(shop: Shop, length: number): { outcome: string; left: number[] } {
  const set = operation("put", "q", { body: "x".repeat(length) });
  const left: number[] = [];
  do {
    Object.assign(set, { outcome: "pending" });
    set.session.postponed = false;
    execute(shop, set);
    left.push(details(shop, "q")?.messages ?? 0);
  } while (set.outcome === "postponed" && left.length < 100);
  return { outcome: set.outcome, left };
}

describe("room for which very many must go", () => {
  /** A queue of 5,000 messages of two bytes. */
  function shopWithMany(...rules: string[]): Shop {
    const shop = shopWith(...rules);
    const many = Array.from({ length: 5000 }, () => operation("put", "q", { body: "12" }));
    execute(shop, ...many);
    return shop;
  }

  test("is made in parts below a limit that was lowered, and other requests are done in between", () => {
    const shop = shopWithMany();
    setRules(shop.local, [ruleOf("q:max-messages=10,drop-oldest=yes")]);
    const sets = [1, 2].map((n) => operation("put", "q", { body: `${n}` }));
    expect(execute(shop, ...sets, operation("put", "r", { body: "1" }))).toEqual([
      "postponed",
      "postponed",
      "done",
    ]);
    expect(details(shop, "q")?.messages).toBe(4000);
    expect(setInParts(shop, 1)).toEqual({ outcome: "done", left: [3000, 2000, 1000, 10] });
    expect([details(shop, "q")?.dropped, faults(shop)]).toEqual([4991, []]);
    restart(shop);
    expect(drain(shop, "q")).toEqual([...Array(9).fill("12"), "x"]);
  });

  test("is made in parts for a long message among short ones, exactly as many as it needs", () => {
    const shop = shopWithMany("q:max-bytes=10000,drop-oldest=yes");
    expect(setInParts(shop, 5001)).toEqual({ outcome: "done", left: [4000, 3000, 2500] });
    expect(details(shop, "q")?.bytes).toBe(2499 * 2 + 5001);
  });

  test("in parts fails with its commit, and is not tried for ever", () => {
    const shop = shopWithMany("q:max-bytes=10000,drop-oldest=yes");
    failNextCommit(shop, "no space");
    expect(setInParts(shop, 5001)).toEqual({ outcome: "failed", left: [5000] });
    expect([details(shop, "q")?.dropped, faults(shop)]).toEqual([0, []]);
  });

  test("is counted with few reads where messages are delayed, put back and leased", () => {
    const shop = shopWithMany("q:max-bytes=10000,drop-oldest=yes");
    execute(shop, operation("take", "q"));
    execute(shop, operation("put", "q", { body: "1", delay: 1000 }));
    const consumers = Array.from({ length: 2000 }, () => newConsumer());
    execute(shop, ...consumers.map((consumer) => operation("open", "q", { consumer })));
    execute(shop, ...consumers.map((consumer) => operation("abort", "q", { consumer })));
    const { read } = shop.store;
    let reads = 0;
    shop.store.read = (...about) => (reads++, read(...about));
    // One byte is free, and one delayed.
    expect(setInParts(shop, 10_000)).toEqual({ outcome: "full", left: [5000] });
    expect(reads).toBeLessThan(10);
  });

  test("is made in parts for copies, too, which come down to their limit", () => {
    const shop = shopWithMany();
    setRules(shop.local, [ruleOf("q:max-messages=10,drop-oldest=yes"), ruleOf("p:copy-to=q")]);
    for (let n = 1; n <= 6; n++) execute(shop, operation("put", "p", { body: `${n}` }));
    expect(details(shop, "q")).toMatchObject({ messages: 10, missed: 0 });
    expect([drain(shop, "q").slice(-6).join(""), faults(shop)]).toEqual(["123456", []]);
  });
});

test("a set drops as many as it needs, and none when all are not enough, whatever else is in the queue", () => {
  const random = newRandom(17);
  const outcomes = { done: 0, full: 0 };
  for (let round = 0; round < 60; round++) {
    const shop = shopWith();
    const later: Operation[] = [];
    const lengths = Array.from({ length: 30 }, () => random.below(20));
    const available: number[] = [];
    for (const length of lengths) {
      const delay = random.below(3) === 0 ? 1000 : 0;
      if (delay === 0) available.push(length);
      execute(shop, operation("put", "q", { body: "x".repeat(length), delay }));
    }
    const leased = random.below(5);
    available.splice(0, leased);
    for (let n = 0; n < leased; n++) execute(shop, operation("lease", "q", { lease: 1000 }));
    if (random.below(2) === 0) restart(shop);
    const back = available.splice(0, random.below(8)).filter(() => {
      const consumer = newConsumer();
      execute(shop, operation("open", "q", { consumer }));
      if (random.below(2) === 0) return false;
      later.push(operation("abort", "q", { consumer }));
      return true;
    });
    available.unshift(...back);
    execute(shop, ...later.splice(0));
    const bytes = lengths.reduce((sum, each) => sum + each, 0);
    setRules(shop.local, [ruleOf(`q:max-bytes=${bytes},drop-oldest=yes`)]);
    const set = operation("put", "q", { body: "x".repeat(random.below(250)) });
    let needed = 0;
    for (let left = set.end - set.start; left > 0 && needed <= available.length; needed++) {
      left -= available[needed] ?? 0;
    }
    const isEnough = needed <= available.length;
    execute(shop, set);
    expect(set.outcome).toBe(isEnough ? "done" : "full");
    expect(details(shop, "q")?.messages).toBe(isEnough ? 31 - needed : 30);
    expect(faults(shop)).toEqual([]);
    outcomes[isEnough ? "done" : "full"]++;
  }
  expect(Math.min(outcomes.done, outcomes.full)).toBeGreaterThan(10);
});

test("rules that are read again hold from the next message on", () => {
  const shop = shopWith("q:max-messages=1");
  expect(putAll(shop, "1", "2")).toEqual([true, false]);
  setRules(shop.local, [ruleOf("q:max-messages=2")]);
  expect(putAll(shop, "2", "3")).toEqual([true, false]);
  setRules(shop.local, []);
  expect(putAll(shop, "3", "4")).toEqual([true, true]);
});
