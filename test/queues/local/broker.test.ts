/** All queues: what a batch makes true, what a failed one leaves, and whom it wakes. */
import { beforeEach, describe, expect, test } from "bun:test";

import { addWaiter, removeWaiter, type Waiter } from "../../../src/engine/waiters.ts";
import { deleteQueue, wakeWaiters } from "../../../src/queues/local/broker.ts";
import { isDirty } from "../../../src/queues/local/commit.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { StoreError } from "../../../src/store/store.ts";
import { commit, make, position, rows, segmentsIn, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  close,
  counts,
  details,
  faults,
  flush,
  leave,
  newShop,
  NO_LIMITS,
  put,
  restart,
  save,
  type Shop,
  take,
  undo,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop();
});

function drain(queue: string): string[] {
  const found: string[] = [];
  for (let next = body(shop, queue); next !== undefined; next = body(shop, queue)) found.push(next);
  return found;
}

/** The rows of the table of queues, as "head to tail held bytes". */
function stored(): string[] {
  const query = "SELECT head || ' to ' || tail || ' ' || held || ' ' || bytes AS row FROM queue";
  return rows<{ row: string }>(shop.home, `${query} ORDER BY id`).map(({ row }) => row);
}

describe("a batch", () => {
  test("is true after the commit, and not before", () => {
    put(shop, "q", "a", 7);
    put(shop, "q", "b", 4_294_967_295);
    expect(segmentsIn(shop.home)).toEqual([]);
    save(shop);
    expect(stored()).toEqual(["1 to 3 [] 2"]);
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
    expect(stored()).toEqual(["2 to 2 [] 0"]);
    restart(shop);
    expect(counts(shop)).toEqual(["q 1/1"]);
  });

  test("that only opens, peeks and puts back writes nothing", () => {
    for (const each of ["a", "b", "c"]) put(shop, "q", each);
    save(shop);
    const version = () => rows(shop.home, "PRAGMA data_version");
    const [before, segments] = [stored(), segmentsIn(shop.home)];
    let commits = 0;
    const { store } = shop;
    const write = store.commit;
    store.commit = (batch) => {
      commits++;
      write(batch);
    };
    const [one, two] = [newConsumer(), newConsumer()];
    for (let n = 0; n < 3; n++) {
      expect(body(shop, "q", one, "open")).toBe("a");
      expect(body(shop, "q", two, "open")).toBe("b");
      expect(body(shop, "q", two, "peek")).toBe("c");
      expect(isDirty(shop.broker)).toBe(true);
      save(shop);
      abort(shop, "q", one);
      save(shop);
      leave(shop, two);
      save(shop);
    }
    expect([commits, stored(), segmentsIn(shop.home)]).toEqual([0, before, segments]);
    expect(version()).toHaveLength(1);
    body(shop, "q", one, "open");
    expect(close(shop, "q", one)).toBe(true);
    save(shop);
    expect(commits).toBe(1);
  });

  test("without anything in it is none", () => {
    expect(isDirty(shop.broker)).toBe(false);
    expect(body(shop, "unknown")).toBeUndefined();
    flush(shop, "unknown");
    abort(shop, "unknown", newConsumer());
    expect(close(shop, "unknown", newConsumer())).toBe(false);
    expect(isDirty(shop.broker)).toBe(false);
    expect(counts(shop)).toEqual([]);
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
    const consumers = [1, 2, 3, 4, 5, 6].map(() => newConsumer());
    for (const consumer of consumers) body(shop, "q", consumer, "open");
    for (const n of [1, 3, 4]) close(shop, "q", consumers[n] ?? newConsumer());
    expect(body(shop, "q")).toBe("7");
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 9/4"]);
    expect(drain("q")).toEqual(["1", "3", "6", "8", "9"]);
  });

  test("of a deleted queue come back into no other, nor do they keep anything", () => {
    const consumer = newConsumer();
    for (let n = 0; n < 5; n++) {
      put(shop, "q", "old");
      expect(body(shop, "q", consumer, "open")).toBe("old");
      expect(deleteQueue(shop.broker, "q")).toBe(true);
      save(shop);
    }
    expect(consumer.open.size).toBe(0);
    put(shop, "q", "new");
    expect(close(shop, "q", consumer)).toBe(false);
    leave(shop, consumer);
    save(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 1, bytes: 3, open: 0 });
    expect(drain("q")).toEqual(["new"]);
    expect(faults(shop)).toEqual([]);
  });
});

