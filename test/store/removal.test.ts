/** Segments whose messages are all gone are removed, in portions; no other ever is. */
import { describe, expect, test } from "bun:test";

import type { HeldMessage } from "../../src/store/batch.ts";
import type { Store } from "../../src/store/store.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import {
  commit,
  maintainAll,
  make,
  messages,
  messagesOf,
  newHome,
  numbered,
  numberedBodies,
  open,
  position,
  put,
  rows,
  segment,
  segmentsIn,
  sent,
  singles,
  suite,
  take,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;
/** At most so many segments are removed at once. */
const PORTION = 128;

function isNoted(directory: string): boolean {
  return rows(directory, "SELECT * FROM dropped").length > 0;
}

/** Does the work that waits; how many segments each portion removed. */
function portions(directory: string, store: Store): number[] {
  const removed: number[] = [];
  let before = segmentsIn(directory).length;
  for (let more = true; more;) {
    more = store.maintain();
    const after = segmentsIn(directory).length;
    removed.push(before - after);
    before = after;
  }
  return removed;
}

test("only what removes something waits for the disk", () => {
  const store = open(newHome(), { sync: true });
  const syncs = () => store.syncs.counts.reduce((sum, count) => sum + count);
  const queue = make(store, "q");
  put(store, queue, 1, numberedBodies("m", 10));
  take(store, queue, 5, 11);
  const before = syncs();
  expect(before).toBe(3);
  maintainAll(store);
  expect(syncs()).toBe(before);
  take(store, queue, 11, 11);
  maintainAll(store);
  expect(syncs()).toBe(before + 2);
  commit(store, { dropped: [queue] });
  maintainAll(store);
  expect(syncs()).toBe(before + 4);
});

test("without work there is none", () => {
  const store = open(newHome());
  expect(store.maintain()).toBe(false);
  put(store, make(store, "q"), 1, numberedBodies("m", 500));
  expect(store.maintain()).toBe(false);
});

describe("a queue that was dropped", () => {
  test("goes away in portions, with the note of it, and nothing else goes", () => {
    const directory = newHome();
    const store = open(directory);
    const before = singles(store, "before", 5);
    const queue = singles(store, "q", 1000);
    const after = singles(store, "after", 5);
    commit(store, { dropped: [queue] });
    expect(rows(directory, "SELECT name FROM queue WHERE CAST(name AS TEXT) = 'q'")).toEqual([]);
    expect(isNoted(directory)).toBe(true);
    expect(segmentsIn(directory)).toHaveLength(1010);
    const removed = portions(directory, store);
    expect(removed.reduce((sum, count) => sum + count)).toBe(1000);
    expect(removed.length).toBeGreaterThanOrEqual(Math.ceil(1000 / PORTION));
    for (const count of removed) expect(count).toBeWithin(0, PORTION + 1);
    expect(isNoted(directory)).toBe(false);
    expect(segmentsIn(directory)).toHaveLength(10);
    for (const other of [before, after]) {
      expect(messagesOf(store.read(other, 1, ALL))).toHaveLength(5);
    }
  });

  test("of large messages: few of them at a time", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = singles(store, "q", 20, 1024 * 1024);
    commit(store, { dropped: [queue] });
    const removed = portions(directory, store);
    expect(removed.reduce((sum, count) => sum + count)).toBe(20);
    for (const count of removed) expect(count).toBeWithin(0, 5);
    expect(isNoted(directory)).toBe(false);
  });

  test("without messages: only the note of it goes", () => {
    const directory = newHome();
    const store = open(directory);
    commit(store, { dropped: [make(store, "q")] });
    expect(isNoted(directory)).toBe(true);
    maintainAll(store);
    expect(isNoted(directory)).toBe(false);
  });

  test("several, and exactly as many segments as a portion has", () => {
    const directory = newHome();
    const store = open(directory);
    const queues = [PORTION, PORTION - 1, PORTION + 1, 1].map((count) =>
      singles(store, `${count}`, count),
    );
    commit(store, { dropped: queues });
    maintainAll(store);
    expect(segmentsIn(directory)).toEqual([]);
    expect(isNoted(directory)).toBe(false);
  });

  test("the server stops in the middle of it: it goes on at the next start", () => {
    const directory = newHome();
    let store = open(directory);
    const queue = singles(store, "q", 1000);
    const other = singles(store, "other", 3);
    commit(store, { dropped: [queue] });
    for (let left = 1000; left > 0; left = segmentsIn(directory).length - 3) {
      const more = store.maintain();
      store.close();
      expect(more).toBe(segmentsIn(directory).length > 3);
      store = open(directory);
      expect(store.queues()).toMatchObject([{ name: "other", queue: other }]);
    }
    maintainAll(store);
    expect(isNoted(directory)).toBe(false);
    expect(messagesOf(store.read(other, 1, ALL))).toHaveLength(3);
  });

  test("its name can be used again before it is gone", () => {
    const directory = newHome();
    const store = open(directory);
    commit(store, { dropped: [singles(store, "q", 300)] });
    const queue = singles(store, "q", 3);
    maintainAll(store);
    expect(segmentsIn(directory)).toEqual([1, 2, 3].map((first) => `${queue}:${first}+1`));
  });

  test("what waited to be removed of it is forgotten", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = singles(store, "q", 10);
    take(store, queue, 6, 11);
    commit(store, { dropped: [queue] });
    maintainAll(store);
    expect(segmentsIn(directory)).toEqual([]);
  });
});

