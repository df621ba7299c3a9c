/** Which messages the queues announce to clients that wait. */
import { beforeEach, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  execute,
  flush,
  newShop,
  openNext,
  operation,
  put,
  release,
  remove,
  restoring,
  run,
  save,
  type Shop,
  undo,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop();
  shop.awaited.add("q");
});

/** What was announced since the last call. */
function announced(): string[] {
  return shop.ready.splice(0);
}

test("messages of an awaited queue that are left when a group ends, with their number", () => {
  put(shop, "q", "1");
  put(shop, "r", "1");
  put(shop, "q", "2");
  expect(announced()).toEqual([]);
  save(shop);
  expect(announced()).toEqual(["q 2"]);
  body(shop, "q");
  save(shop);
  expect(announced()).toEqual(["q 1"]);
  body(shop, "q");
  save(shop);
  expect(announced()).toEqual([]);
  put(shop, "r", "2");
  save(shop);
  expect(announced()).toEqual([]);
});

test("nothing that was set and taken in one group", () => {
  put(shop, "q", "1");
  body(shop, "q");
  save(shop);
  expect(announced()).toEqual([]);
});

test("what comes back: by an abort, by a release, by a restore", () => {
  put(shop, "q", "1");
  save(shop);
  announced();
  const comeBack: (() => () => void)[] = [
    () => {
      const consumer = openNext(shop, "q");
      return () => void abort(shop, "q", consumer);
    },
    () => {
      const consumer = openNext(shop, "q");
      return () => release(shop, consumer);
    },
    () => {
      const taken = run(shop, operation("take", "q"));
      return () => void run(shop, restoring(taken));
    },
  ];
  for (const begin of comeBack) {
    const giveBack = begin();
    save(shop);
    expect(announced()).toEqual([]);
    giveBack();
    save(shop);
    expect(announced()).toEqual(["q 1"]);
  }
});

test("nothing of a queue that is emptied or deleted in the same group", () => {
  put(shop, "q", "1");
  flush(shop, "q");
  save(shop);
  expect(announced()).toEqual([]);
  put(shop, "q", "2");
  remove(shop, "q");
  save(shop);
  expect(announced()).toEqual([]);
  put(shop, "q", "3");
  save(shop);
  expect(announced()).toEqual(["q 1"]);
});

test("what a failed group gives back, and not what it set", () => {
  put(shop, "q", "1");
  undo(shop);
  expect(announced()).toEqual([]);
  put(shop, "q", "1");
  save(shop);
  announced();
  body(shop, "q");
  undo(shop);
  expect(announced()).toEqual(["q 1"]);
  remove(shop, "q");
  undo(shop);
  expect(announced()).toEqual(["q 1"]);
});

test("a queue once, however often a group uses it", () => {
  const consumer = newConsumer();
  execute(
    shop,
    operation("put", "q", { body: "1" }),
    operation("open", "q", { consumer }),
    operation("put", "q", { body: "2" }),
    operation("abort", "q", { consumer }),
  );
  expect(announced()).toEqual(["q 2"]);
});
