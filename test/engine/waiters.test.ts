import { describe, expect, test } from "bun:test";

import { addWaiter, firstWaiter, removeWaiter, type Waiters } from "../../src/engine/waiters.ts";

/** Longer than any test. */
const LONG = 100_000;

/** Waiters that write down what happens to them. */
function line() {
  const waiters: Waiters = new Map();
  const events: string[] = [];
  const add = (name: string, who: string, milliseconds = LONG) => {
    const gaveUp = Promise.withResolvers<void>();
    const waiter = addWaiter(waiters, milliseconds, {
      name,
      wake: () => void events.push(`${who} woken`),
      giveUp: () => {
        events.push(`${who} gave up`);
        gaveUp.resolve();
      },
    });
    return { waiter, gaveUp: gaveUp.promise };
  };
  return { waiters, events, add };
}

describe("waiters", () => {
  test("stand in the order in which they came, by the name of the queue", () => {
    const { waiters, add } = line();
    const [a, b, c] = [add("q", "a").waiter, add("r", "b").waiter, add("q", "c").waiter];
    expect(firstWaiter(waiters, "q")).toBe(a);
    expect(firstWaiter(waiters, "r")).toBe(b);
    expect(firstWaiter(waiters, "s")).toBeUndefined();
    removeWaiter(waiters, a);
    expect(firstWaiter(waiters, "q")).toBe(c);
    for (const each of [b, c]) removeWaiter(waiters, each);
  });

  test("that leave from the middle change nothing for the others", () => {
    const { waiters, add } = line();
    const all = [1, 2, 3, 4].map((n) => add("q", `${n}`).waiter);
    removeWaiter(waiters, all[1] as (typeof all)[number]);
    const served: unknown[] = [];
    for (let next = firstWaiter(waiters, "q"); next; next = firstWaiter(waiters, "q")) {
      served.push(next);
      removeWaiter(waiters, next);
    }
    expect(served).toEqual([all[0], all[2], all[3]]);
  });

  test("leave nothing behind, and may be removed twice", () => {
    const { waiters, add, events } = line();
    const { waiter } = add("q", "a");
    removeWaiter(waiters, waiter);
    expect(waiters.size).toBe(0);
    const other = add("q", "b").waiter;
    removeWaiter(waiters, waiter);
    expect(firstWaiter(waiters, "q")).toBe(other);
    removeWaiter(waiters, other);
    expect(waiters.size).toBe(0);
    expect(events).toEqual([]);
  });

  test("give up after their time, and are gone then", async () => {
    const { waiters, events, add } = line();
    const patient = add("q", "patient").waiter;
    const [later, sooner] = [add("q", "later", 30), add("q", "sooner", 5)];
    await sooner.gaveUp;
    expect(waiters.get("q")?.size).toBe(2);
    await later.gaveUp;
    expect(events).toEqual(["sooner gave up", "later gave up"]);
    expect(firstWaiter(waiters, "q")).toBe(patient);
    expect(waiters.get("q")?.size).toBe(1);
    removeWaiter(waiters, patient);
  });

  test("that were removed don't give up", async () => {
    const { waiters, events, add } = line();
    removeWaiter(waiters, add("q", "removed", 5).waiter);
    await add("q", "other", 10).gaveUp;
    expect(events).toEqual(["other gave up"]);
  });

  test("the longest time that a client may ask for does not end at once", async () => {
    const { waiters, events, add } = line();
    const { waiter } = add("q", "longest", 2 ** 31 - 1);
    await add("q", "other", 20).gaveUp;
    expect(events).toEqual(["other gave up"]);
    removeWaiter(waiters, waiter);
  });
});