describe("messages that were taken", () => {
  test("their segments go when there is time", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const groups = [
      numberedBodies("m", 3),
      numberedBodies("m", 4),
      [sent("x")],
      numberedBodies("m", 2),
    ];
    const tail = put(store, queue, 1, ...groups);
    const left: [head: number, segments: string[]][] = [
      [1, ["1+3", "4+4", "8+1", "9+2"]],
      [2, ["1+3", "4+4", "8+1", "9+2"]],
      [3, ["1+3", "4+4", "8+1", "9+2"]],
      [4, ["4+4", "8+1", "9+2"]],
      [7, ["4+4", "8+1", "9+2"]],
      [8, ["8+1", "9+2"]],
      [9, ["9+2"]],
      [10, ["9+2"]],
      [11, []],
    ];
    for (const [head, segments] of left) {
      take(store, queue, head, tail);
      maintainAll(store);
      expect(segmentsIn(directory)).toEqual(segments.map((one) => `${queue}:${one}`));
      if (head < tail) {
        expect(messagesOf(store.read(queue, head, ALL)).at(-1)?.number).toBe(tail - 1);
      }
    }
  });

  test("many of them go while messages go by, a portion with each commit", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = singles(store, "q", 2000);
    let before = 2000;
    let removed = 0;
    for (let head = 301; head <= 2001; head += 300) {
      take(store, queue, Math.min(head, 2001), 2001);
      const after = segmentsIn(directory).length;
      expect(before - after).toBeWithin(0, PORTION + 1);
      removed += before - after;
      before = after;
    }
    expect(removed).toBeGreaterThan(0);
    take(store, queue, 2001, 2001);
    for (const count of portions(directory, store)) expect(count).toBeWithin(0, PORTION + 1);
    expect(segmentsIn(directory)).toEqual([]);
  });

  test("go after the next start, when the server stopped before", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = singles(store, "q", 600);
    take(store, queue, 401, 601);
    store.close();
    const later = open(directory);
    maintainAll(later);
    expect(segmentsIn(directory)).toHaveLength(200);
    expect(segmentsIn(directory)[0]).toBe(`${queue}:401+1`);
  });

  test("those held back stay, with their segments, until they go as well", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const groups = Array.from({ length: 6 }, (_, n) => numberedBodies("m", 5, n * 5 + 1));
    const tail = put(store, queue, 1, ...groups);
    let before: number[] = [];
    const hold = (head: number, ...held: number[]) => {
      commit(store, {
        positions: [position(queue, head, tail)],
        held: messages(queue, ...held.filter((number) => !before.includes(number))),
        released: messages(queue, ...before.filter((number) => !held.includes(number))),
      });
      before = held;
      maintainAll(store);
      return segmentsIn(directory).map((one) => one.slice(one.indexOf(":") + 1));
    };
    expect(hold(21, 1, 8, 9, 20)).toEqual(["1+5", "6+5", "16+5", "21+5", "26+5"]);
    expect(messagesOf(store.read(queue, 8, 1)).map(({ number }) => number)).toEqual([
      6, 7, 8, 9, 10,
    ]);
    expect(messagesOf(store.read(queue, 20, 1)).at(-1)).toEqual({ number: 20, ...sent("m20", 20) });
    expect(hold(22, 8, 20)).toEqual(["6+5", "16+5", "21+5", "26+5"]);
    expect(hold(26, 20)).toEqual(["16+5", "26+5"]);
    // The head stays where it was.
    expect(hold(26)).toEqual(["26+5"]);
    expect(hold(27)).toEqual(["26+5"]);
    expect(hold(31)).toEqual([]);
  });
});

