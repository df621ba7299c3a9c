/** A message with an id is set once. */
import { describe, expect, test } from "bun:test";

import { rows, suite } from "../../store/scratch.ts";
import {
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  newShop,
  NO_LIMITS,
  operation,
  restart,
  type Shop,
  shopWith,
} from "./shop.ts";

suite();

function setting(id: string, body = id, queue = "q") {
  return operation("put", queue, { id, body });
}

function set(shop: Shop, ...ids: string[]): string[] {
  return execute(shop, ...ids.map((id) => setting(id)));
}

function tokenRows(shop: Shop): number {
  return rows(shop.home, "SELECT key FROM token").length;
}

test("a repeat adds nothing, in the same group and later, and after a restart", () => {
  const shop = newShop();
  expect(set(shop, "a", "b", "a")).toEqual(["done", "done", "repeated"]);
  expect(set(shop, "b", "c")).toEqual(["repeated", "done"]);
  expect(execute(shop, setting("a", "x", "other"))).toEqual(["done"]);
  expect(details(shop, "q")).toMatchObject({ messages: 3, sets: 3, duplicates: 2 });
  restart(shop);
  expect(set(shop, "a", "b", "c", "d")).toEqual(["repeated", "repeated", "repeated", "done"]);
  expect([drain(shop, "q"), faults(shop)]).toEqual([["a", "b", "c", "d"], []]);
});

test("an id is kept when its message is gone, and over a flush, and goes with the queue", () => {
  const shop = newShop();
  set(shop, "a", "b");
  expect(execute(shop, operation("take", "q"), operation("flush", "q"))).toEqual(["a", "done"]);
  expect(set(shop, "a", "b")).toEqual(["repeated", "repeated"]);
  expect(execute(shop, operation("delete", "q"), setting("a"), setting("a"))).toEqual([
    "done",
    "done",
    "repeated",
  ]);
});

test("an id is remembered only when its message is stored", () => {
  const shop = shopWith("q:max-messages=1");
  expect(set(shop, "a", "b", "a")).toEqual(["done", "full", "repeated"]);
  execute(shop, operation("take", "q"));
  expect(set(shop, "b", "a")).toEqual(["done", "repeated"]);
});

test("a group that fails leaves no id", () => {
  const shop = newShop();
  set(shop, "a");
  failNextCommit(shop, "no space");
  expect(set(shop, "b", "b", "a")).toEqual(Array(3).fill("failed: no space"));
  expect(details(shop, "q")).toMatchObject({ messages: 1, duplicates: 0 });
  expect(set(shop, "b", "b", "a")).toEqual(["done", "repeated", "repeated"]);
  expect(faults(shop)).toEqual([]);
});

describe("the time of once", () => {
  test("ends an id", () => {
    const shop = shopWith("q:once=1000");
    expect(set(shop, "a")).toEqual(["done"]);
    shop.now += 999;
    expect(set(shop, "a")).toEqual(["repeated"]);
    shop.now += 1;
    expect(set(shop, "a", "a")).toEqual(["done", "repeated"]);
    shop.now += 999;
    expect(set(shop, "a")).toEqual(["repeated"]);
  });

  test("frees rows of the store, and memory", () => {
    const shop = newShop();
    for (let n = 0; n < 50; n++) {
      shop.now += 100_000;
      set(shop, `a${n}`, `b${n}`);
    }
    expect(shop.local.once.ids.end - shop.local.once.ids.first).toBe(14);
    // What is forgotten is removed with the next commit.
    expect(tokenRows(shop)).toBe(8);
  });
});

test("no more ids are kept than the limit says, on disk neither", () => {
  const shop = newShop(1024 * 1024, { ...NO_LIMITS, ids: 10 });
  for (let n = 0; n < 100; n++) set(shop, `${n}`);
  const first = [...Array(90).keys()].map(String);
  expect(shop.local.once.ids.end - shop.local.once.ids.first).toBe(10);
  expect(tokenRows(shop)).toBeLessThanOrEqual(11);
  restart(shop);
  expect(set(shop, "90", "99")).toEqual(["repeated", "repeated"]);
  expect(set(shop, first[0] ?? "", first[89] ?? "")).toEqual(["done", "done"]);
});
