/** A message that was taken, and not delivered, goes back to its place. */
import { beforeEach, describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { maintainAll, segmentsIn, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  close,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  flush,
  heldRows,
  keepBody,
  newShop,
  openNext,
  operation,
  put,
  remove,
  restart,
  restoring,
  run,
  save,
  type Shop,
  summaries,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop();
});

/** Puts bodies into the queue, and commits them. */
function stock(...bodies: string[]): void {
  for (const each of bodies) put(shop, "q", each, 7);
  save(shop);
}

/** Takes the next messages in a group of their own. */
function takeNext(count: number): Operation[] {
  const taken = Array.from({ length: count }, () => operation("take", "q"));
  execute(shop, ...taken);
  return taken.map(keepBody);
}

function restore(...taken: Operation[]): string[] {
  return execute(shop, ...taken.map(restoring));
}

describe("goes back before younger ones", () => {
  test("after the commit of its take", () => {
    stock("1", "22", "333");
    const [first] = takeNext(1);
    expect(details(shop, "q")).toMatchObject({ messages: 2, bytes: 5, gets: 1 });
    expect(restore(first as Operation)).toEqual(["done"]);
    expect(details(shop, "q")).toMatchObject({ messages: 3, bytes: 6, gets: 0 });
    expect(heldRows(shop)).toEqual(["q 1"]);
    expect(segmentsIn(shop.home)).toEqual(["1:1+3"]);
    expect(faults(shop)).toEqual([]);
    const again = run(shop, operation("take", "q"));
    expect(again).toMatchObject({ number: 1, flags: 7, outcome: "done" });
    expect(drain(shop, "q")).toEqual(["22", "333"]);
    save(shop);
    expect([heldRows(shop), faults(shop)]).toEqual([[], []]);
  });

  test("several in any order", () => {
    stock("1", "2", "3", "4", "5");
    const taken = takeNext(4) as [Operation, Operation, Operation, Operation];
    restore(taken[2], taken[0]);
    restore(taken[3]);
    expect(heldRows(shop)).toEqual(["q 1", "q 3", "q 4"]);
    restart(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 4, bytes: 4 });
    expect(drain(shop, "q")).toEqual(["1", "3", "4", "5"]);
  });

  test("among open ones and others that were put back", () => {
    stock("1", "2", "3", "4");
    const open = openNext(shop, "q");
    const [second] = takeNext(1);
    const third = openNext(shop, "q");
    abort(shop, "q", third);
    restore(second as Operation);
    abort(shop, "q", open);
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["1", "2", "3", "4"]);
  });

  test("when its segment was removed meanwhile: it gets one of its own", () => {
    stock("1", "2");
    stock("3");
    const [first, second] = takeNext(2) as [Operation, Operation];
    maintainAll(shop.store);
    expect(segmentsIn(shop.home)).toEqual(["1:3+1"]);
    restore(second, first);
    expect(segmentsIn(shop.home)).toEqual(["1:1+1", "1:2+1", "1:3+1"]);
    expect(heldRows(shop)).toEqual(["q 1", "q 2"]);
    maintainAll(shop.store);
    restart(shop);
    maintainAll(shop.store);
    expect(drain(shop, "q")).toEqual(["1", "2", "3"]);
    save(shop);
    maintainAll(shop.store);
    expect([heldRows(shop), segmentsIn(shop.home), faults(shop)]).toEqual([[], [], []]);
  });

  test("when it was put and taken in one group, and so was never in the store", () => {
    const take = operation("take", "q");
    execute(shop, operation("put", "q", { body: "never", flags: 9 }), take);
    keepBody(take);
    expect(segmentsIn(shop.home)).toEqual([]);
    execute(shop, operation("put", "q", { body: "younger" }));
    restore(take);
    expect(segmentsIn(shop.home)).toEqual(["1:1+1", "1:2+1"]);
    restart(shop);
    expect(run(shop, operation("peek", "q"))).toMatchObject({ number: 1, flags: 9 });
    expect(drain(shop, "q")).toEqual(["never", "younger"]);
  });

  test("when it is large", () => {
    const large = "x".repeat(100_000);
    const take = operation("take", "q");
    execute(shop, operation("put", "q", { body: large }), take);
    keepBody(take);
    restore(take);
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 100_000 });
    restart(shop);
    expect(drain(shop, "q")).toEqual([large]);
  });

  test("once, when it is restored twice: after a failed sync it may be there already", () => {
    stock("1", "2", "3");
    const [first] = takeNext(1) as [Operation];
    expect(restore(first, first)).toEqual(["done", "done"]);
    expect(restore(first)).toEqual(["done"]);
    const consumer = openNext(shop, "q");
    expect(restore(first)).toEqual(["done"]);
    expect(details(shop, "q")).toMatchObject({ messages: 3, bytes: 3, open: 1 });
    abort(shop, "q", consumer);
    restart(shop);
    expect(restore(first)).toEqual(["done"]);
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["1", "2", "3"]);
  });

  test("again and again", () => {
    stock("1", "2");
    for (let n = 0; n < 5; n++) {
      const [first] = takeNext(1);
      if (n % 2 === 0) maintainAll(shop.store);
      restore(first as Operation);
      expect(details(shop, "q")).toMatchObject({ messages: 2, bytes: 2, sets: 2, gets: 0 });
    }
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["1", "2"]);
  });
});