test.each(seeds)("whatever happens, all that is left is what is needed, seed %d", (seed) => {
  const random = newRandom(seed);
  const directory = newHome();
  const store = open(directory);
  interface Model {
    id: number;
    head: number;
    tail: number;
    held: number[];
    segments: { first: number; count: number }[];
  }
  let queues: Model[] = [];
  const next = () => {
    const dropped = queues.filter(() => random.below(12) === 0);
    queues = queues.filter((queue) => !dropped.includes(queue));
    const created: Model[] = Array.from(
      { length: queues.length < 4 ? random.below(3) : 0 },
      () => ({
        id: store.newQueueId() as number,
        head: 1,
        tail: 1,
        held: [],
        segments: [],
      }),
    );
    queues.push(...created);
    const segments = queues.flatMap((queue) =>
      Array.from({ length: random.pick([0, 1, 3, 200]) }, () => {
        const count = random.pick([1, 1, 2, 10, 40]);
        const first = queue.tail;
        queue.tail += count;
        queue.segments.push({ first, count });
        return segment(queue.id, first, numberedBodies("", count, first));
      }),
    );
    const held: HeldMessage[] = [];
    const released: HeldMessage[] = [];
    for (const queue of queues) {
      const { head } = queue;
      const from =
        random.below(2) === 0 ? queue.tail : Math.min(queue.tail, head + random.below(300));
      queue.head = random.between(head, from);
      const kept = queue.held.filter(() => random.below(3) > 0);
      released.push(
        ...messages(queue.id, ...queue.held.filter((number) => !kept.includes(number))),
      );
      queue.held = kept;
      for (let number = head; number < queue.head; number += random.between(1, 2000)) {
        if (random.below(4) > 0) continue;
        queue.held.push(number);
        held.push({ queue: queue.id, number });
      }
    }
    commit(store, {
      dropped: dropped.map(({ id }) => id),
      created: created.map(({ id }) => ({ queue: id, name: `${id}` })),
      segments,
      positions: queues.map(({ id, head, tail }) => position(id, head, tail)),
      held,
      released,
    });
  };
  const isNeeded = ({ head, held }: Model, first: number, count: number) =>
    first + count > head || held.some((number) => number >= first && number < first + count);
  for (let round = 0; round < 40; round++) {
    next();
    const all = queues.flatMap((queue) =>
      queue.segments
        .filter(({ first, count }) => isNeeded(queue, first, count))
        .map(({ first, count }) => `${queue.id}:${first}+${count}`),
    );
    const there = new Set(segmentsIn(directory));
    expect({ round, lost: all.filter((one) => !there.has(one)) }).toEqual({ round, lost: [] });
    if (random.below(4) > 0) continue;
    maintainAll(store);
    expect({ round, left: segmentsIn(directory).sort() }).toEqual({ round, left: all.sort() });
    expect(isNoted(directory)).toBe(false);
  }
});

test("what is left after a removal is read as it was", () => {
  const store = open(newHome());
  const queue = make(store, "q");
  const all = numberedBodies("message ", 3000);
  const groups = Array.from({ length: 300 }, (_, n) => all.slice(n * 10, n * 10 + 10));
  put(store, queue, 1, ...groups);
  for (let head = 1; head <= 3000; head += 77) {
    take(store, queue, head, 3001);
    if (head % 2 === 0) store.maintain();
    const found = messagesOf(store.read(queue, head, ALL));
    expect(found).toEqual(numbered(all).slice((found[0]?.number ?? 0) - 1));
    expect(found[0]?.number).toBeLessThanOrEqual(head);
  }
});