describe("a consumer that is gone before the commit", () => {
  test("leaves what it took, also what was set in the same batch", () => {
    put(shop, "q", "1");
    put(shop, "q", "2");
    save(shop);
    put(shop, "q", "3");
    const [gone, other] = [newConsumer(), newConsumer()];
    expect([body(shop, "q", gone), body(shop, "q", other)]).toEqual(["1", "2"]);
    expect(body(shop, "q", gone)).toBe("3");
    put(shop, "q", "4");
    leave(shop, gone);
    expect(details(shop, "q")).toMatchObject({ messages: 3, bytes: 3 });
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 4/1"]);
    expect(drain("q")).toEqual(["1", "3", "4"]);
  });

  test("leaves large messages too", () => {
    const large = "x".repeat(100_000);
    put(shop, "q", large);
    const gone = newConsumer();
    expect(body(shop, "q", gone)).toBe(large);
    leave(shop, gone);
    expect(body(shop, "q")).toBe(large);
    save(shop);
    expect(counts(shop)).toEqual(["q 1/1"]);
    expect(faults(shop)).toEqual([]);
  });

  test("after it takes nothing back", () => {
    put(shop, "q", "1");
    const gone = newConsumer();
    expect(body(shop, "q", gone)).toBe("1");
    save(shop);
    leave(shop, gone);
    save(shop);
    expect(counts(shop)).toEqual(["q 1/1"]);
    expect(drain("q")).toEqual([]);
  });
});

describe("a batch that fails", () => {
  test("leaves the queues and their counters as they were", () => {
    for (const queue of ["a", "b", "c"]) for (const each of ["1", "22"]) put(shop, queue, each);
    save(shop);
    const before = [counts(shop).sort(), ["a", "b", "c"].map((queue) => details(shop, queue))];
    put(shop, "new", "x");
    put(shop, "a", "x");
    body(shop, "b");
    deleteQueue(shop.broker, "b");
    put(shop, "b", "x");
    deleteQueue(shop.broker, "a");
    flush(shop, "c");
    undo(shop);
    expect(faults(shop)).toEqual([]);
    const after = [counts(shop).sort(), ["a", "b", "c"].map((queue) => details(shop, queue))];
    const ageless = (all: unknown) => JSON.stringify(all).replace(/"(age|memory)":\d+/g, "");
    expect(ageless(after)).toBe(ageless(before));
    for (const queue of ["a", "b", "c"]) expect(drain(queue)).toEqual(["1", "22"]);
    expect(details(shop, "new")).toBeUndefined();
  });

  test("really: the store refuses it, and takes the next", () => {
    put(shop, "q", "1");
    save(shop);
    const { store } = shop;
    const write = store.commit;
    store.commit = () => {
      throw new StoreError("no");
    };
    put(shop, "q", "2");
    const consumer = newConsumer();
    expect(body(shop, "q", consumer, "open")).toBe("1");
    expect(close(shop, "q", consumer)).toBe(true);
    expect(() => save(shop)).toThrow(StoreError);
    undo(shop);
    store.commit = write;
    expect(consumer.open.size).toBe(0);
    put(shop, "q", "3");
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 2/0"]);
    expect(drain("q")).toEqual(["1", "3"]);
  });

  test("gives what was set for a waiter back to the producer, not to the waiter", () => {
    const waiter = addWaiter(shop.broker.waiters, 100_000, {
      name: "q",
      wake: () => {},
      giveUp: () => {},
    });
    put(shop, "q", "x");
    undo(shop);
    expect(wakes()).toEqual([]);
    expect(shop.broker.waiters.get("q")?.has(waiter)).toBe(true);
    removeWaiter(shop.broker.waiters, waiter);
  });
});

let events: string[] = [];

function wakes(): string[] {
  events = [];
  wakeWaiters(shop.broker);
  return events;
}

/** Somebody who writes down what it takes. */
function wait(queue: string, who: string, taking: "take" | "open" | "peek" = "take"): Waiter {
  const consumer = newConsumer();
  return addWaiter(shop.broker.waiters, 100_000, {
    name: queue,
    wake: () => void events.push(`${who} ${body(shop, queue, consumer, taking)}`),
    giveUp: () => {},
  });
}

