/** Messages that are opened before their time, and commits that fail meanwhile. */
import { afterAll, beforeEach, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import {
  body,
  close,
  counts,
  details,
  execute,
  failNextCommit,
  newShop,
  operation,
  put,
  restart,
  save,
  type Shop,
} from "./shop.ts";

let shop: Shop;
beforeEach(() => {
  shop = newShop();
});
afterAll(() => shop.store.close());

const DELAY = 1_000_000;

function delay(text: string): void {
  expect(execute(shop, operation("put", "q", { body: text, delay: DELAY }))).toEqual(["done"]);
}

function openEarly(consumer = newConsumer()) {
  const one = operation("open", "q", { consumer, scope: "early" });
  const [told] = execute(shop, one);
  return { told, consumer, one };
}

function state() {
  const { messages, open, delayed, bytes } = details(shop, "q") ?? {};
  return { messages, open, delayed, bytes };
}

test("when the commit of the open fails, it waits as before", () => {
  delay("later");
  failNextCommit(shop);
  const consumer = newConsumer();
  const one = operation("open", "q", { consumer, scope: "early" });
  // Something is written.
  expect(execute(shop, one, operation("put", "q", { body: "now" }))).toEqual([
    "failed: no",
    "failed: no",
  ]);
  expect(state()).toEqual({ messages: 1, open: 0, delayed: 1, bytes: 5 });
  expect(body(shop, "q")).toBeUndefined();
  expect(openEarly(consumer).told).toBe("later");
});

test.each([["close"], ["abort"]] as const)(
  "when the commit of a %s fails, it waits again, and is there once",
  (kind) => {
    delay("later");
    const { consumer } = openEarly();
    failNextCommit(shop);
    const ending = operation(kind, "q", { consumer, delay: kind === "abort" ? 5 : -1 });
    expect(execute(shop, ending)).toEqual(["failed: no"]);
    expect(state()).toEqual({ messages: 1, open: 0, delayed: 1, bytes: 5 });
    expect(body(shop, "q")).toBeUndefined();
    const again = openEarly();
    expect([again.told, again.one.deliveries]).toEqual(["later", 1]);
    expect(close(shop, "q", again.consumer)).toBe(true);
    save(shop);
    expect(counts(shop)).toEqual(["q 1/1"]);
  },
);

test("after a failed sync it waits again, or is gone, as the file says", () => {
  for (const isCommitted of [false, true]) {
    shop = newShop();
    delay("later");
    const { consumer } = openEarly();
    failNextCommit(shop, "no", "unknown", isCommitted);
    execute(shop, operation("close", "q", { consumer }));
    expect(openEarly().told).toBe(isCommitted ? "absent" : "later");
  }
});

test("given back or not, a restart finds it in its place", () => {
  delay("first");
  expect(put(shop, "q", "second")).toBe(true);
  save(shop);
  delay("third");
  const { consumer, told } = openEarly();
  expect(told).toBe("first");
  // Without a delay of its own.
  expect(execute(shop, operation("abort", "q", { consumer, delay: -1 }))).toEqual(["done"]);
  const all = ["first", "second", "third", "absent"];
  expect(all.map(() => openEarly().told)).toEqual(all);
  restart(shop);
  expect(state()).toMatchObject({ messages: 3, delayed: 2 });
  expect(all.map(() => openEarly().told)).toEqual(all);
});

test("once its time has come it is delivered like any other, and that counts", () => {
  delay("later");
  shop.now += DELAY;
  const first = openEarly();
  expect([first.told, first.one.dueIn]).toEqual(["later", 0]);
  expect(execute(shop, operation("abort", "q", { consumer: first.consumer, delay: -1 }))).toEqual([
    "done",
  ]);
  expect(openEarly().one.deliveries).toBe(2);
});

test("given back with a delay of its own it does not wait any more, also in the same group", () => {
  delay("later");
  const { consumer, one } = openEarly();
  expect(one.dueIn).toBe(DELAY);
  const abort = (delay: number) => operation("abort", "q", { consumer, delay });
  const again = operation("open", "q", { consumer, scope: "early" });
  const third = operation("open", "q", { consumer });
  expect(execute(shop, abort(0), again, abort(-1), third)).toEqual([
    "done",
    "later",
    "done",
    "later",
  ]);
  expect([again.dueIn, again.deliveries, third.deliveries]).toEqual([0, 2, 3]);
});

test("given back with a delay of its own in a group that fails, it waits as before", () => {
  delay("later");
  const { consumer } = openEarly();
  failNextCommit(shop);
  const abort = operation("abort", "q", { consumer, delay: 0 });
  const again = operation("open", "q", { consumer, scope: "early" });
  expect(execute(shop, abort, again)).toEqual(["failed: no", "failed: no"]);
  expect(body(shop, "q")).toBeUndefined();
  expect(state()).toMatchObject({ messages: 1, open: 0, delayed: 1 });
  const { one } = openEarly();
  expect([one.dueIn, one.deliveries]).toEqual([DELAY, 1]);
});
