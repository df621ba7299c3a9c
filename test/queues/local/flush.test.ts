/** A flush of delayed messages, which are in the store only: it reads them, a part at a time. */
import { expect, test } from "bun:test";

import { doDue } from "../../../src/queues/local/due.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { StoreError } from "../../../src/store/store.ts";
import { suite } from "../../store/scratch.ts";
import {
  details,
  drain,
  execute,
  faults,
  newShop,
  operation,
  queueOf,
  recountAll,
  restart,
  type Shop,
  take,
} from "./shop.ts";

suite();

/** More than two parts. */
const MANY = 600;

function delayed(count: number, delay = 5000): Shop {
  const shop = newShop();
  const put = (body: string, fields = {}) => operation("put", "q", { body, ...fields });
  execute(shop, put("one"), put("two"));
  execute(shop, ...Array.from({ length: count }, () => put("later", { delay })));
  return shop;
}

/** The read of a body that comes after so many others fails, once. */
function failRead(shop: Shop, after: number): void {
  const { store } = shop;
  const { read } = store;
  let left = after;
  store.read = (queue, from, bytes) => {
    if (left-- > 0) return read(queue, from, bytes);
    store.read = read;
    throw new StoreError("cannot read");
  };
}

test.each(["flush", "flush all"] as const)(
  "of a %s whose first part cannot be read nothing has happened",
  (kind) => {
    const shop = delayed(3);
    failRead(shop, 1);
    const before = details(shop, "q");
    expect(execute(shop, operation(kind, "q"))).toEqual(["failed: cannot read"]);
    expect(details(shop, "q")).toEqual(before);
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["one", "two"]);
    expect(execute(shop, operation(kind, "q"))).toEqual(["done"]);
    expect(details(shop, "q")).toMatchObject({ messages: 0, bytes: 0 });
  },
);

test("when it fails later, the bytes are those of what is left", () => {
  const shop = delayed(MANY);
  failRead(shop, 400);
  const one = operation("flush", "q");
  expect(flushParts(shop, one)).toBe("failed");
  expect(one.error).toBe("cannot read");
  recountAll(shop);
  const left = details(shop, "q")?.messages ?? 0;
  expect(left).toBe(MANY - 256);
  expect(details(shop, "q")).toMatchObject({ bytes: left * "later".length });
  expect(faults(shop)).toEqual([]);
  restart(shop);
  expect(queueOf(shop, "q").bytes).toBe(left * "later".length);
});

test("what falls due between its parts is delivered, and the bytes are right", () => {
  const shop = delayed(MANY);
  const one = operation("flush", "q");
  execute(shop, one);
  expect(one.outcome).toBe("more");
  shop.now += 6000;
  doDue(shop.local);
  expect(take(shop, "q")?.body).toBe("later");
  expect(flushParts(shop, one)).toBe("done");
  recountAll(shop);
  expect(faults(shop)).toEqual([]);
  const left = details(shop, "q")?.messages ?? 0;
  expect(details(shop, "q")).toMatchObject({ bytes: left * "later".length });
  expect(drain(shop, "q")).toEqual(Array.from({ length: left }, () => "later"));
});

test("killed between its parts, the bytes are right again after the start", () => {
  const shop = delayed(MANY);
  const one = operation("flush", "q");
  execute(shop, one);
  expect(one.outcome).toBe("more");
  restart(shop);
  recountAll(shop);
  const left = details(shop, "q")?.messages ?? 0;
  expect(left).toBe(MANY - 256);
  expect(details(shop, "q")).toMatchObject({ bytes: left * "later".length });
  expect(faults(shop)).toEqual([]);
  // They are counted once.
  restart(shop);
  expect(shop.local.recounts.size).toBe(0);
  expect(details(shop, "q")).toMatchObject({ bytes: left * "later".length });
});

test("a count of the bytes that ends between its parts is not corrected twice", () => {
  const shop = delayed(MANY);
  execute(shop, operation("put", "q", { body: "kept", delay: 5000 }));
  const one = operation("flush", "q");
  execute(shop, one);
  recountAll(shop);
  execute(shop, operation("put", "q", { body: "newer" }));
  expect(flushParts(shop, one)).toBe("done");
  expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: "newer".length });
  recountAll(shop);
  expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: "newer".length });
  expect(faults(shop)).toEqual([]);
});

/** Executes it until it is done. */
function flushParts(shop: Shop, one: Operation): string {
  for (let n = 0; n < 100; n++) {
    if (one.outcome === "more") one.outcome = "pending";
    const [outcome] = execute(shop, one);
    if (outcome !== "more") return one.outcome;
  }
  throw new Error("there is no end to it");
}
