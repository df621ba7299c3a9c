/** All queues: what a group makes true, and what a failed one leaves. */
import { beforeEach, describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { isChanged } from "../../../src/queues/local/state.ts";
import { StoreError } from "../../../src/store/store.ts";
import { segmentsIn, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  close,
  counts,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  flush,
  newShop,
  openNext,
  operation,
  put,
  queueRows,
  recordBatches,
  release,
  remove,
  restart,
  save,
  type Shop,
  summaries,
  take,
  undo,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop();
});

describe("a group", () => {
  test("is true after the commit, and not before", () => {
    put(shop, "q", "a", 7);
    put(shop, "q", "b", 4_294_967_295);
    expect(segmentsIn(shop.home)).toEqual([]);
    save(shop);
    expect(queueRows(shop)).toEqual(["1 to 3 2"]);
    put(shop, "q", "lost");
    expect(take(shop, "q")).toEqual({ flags: 7, number: 1, body: "a" });
    restart(shop);
    expect(counts(shop)).toEqual(["q 2/0"]);
    expect(take(shop, "q")).toEqual({ flags: 7, number: 1, body: "a" });
    expect(take(shop, "q")).toEqual({ flags: 4_294_967_295, number: 2, body: "b" });
    expect(take(shop, "q")).toBeUndefined();
  });

  test("of a set and its get writes no message, but the counters", () => {
    put(shop, "q", "a");
    expect(body(shop, "q")).toBe("a");
    save(shop);
    expect(segmentsIn(shop.home)).toEqual([]);
    expect(queueRows(shop)).toEqual(["2 to 2 0"]);
    restart(shop);
    expect(counts(shop)).toEqual(["q 1/1"]);
  });

  test("that only opens and peeks writes nothing, and one that puts back only that", () => {
    for (const each of ["a", "b", "c"]) put(shop, "q", each);
    save(shop);
    const [before, segments] = [queueRows(shop), segmentsIn(shop.home)];
    const batches = recordBatches(shop);
    const [one, two] = [newConsumer(), newConsumer()];
    expect(body(shop, "q", one, "open")).toBe("a");
    expect(body(shop, "q", two, "open")).toBe("b");
    expect(body(shop, "q", two, "peek")).toBe("c");
    expect(isChanged(shop.local)).toBe(true);
    save(shop);
    expect([batches, queueRows(shop), segmentsIn(shop.home)]).toEqual([[], before, segments]);
    abort(shop, "q", one);
    release(shop, two);
    save(shop);
    const held = [{ queue: 1, number: 1, deliveries: 1 }];
    expect(batches).toMatchObject([{ segments: [], held }]);
    body(shop, "q", one, "open");
    expect(close(shop, "q", one)).toBe(true);
    save(shop);
    expect(batches).toHaveLength(2);
  });

  test("without anything in it is none", () => {
    expect(isChanged(shop.local)).toBe(false);
    expect(body(shop, "unknown")).toBeUndefined();
    flush(shop, "unknown");
    expect(abort(shop, "unknown", newConsumer())).toBe(false);
    expect(close(shop, "unknown", newConsumer())).toBe(false);
    expect(remove(shop, "unknown")).toBe(false);
    expect(isChanged(shop.local)).toBe(false);
    expect(counts(shop)).toEqual([]);
  });

  test("skips what is chained to an operation that was not done", () => {
    put(shop, "large", "x");
    put(shop, "q", "1");
    put(shop, "q", "2");
    const consumer = newConsumer();
    const chained = { consumer, chained: true };
    const told = execute(
      shop,
      operation("open", "q", { consumer }),
      operation("open", "q", { consumer }),
      operation("take", "q", chained),
      operation("take", "q", chained),
      operation("take", "large", { room: { left: 0 } }),
      operation("take", "q", chained),
      operation("close", "absent", { consumer }),
      operation("close", "q", chained),
      operation("none", "", chained),
      operation("take", "q"),
    );
    expect(told).toEqual([
      "1",
      "held",
      "skipped",
      "skipped",
      "too large",
      "skipped",
      "absent",
      "done",
      "done",
      "2",
    ]);
    expect(counts(shop)).toEqual(["large 1/0", "q 2/2"]);
  });
});

