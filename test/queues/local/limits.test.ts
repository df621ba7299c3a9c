/** How much may be in the queues, and in memory. */
import { describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { suite } from "../../store/scratch.ts";
import {
  body,
  close,
  counts,
  faults,
  flush,
  newShop,
  put,
  remove,
  restart,
  save,
  undo,
} from "./shop.ts";

suite();

describe("limits", () => {
  test("of messages are for each queue, and count what is open", () => {
    const shop = newShop(1024 * 1024, { messages: 2, bytes: Infinity });
    const consumer = newConsumer();
    const stored = ["1", "2", "3"].map((each) => put(shop, "q", each));
    expect(stored).toEqual([true, true, false]);
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
    const shop = newShop(1024 * 1024, { messages: Infinity, bytes: 10 });
    expect([put(shop, "q", "12345"), put(shop, "r", "12345")]).toEqual([true, true]);
    expect([put(shop, "s", "1"), put(shop, "s", "")]).toEqual([false, true]);
    expect(counts(shop)).toEqual(["q 1/0", "r 1/0", "s 1/0"]);
    save(shop);
    remove(shop, "q");
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

describe("memory", () => {
  test("holds no more than its limit, and everything comes all the same", () => {
    const shop = newShop(100_000);
    const bodies = Array.from({ length: 400 }, (_, n) => `${n};`.repeat((n * 37) % 900));
    for (const [n, each] of bodies.entries()) {
      put(shop, `q${n % 3}`, each);
      if (n % 7 > 0) continue;
      save(shop);
      expect(shop.local.cache.used).toBeLessThanOrEqual(100_000);
    }
    save(shop);
    expect(faults(shop)).toEqual([]);
    for (const queue of [0, 1, 2]) {
      const expected = bodies.filter((_, n) => n % 3 === queue);
      for (const each of expected) {
        expect(body(shop, `q${queue}`)).toBe(each);
        save(shop);
        expect(shop.local.cache.used).toBeLessThanOrEqual(100_000);
      }
    }
    expect(faults(shop)).toEqual([]);
  });

  test("of deleted queues is given back", () => {
    const shop = newShop();
    for (let n = 0; n < 50; n++) put(shop, `q${n}`, "x".repeat(20_000));
    save(shop);
    for (let n = 0; n < 50; n++) remove(shop, `q${n}`);
    save(shop);
    expect([shop.local.cache.used, shop.local.bytes, faults(shop)]).toEqual([0, 0, []]);
  });
});
