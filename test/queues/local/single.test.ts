/** Single messages that are removed or returned while the store fails: nothing is lost. The rest is in model.test.ts. */
import { beforeEach, expect, test } from "bun:test";

import { StoreError } from "../../../src/store/store.ts";
import { suite } from "../../store/scratch.ts";
import { drain, execute, newShop, openNext, operation, restart, type Shop } from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  // Nothing stays in memory.
  shop = newShop(0);
  for (let n = 1; n <= 6; n++) execute(shop, operation("put", "q", { body: `body ${n}` }));
  const consumer = openNext(shop, "q");
  expect(execute(shop, operation("abort", "q", { consumer, delay: 0 }))).toEqual(["done"]);
  restart(shop);
});

/** Reads number `which` of the store fails, counted from 0. */
function failRead(which: number): void {
  const { read } = shop.store;
  let count = 0;
  shop.store.read = (...asked) => {
    if (count++ === which) throw new StoreError("disk I/O error");
    return read(...asked);
  };
}

const ALL = [1, 2, 3, 4, 5, 6].map((n) => `body ${n}`);

test.each([0, 1])("the removal fails at read %d, and happens the next time", (which) => {
  const { read } = shop.store;
  failRead(which);
  const remove = () => execute(shop, operation("remove", "q", { number: 4 }));
  expect(remove()).toEqual(["failed: disk I/O error"]);
  shop.store.read = read;
  expect(remove()).toEqual(["done"]);
  expect(drain(shop, "q")).toEqual(ALL.filter((body) => body !== "body 4"));
});

test.each([0, 1])("after a removal that failed at read %d all is there", (which) => {
  const { read } = shop.store;
  failRead(which);
  expect(execute(shop, operation("remove", "q", { number: 4 }))).toEqual([
    "failed: disk I/O error",
  ]);
  shop.store.read = read;
  execute(shop, operation("none"));
  expect(drain(shop, "q")).toEqual(ALL);
});

test("a return that fails leaves the dead letter where it is", () => {
  const consumer = openNext(shop, "q");
  expect(execute(shop, operation("bury", "q", { consumer }))).toEqual(["done"]);
  restart(shop);
  const { arrived } = shop.store;
  shop.store.arrived = () => {
    throw new StoreError("disk I/O error");
  };
  const back = () => execute(shop, operation("return", "q.dead", { number: 1 }));
  expect(back()).toEqual(["failed: disk I/O error"]);
  shop.store.arrived = arrived;
  expect(back()).toEqual(["done"]);
  expect(drain(shop, "q")).toEqual([...ALL.slice(1), "body 1"]);
  expect(drain(shop, "q.dead")).toEqual([]);
});