describe("open messages", () => {
  test("count as there, in messages and bytes, until they are closed", () => {
    const consumer = newConsumer();
    for (const each of ["1", "22", "333"]) put(shop, "q", each);
    body(shop, "q", consumer, "open");
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 3, bytes: 6, open: 1, sets: 3, gets: 0 });
    expect(body(shop, "q")).toBe("22");
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 2, bytes: 4, open: 1, sets: 3, gets: 1 });
    close(shop, "q", consumer);
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 3, open: 0, sets: 3, gets: 2 });
    expect(faults(shop)).toEqual([]);
  });

  test("are there again after a restart, in their order, though others are gone", () => {
    for (let n = 1; n <= 9; n++) put(shop, "q", `${n}`);
    const consumers = [1, 2, 3, 4, 5, 6].map(() => openNext(shop, "q"));
    for (const n of [1, 3, 4]) close(shop, "q", consumers[n] ?? newConsumer());
    expect(body(shop, "q")).toBe("7");
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 9/4"]);
    expect(drain(shop, "q")).toEqual(["1", "3", "6", "8", "9"]);
  });

  test("of a deleted queue come back into no other, nor do they keep anything", () => {
    const consumer = newConsumer();
    for (let n = 0; n < 5; n++) {
      put(shop, "q", "old");
      expect(body(shop, "q", consumer, "open")).toBe("old");
      expect(remove(shop, "q")).toBe(true);
      save(shop);
    }
    expect(consumer.open.size).toBe(0);
    put(shop, "q", "new");
    expect(close(shop, "q", consumer)).toBe(false);
    release(shop, consumer);
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 3, open: 0 });
    expect(drain(shop, "q")).toEqual(["new"]);
    expect(faults(shop)).toEqual([]);
  });

  test("of a queue whose deletion is not committed yet are closed in no other", () => {
    put(shop, "q", "old");
    const consumer = openNext(shop, "q");
    save(shop);
    remove(shop, "q");
    put(shop, "q", "new");
    expect(close(shop, "q", consumer)).toBe(false);
    expect(abort(shop, "q", consumer)).toBe(false);
    release(shop, consumer);
    undo(shop);
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["old"]);
  });

  test("look the same whether a queue has one of them or several", () => {
    for (const each of ["1", "2", "3"]) put(shop, "q", each);
    const [a, b] = [openNext(shop, "q"), openNext(shop, "q")];
    expect(details(shop, "q")).toMatchObject({ open: 2, messages: 3 });
    close(shop, "q", a);
    expect(details(shop, "q")).toMatchObject({ open: 1, messages: 2 });
    abort(shop, "q", b);
    expect(details(shop, "q")).toMatchObject({ open: 0, messages: 2 });
    expect([close(shop, "q", a), close(shop, "q", b)]).toEqual([false, false]);
    const c = openNext(shop, "q");
    expect(details(shop, "q")).toMatchObject({ open: 1, messages: 2 });
    expect(close(shop, "q", c)).toBe(true);
    expect(faults(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["3"]);
  });
});

describe("a group that fails", () => {
  test("leaves the queues and their counters as they were", () => {
    for (const queue of ["a", "b", "c"]) for (const each of ["1", "22"]) put(shop, queue, each);
    save(shop);
    const before = summaries(shop);
    put(shop, "new", "x");
    put(shop, "a", "x");
    body(shop, "b");
    remove(shop, "b");
    put(shop, "b", "x");
    remove(shop, "a");
    flush(shop, "c");
    undo(shop);
    expect(faults(shop)).toEqual([]);
    expect(summaries(shop)).toEqual(before);
    for (const queue of ["a", "b", "c"]) expect(drain(shop, queue)).toEqual(["1", "22"]);
    expect(details(shop, "new")).toBeUndefined();
  });

  test("really: the store refuses it, and takes the next", () => {
    put(shop, "q", "1");
    save(shop);
    failNextCommit(shop, "no space");
    const consumer = newConsumer();
    expect(
      execute(
        shop,
        operation("put", "q", { body: "2" }),
        operation("open", "q", { consumer }),
        operation("close", "q", { consumer }),
      ),
    ).toEqual(Array(3).fill("failed: no space"));
    expect(shop.failures).toEqual(["no space"]);
    expect(consumer.open.size).toBe(0);
    put(shop, "q", "3");
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 2/0"]);
    expect(drain(shop, "q")).toEqual(["1", "3"]);
  });

  test("keeps what was aborted or released in it available: that needs no commit", () => {
    for (const each of ["1", "2"]) put(shop, "q", each);
    save(shop);
    const [a, b] = [openNext(shop, "q"), openNext(shop, "q")];
    save(shop);
    abort(shop, "q", a);
    release(shop, b);
    put(shop, "q", "3");
    undo(shop);
    expect([a.open.size, b.open.size, faults(shop)]).toEqual([0, 0, []]);
    expect(drain(shop, "q")).toEqual(["1", "2"]);
  });
});

test("a queue that has used up its numbers takes no more, and gives what it has", () => {
  const last = 2 ** 43 - 1;
  put(shop, "old", "");
  body(shop, "old");
  save(shop);
  const { id } = shop.local.queues.get("old") ?? { id: 0 };
  shop.store.commit({
    dropped: [],
    created: [],
    segments: [],
    positions: [{ queue: id, head: last - 1, tail: last - 1, bytes: 0 }],
    held: [],
    released: [],
  });
  restart(shop);
  expect(put(shop, "old", "last")).toBe(true);
  expect(() => put(shop, "old", "one more")).toThrow(StoreError);
  save(shop);
  restart(shop);
  expect(take(shop, "old")).toEqual({ flags: 0, number: last - 1, body: "last" });
  expect(() => put(shop, "old", "one more")).toThrow(StoreError);
  save(shop);
  expect(counts(shop)).toEqual([`old ${last - 1}/${last - 1}`]);
});