describe("in the group of its restore", () => {
  test.each([false, true])("it is taken again; its segment removed: %p", (isRemoved) => {
    stock("1");
    const [first] = takeNext(1);
    if (isRemoved) maintainAll(shop.store);
    const told = execute(shop, restoring(first as Operation), operation("take", "q"));
    expect(told).toEqual(["done", "1"]);
    expect([details(shop, "q")?.messages, shop.local.bytes, faults(shop)]).toEqual([0, 0, []]);
    expect(heldRows(shop)).toEqual([]);
    restart(shop);
    expect(drain(shop, "q")).toEqual([]);
  });

  test.each([false, true])("it is opened; its segment removed: %p", (isRemoved) => {
    stock("1");
    const consumer = newConsumer();
    const [first] = takeNext(1);
    if (isRemoved) maintainAll(shop.store);
    const opening = operation("open", "q", { consumer });
    expect(execute(shop, restoring(first as Operation), opening)).toEqual(["done", "1"]);
    expect(heldRows(shop)).toEqual(["q 1"]);
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 1, open: 1 });
    restart(shop);
    expect(drain(shop, "q")).toEqual(["1"]);
  });

  test("it is opened and closed: nothing is left of it", () => {
    stock("1");
    const consumer = newConsumer();
    const [first] = takeNext(1);
    maintainAll(shop.store);
    execute(
      shop,
      restoring(first as Operation),
      operation("open", "q", { consumer }),
      operation("close", "q", { consumer }),
    );
    expect([heldRows(shop), segmentsIn(shop.home)]).toEqual([[], []]);
    expect([details(shop, "q")?.messages, shop.local.bytes, faults(shop)]).toEqual([0, 0, []]);
  });

  test("it goes with the others when the queue is flushed", () => {
    stock("1", "2");
    const [first] = takeNext(1);
    execute(shop, restoring(first as Operation), operation("flush", "q"));
    expect([heldRows(shop), details(shop, "q")?.messages, faults(shop)]).toEqual([[], 0, []]);
  });

  test.each([false, true])("it is opened, and the queue flushed; removed: %p", (isRemoved) => {
    stock("1");
    stock("2");
    const consumer = newConsumer();
    const [first] = takeNext(1);
    if (isRemoved) maintainAll(shop.store);
    execute(
      shop,
      restoring(first as Operation),
      operation("open", "q", { consumer }),
      operation("flush", "q"),
    );
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 1, open: 1 });
    expect(heldRows(shop)).toEqual(["q 1"]);
    abort(shop, "q", consumer);
    expect(drain(shop, "q")).toEqual(["1"]);
  });
});

describe("is dropped", () => {
  test("when its queue was deleted, and made again", () => {
    stock("1", "2");
    const [first] = takeNext(1);
    remove(shop, "q");
    save(shop);
    expect(restore(first as Operation)).toEqual(["done"]);
    expect(details(shop, "q")).toBeUndefined();
    put(shop, "q", "new");
    save(shop);
    expect(restore(first as Operation)).toEqual(["done"]);
    expect(drain(shop, "q")).toEqual(["new"]);
    expect(faults(shop)).toEqual([]);
  });

  test("when that happens in the group of its restore", () => {
    stock("1", "2");
    const [first] = takeNext(1);
    execute(
      shop,
      operation("delete", "q"),
      operation("put", "q", { body: "new" }),
      restoring(first as Operation),
    );
    expect(drain(shop, "q")).toEqual(["new"]);
  });
});

describe("when the commit of its restore fails", () => {
  test.each([false, true])("it is told, nothing happened, and a later one works", (isRemoved) => {
    stock("1", "2", "3");
    const open = openNext(shop, "q");
    const [second] = takeNext(1);
    if (isRemoved) maintainAll(shop.store);
    const before = [summaries(shop), heldRows(shop), segmentsIn(shop.home)];
    failNextCommit(shop);
    expect(restore(second as Operation)).toEqual(["failed: no"]);
    expect([summaries(shop), heldRows(shop), segmentsIn(shop.home)]).toEqual(before);
    expect(faults(shop)).toEqual([]);
    expect(restore(second as Operation)).toEqual(["done"]);
    expect(close(shop, "q", open)).toBe(true);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 2"]);
    expect(drain(shop, "q")).toEqual(["2", "3"]);
  });
});

test("a message whose flush came between is restored all the same", () => {
  stock("1", "2");
  const [first] = takeNext(1);
  flush(shop, "q");
  save(shop);
  restore(first as Operation);
  expect(body(shop, "q")).toBe("1");
});
