/** Messages expire by a time of their own, or by their age. */
import { describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { now } from "../../../src/queues/local/state.ts";
import { sweepQueues } from "../../../src/queues/local/sweep.ts";
import { rows, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  operation,
  restart,
  save,
  type Shop,
  shopWith,
  tell,
} from "./shop.ts";

suite();

/** Sets messages that expire after so many milliseconds; 0 is never. */
function set(shop: Shop, ...messages: [body: string, afterMs: number][]): void {
  const puts = messages.map(([text, after]) =>
    operation("put", "q", { body: text, expires: after === 0 ? 0 : now(shop.local) + after }),
  );
  expect(execute(shop, ...puts)).toEqual(messages.map(() => "done"));
}

/** The clock that tells ages goes on; that of the store, which says when messages were committed, does not. */
function pass(shop: Shop, milliseconds: number): void {
  shop.now += milliseconds;
}

function steps(shop: Shop): number {
  return rows(shop.home, "SELECT key FROM expiry").length;
}

describe("a time of its own", () => {
  test("counts where the settings say so, to the second after it", () => {
    const shop = shopWith("q:expiry=drop");
    set(shop, ["1", 5000], ["2", 0], ["3", 5000], ["4", 60_000]);
    pass(shop, 4000);
    expect(body(shop, "q", newConsumer(), "peek")).toBe("1");
    pass(shop, 3000);
    expect(execute(shop, operation("take", "q"))).toEqual(["2"]);
    expect(execute(shop, operation("take", "q"))).toEqual(["4"]);
    expect(execute(shop, operation("take", "q"))).toEqual(["absent"]);
    expect(details(shop, "q")).toMatchObject({ messages: 0, bytes: 0, gets: 4, expired: 2 });
    expect(faults(shop)).toEqual([]);
  });

  test("is ignored otherwise", () => {
    const shop = shopWith();
    set(shop, ["1", 1], ["2", 0]);
    pass(shop, 10_000);
    expect([drain(shop, "q"), steps(shop)]).toEqual([["1", "2"], 0]);
  });

  test("is on disk, one row for messages that are alike", () => {
    const shop = shopWith("q:expiry=drop");
    set(shop, ["1", 5000], ["2", 5000], ["3", 5000], ["4", 0], ["5", 0]);
    set(shop, ["6", 0]);
    expect(steps(shop)).toBe(2);
    restart(shop);
    set(shop, ["7", 0], ["8", 5000]);
    expect(steps(shop)).toBe(3);
    pass(shop, 7000);
    expect(drain(shop, "q")).toEqual(["4", "5", "6", "7"]);
  });

  test("is undone with a commit that fails", () => {
    const shop = shopWith("q:expiry=drop");
    set(shop, ["1", 1]);
    failNextCommit(shop, "no space");
    const put = operation("put", "q", { body: "2", expires: 0 });
    expect(execute(shop, put)).toEqual(["failed: no space"]);
    set(shop, ["3", 0], ["4", 1]);
    pass(shop, 3000);
    failNextCommit(shop, "no space");
    expect(execute(shop, operation("take", "q"))).toEqual(["failed: no space"]);
    expect(details(shop, "q")).toMatchObject({ messages: 3, expired: 0 });
    expect([drain(shop, "q"), faults(shop)]).toEqual([["3"], []]);
  });

  test("is told in seconds with the message", () => {
    const shop = shopWith("q:expiry=drop");
    set(shop, ["1", 90_000], ["2", 0]);
    const [first, second] = [operation("take", "q"), operation("take", "q")];
    execute(shop, first, second);
    expect([first.ttl >= 89 && first.ttl <= 91, second.ttl]).toEqual([true, -1]);
  });
});

describe("the age", () => {
  test("ends messages that are committed, also after a restart", () => {
    const shop = shopWith("q:max-age=300");
    set(shop, ["1", 0]);
    pass(shop, 5000);
    expect(body(shop, "q", newConsumer(), "peek")).toBe("1");
    pass(shop, 600_000);
    expect(execute(shop, operation("take", "q"))).toEqual(["absent"]);
    expect(details(shop, "q")?.expired).toBe(1);
  });

  test("does not end what is held, but what comes back", () => {
    const shop = shopWith("q:max-age=300");
    set(shop, ["1", 0], ["2", 0]);
    const consumer = newConsumer();
    expect(body(shop, "q", consumer, "open")).toBe("1");
    save(shop);
    pass(shop, 600_000);
    expect(sweepQueues(shop.local)).toBe(true);
    expect(details(shop, "q")).toMatchObject({ messages: 1, expired: 1 });
    abort(shop, "q", consumer);
    save(shop);
    expect(execute(shop, operation("take", "q"))).toEqual(["absent"]);
    expect([details(shop, "q")?.expired, faults(shop)]).toEqual([2, []]);
  });
});

describe("expired messages", () => {
  test("go to the queue for them, and stay there", () => {
    const shop = shopWith("*:max-age=300,expiry=old");
    set(shop, ["1", 0], ["2", 0]);
    pass(shop, 600_000);
    expect(sweepQueues(shop.local)).toBe(true);
    expect(details(shop, "q")).toMatchObject({ messages: 0, bytes: 0, expired: 2 });
    expect(details(shop, "old")).toMatchObject({ messages: 2, bytes: 2, sets: 2 });
    expect(sweepQueues(shop.local)).toBe(false);
    expect([drain(shop, "old"), faults(shop)]).toEqual([["1", "2"], []]);
  });

  test("are swept in portions, and a request goes on behind very many of them", () => {
    const shop = shopWith("q:expiry=drop");
    set(shop, ...Array.from({ length: 600 }, (_, n) => [`${n}`, 1000] as [string, number]));
    set(shop, ["fresh", 0]);
    pass(shop, 3000);
    const told = ["postponed", "postponed", "fresh"];
    for (const expected of told) {
      const take = operation("take", "q");
      execute(shop, take);
      expect(tell(take)).toBe(expected);
    }
    expect([details(shop, "q")?.expired, sweepQueues(shop.local)]).toEqual([600, false]);
  });

  test("leave no rows of their times", () => {
    const shop = shopWith("q:expiry=drop");
    for (let n = 0; n < 300; n++) set(shop, ...Array(10).fill([`${n}`, 1000 * n + 1000]));
    pass(shop, 1_000_000);
    while (sweepQueues(shop.local));
    set(shop, ["x", 5000]);
    expect(steps(shop)).toBeLessThan(200);
  });
});

describe("asked for by a client", () => {
  /** @returns how many it took away */
  function ask(shop: Shop, kind: "expire" | "expire all", queue = "q"): number {
    const asked = operation(kind, queue);
    for (;;) {
      expect(execute(shop, asked)).not.toContain("failed");
      if (asked.outcome !== "more") return asked.number;
      asked.outcome = "pending";
    }
  }

  test("expired messages of a queue go, a bounded number, and are counted", () => {
    const shop = shopWith("*:expiry=drop");
    set(shop, ...Array.from({ length: 300 }, (): [string, number] => ["x", 1000]), ["y", 60_000]);
    expect([ask(shop, "expire"), ask(shop, "expire", "unknown")]).toEqual([0, 0]);
    pass(shop, 3000);
    expect([ask(shop, "expire"), ask(shop, "expire"), ask(shop, "expire")]).toEqual([256, 44, 0]);
    expect(details(shop, "q")).toMatchObject({ messages: 1, expired: 300 });
    expect(faults(shop)).toEqual([]);
  });

  test("of all queues, in parts, and none when the commit fails", () => {
    const shop = shopWith("*:expiry=drop");
    for (let n = 0; n < 150; n++) {
      const expires = now(shop.local) + 1000;
      const puts = [1, 2].map(() => operation("put", `q${n}`, { body: "x", expires }));
      expect(execute(shop, ...puts)).toEqual(["done", "done"]);
    }
    save(shop);
    pass(shop, 3000);
    failNextCommit(shop, "no space");
    expect(execute(shop, operation("expire all", ""))).toEqual(["failed: no space"]);
    expect(ask(shop, "expire all")).toBe(300);
    expect(ask(shop, "expire all")).toBe(0);
    expect(faults(shop)).toEqual([]);
  });
});
