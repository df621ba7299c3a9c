/** The limits of single queues, and what makes room at them. */
import { describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { setRules } from "../../../src/queues/local/state.ts";
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
  NO_LIMITS,
  operation,
  put,
  restart,
  ruleOf,
  save,
  type Shop,
  undo,
} from "./shop.ts";

suite();

function shopWith(...rules: string[]): Shop {
  return newShop(1024 * 1024, NO_LIMITS, rules);
}

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

test("rules that are read again hold from the next message on", () => {
  const shop = shopWith("q:max-messages=1");
  expect(putAll(shop, "1", "2")).toEqual([true, false]);
  setRules(shop.local, [ruleOf("q:max-messages=2")]);
  expect(putAll(shop, "2", "3")).toEqual([true, false]);
  setRules(shop.local, []);
  expect(putAll(shop, "3", "4")).toEqual([true, true]);
});