describe("those who wait", () => {
  test("are woken in their order, one for each message", () => {
    for (const who of ["a", "b", "c"]) wait("q", who);
    const d = wait("r", "d");
    expect(wakes()).toEqual([]);
    put(shop, "q", "1");
    put(shop, "q", "2");
    expect(wakes()).toEqual(["a 1", "b 2"]);
    expect(wakes()).toEqual([]);
    put(shop, "q", "3");
    put(shop, "q", "4");
    expect(wakes()).toEqual(["c 3"]);
    expect(body(shop, "q")).toBe("4");
    expect([...shop.broker.waiters.keys()]).toEqual(["r"]);
    removeWaiter(shop.broker.waiters, d);
  });

  test("are woken by what comes back: an abort, an end, an end before the commit", () => {
    put(shop, "q", "1");
    save(shop);
    const comeBack = [
      () => {
        const consumer = newConsumer();
        body(shop, "q", consumer, "open");
        return () => abort(shop, "q", consumer);
      },
      () => {
        const consumer = newConsumer();
        body(shop, "q", consumer, "open");
        return () => leave(shop, consumer);
      },
      () => {
        const consumer = newConsumer();
        body(shop, "q", consumer);
        return () => leave(shop, consumer);
      },
    ];
    for (const take of comeBack) {
      const give = take();
      wait("q", "a", "peek");
      expect(wakes()).toEqual([]);
      give();
      expect(wakes()).toEqual(["a 1"]);
    }
  });

  test("and peek leave the message to the next, up to the one who takes it", () => {
    for (const who of ["a", "b"]) wait("q", who, "peek");
    wait("q", "c", "open");
    const last = wait("q", "d", "peek");
    put(shop, "q", "1");
    expect(wakes()).toEqual(["a 1", "b 1", "c 1"]);
    removeWaiter(shop.broker.waiters, last);
  });

  test("get nothing of a queue that is emptied or deleted before they are woken", () => {
    const a = wait("q", "a");
    put(shop, "q", "1");
    flush(shop, "q");
    expect(wakes()).toEqual([]);
    put(shop, "q", "2");
    deleteQueue(shop.broker, "q");
    expect(wakes()).toEqual([]);
    put(shop, "q", "3");
    expect(wakes()).toEqual(["a 3"]);
    expect(shop.broker.waiters.has("q")).toBe(false);
    removeWaiter(shop.broker.waiters, a);
  });

  test("are woken by what a failed batch gives back", () => {
    put(shop, "q", "1");
    save(shop);
    expect(body(shop, "q")).toBe("1");
    wait("q", "a");
    expect(wakes()).toEqual([]);
    undo(shop);
    expect(wakes()).toEqual(["a 1"]);
  });

  test("are counted", () => {
    put(shop, "q", "1");
    body(shop, "q");
    save(shop);
    const both = [wait("q", "a"), wait("q", "b", "peek")];
    expect(details(shop, "q")?.waiters).toBe(2);
    for (const each of both) removeWaiter(shop.broker.waiters, each);
    expect(details(shop, "q")?.waiters).toBe(0);
  });
});

describe("limits", () => {
  test("of messages are for each queue, and count what is open", () => {
    shop = newShop(1024 * 1024, { messages: 2, bytes: Infinity });
    const consumer = newConsumer();
    expect([put(shop, "q", "1"), put(shop, "q", "2"), put(shop, "q", "3")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(put(shop, "r", "1")).toBe(true);
    body(shop, "q", consumer, "open");
    expect(put(shop, "q", "3")).toBe(false);
    close(shop, "q", consumer);
    expect(put(shop, "q", "3")).toBe(true);
    save(shop);
    restart(shop);
    expect(put(shop, "q", "4")).toBe(false);
    expect(counts(shop)).toEqual(["q 3/1", "r 1/0"]);
  });

  test("of bytes are for all queues, and make none", () => {
    shop = newShop(1024 * 1024, { messages: Infinity, bytes: 10 });
    expect([put(shop, "q", "12345"), put(shop, "r", "12345")]).toEqual([true, true]);
    expect([put(shop, "s", "1"), put(shop, "s", "")]).toEqual([false, true]);
    expect(counts(shop)).toEqual(["q 1/0", "r 1/0", "s 1/0"]);
    save(shop);
    deleteQueue(shop.broker, "q");
    expect(put(shop, "s", "12345")).toBe(true);
    undo(shop);
    expect(put(shop, "s", "1")).toBe(false);
    flush(shop, "r");
    expect(put(shop, "s", "12345")).toBe(true);
    save(shop);
    restart(shop);
    expect([put(shop, "s", "1"), faults(shop)]).toEqual([false, []]);
  });
});

test("a queue that has used up its numbers takes no more, and gives what it has", () => {
  const { store } = shop;
  const last = 2 ** 43 - 1;
  const id = make(store, "old");
  commit(store, { positions: [position(id, last - 1, last - 1)] });
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

describe("memory", () => {
  test("holds no more than its limit, and everything comes all the same", () => {
    shop = newShop(100_000, NO_LIMITS);
    const bodies = Array.from({ length: 400 }, (_, n) => `${n};`.repeat((n * 37) % 900));
    for (const [n, each] of bodies.entries()) {
      put(shop, `q${n % 3}`, each);
      if (n % 7 > 0) continue;
      save(shop);
      expect(shop.broker.memory.used).toBeLessThanOrEqual(100_000);
    }
    save(shop);
    expect(faults(shop)).toEqual([]);
    for (const queue of [0, 1, 2]) {
      const expected = bodies.filter((_, n) => n % 3 === queue);
      for (const each of expected) {
        expect(body(shop, `q${queue}`)).toBe(each);
        save(shop);
        expect(shop.broker.memory.used).toBeLessThanOrEqual(100_000);
      }
    }
    expect(faults(shop)).toEqual([]);
  });

  test("of deleted queues is given back", () => {
    for (let n = 0; n < 50; n++) put(shop, `q${n}`, "x".repeat(20_000));
    save(shop);
    for (let n = 0; n < 50; n++) deleteQueue(shop.broker, `q${n}`);
    save(shop);
    expect([shop.broker.memory.used, shop.broker.bytes, faults(shop)]).toEqual([0, 0, []]);
  });
});
