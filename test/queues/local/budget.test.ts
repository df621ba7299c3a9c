/** How many operations are executed in one group: as many as the budget of time and bytes allows. */
import { beforeEach, describe, expect, test } from "bun:test";

import { executeGroup } from "../../../src/queues/local/execute.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { suite } from "../../store/scratch.ts";
import {
  details,
  drain,
  execute,
  faults,
  newShop,
  operation,
  put,
  restart,
  save,
  type Shop,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop(64 * 1024 * 1024);
});

/** How many operations each group executes; each operation takes so many milliseconds. */
function sizesOf(operations: Operation[], milliseconds = 0): number[] {
  const sizes: number[] = [];
  const room = {
    get left() {
      return Infinity;
    },
    set left(_) {
      shop.now += milliseconds;
    },
  };
  for (const one of operations) if (one.kind === "take") one.room = room;
  for (let done = 0; done < operations.length;) {
    const size = executeGroup(shop.local, operations, done, operations.length);
    sizes.push(size);
    done += size;
  }
  return sizes;
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

test("small operations within 2 ms are one group", () => {
  expect(sizesOf(times(5000, (n) => operation("put", "q", { body: `${n}` })))).toEqual([5000]);
  expect(sizesOf(times(5000, () => operation("take", "q")))).toEqual([5000]);
});

test("operations that take long are a few of each group, and one at least", () => {
  for (const each of times(300, String)) put(shop, "q", each);
  save(shop);
  const sizes = sizesOf(
    times(100, () => operation("take", "q")),
    0.1,
  );
  expect(sizes).toEqual([32, 32, 32, 4]);
  shop = newShop(0);
  for (const each of times(8, String)) {
    put(shop, "q", each);
    save(shop);
  }
  // What is read from the disk is looked at with the clock each time.
  const costly = times(4, () => operation("take", "q"));
  expect(sizesOf(costly, 3)).toEqual([1, 1, 1, 1]);
});

describe("a group ends behind a megabyte", () => {
  const body = "x".repeat(300_000);

  test("that was set", () => {
    const sizes = sizesOf(times(10, () => operation("put", "q", { body })));
    expect(sizes).toEqual([4, 4, 2]);
  });

  test("that was taken, or looked at", () => {
    for (let n = 0; n < 10; n++) put(shop, "q", body);
    save(shop);
    expect(sizesOf(times(8, () => operation("peek", "q")))).toEqual([4, 4]);
    expect(sizesOf(times(8, () => operation("take", "q")))).toEqual([4, 4]);
  });

  test("that was brought into memory", () => {
    for (let n = 0; n < 40; n++) put(shop, `q${n}`, "y".repeat(260_000));
    save(shop);
    restart(shop);
    const sizes = sizesOf(times(10, (n) => operation("peek", `q${n}`)));
    expect(Math.max(...sizes)).toBeLessThan(5);
  });

  test("by one body that is longer", () => {
    const sizes = sizesOf(times(3, () => operation("put", "q", { body: "x".repeat(2_000_000) })));
    expect(sizes).toEqual([1, 1, 1]);
  });
});

test("a chain that the budget cuts goes on in the next group, or is skipped there", () => {
  const body = "x".repeat(1_100_000);
  expect(
    execute(
      shop,
      operation("put", "q", { body }),
      operation("put", "q", { body: "2", chained: true }),
      operation("take", "q", { room: { left: 0 } }),
      operation("put", "q", { body: "3", chained: true }),
    ),
  ).toEqual(["done", "done", "too large", "skipped"]);
  expect(drain(shop, "q")).toEqual([body, "2"]);
});

describe("a list, and a flush of all", () => {
  const QUEUES = 1000;
  beforeEach(() => {
    for (let n = 0; n < QUEUES; n++) put(shop, `q${n}`, "x");
    save(shop);
  });

  /** The names that a list tells, with something done between its parts. */
  function list(between: (part: number) => void = () => {}): string[] {
    const names: string[] = [];
    const part = operation("list");
    for (let n = 1; ; n++) {
      part.outcome = "pending";
      const [told] = execute(shop, part);
      names.push(...(part.counts?.names ?? []));
      if (told === "done") return names;
      expect(told).toBe("more");
      expect(part.counts?.names).toHaveLength(64);
      between(n);
    }
  }

  test("a list tells each queue once", () => {
    expect(list()).toEqual(times(QUEUES, (n) => `q${n}`));
  });

  test("a list that queues come and go beside ends, and tells those that stay", () => {
    const names = list((part) => {
      for (let n = 0; n < 100; n++) put(shop, `new${part}-${n}`, "x");
      execute(
        shop,
        operation("delete", `q${part * 64 - 1}`),
        operation("delete", `q${part * 300}`),
      );
    });
    const gone = new Set([300, 600, 900].map((n) => `q${n}`));
    const expected = times(QUEUES, (n) => `q${n}`).filter((name) => !gone.has(name));
    expect(names.filter((name) => name.startsWith("q"))).toEqual(expected);
    expect(new Set(names).size).toBe(names.length);
  });

  test("a flush of all empties them, and what comes behind it sees that", () => {
    const part = operation("flush all");
    let parts = 0;
    do {
      part.outcome = "pending";
      parts++;
    } while (execute(shop, part)[0] === "more");
    expect(parts).toBe(16);
    expect([shop.local.bytes, drain(shop, "q0"), drain(shop, "q999")]).toEqual([0, [], []]);
  });
});

test("very many delayed messages before the first that can be taken are skipped in parts", () => {
  const many = 70_000;
  execute(shop, operation("put", "q", { body: "first" }));
  execute(shop, ...times(many, () => operation("put", "q", { body: "later", delay: 60_000 })));
  execute(shop, operation("put", "q", { body: "last" }));
  restart(shop);
  const outcomes: string[] = [];
  for (const kind of ["take", "peek", "take"] as const) {
    const one = operation(kind, "q");
    for (let n = 0; n < 10 && one.outcome !== "done"; n++) {
      one.session.postponed = false;
      one.outcome = "pending";
      outcomes.push(...execute(shop, one));
    }
  }
  expect(outcomes).toEqual(["first", "postponed", "postponed", "last", "last"]);
  expect(faults(shop)).toEqual([]);
  expect(details(shop, "q")).toMatchObject({ messages: many, delayed: many });
  restart(shop);
  expect(details(shop, "q")).toMatchObject({ messages: many, delayed: many });
  expect(faults(shop)).toEqual([]);
});
