/** What is damaged is a gap: everything else is read, counted, taken and cleared away as if nothing were. */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

import type { Store } from "../../src/store/store.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import {
  commit,
  connect,
  fileIn,
  maintainAll,
  make,
  messages,
  messagesOf,
  newHome,
  NUMBER_BITS,
  numberedBodies,
  open,
  position,
  put,
  segment,
  segmentsIn,
  sent,
  suite,
  take,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

/** Changes rows behind the store's back. */
function spoil(directory: string, ...statements: string[]): void {
  const database = connect(directory);
  for (const statement of statements) database.run(statement);
  database.close();
}

const key = (queue: number, first: number) => `(${queue} << ${NUMBER_BITS}) + ${first}`;

/** The segments that are read when each read goes on behind the one before, as `first+count`. */
function walk(store: Store, queue: number, tail: number, bytes = 1): string[] {
  const found: string[] = [];
  let from = 1;
  while (from < tail) {
    const segments = store.read(queue, from, bytes);
    const last = segments.at(-1);
    if (last === undefined) break;
    found.push(...segments.map(({ first, count }) => `${first}+${count}`));
    from = last.first + last.count;
  }
  return found;
}

function measureAll(store: Store, queue: number, rows: number): number {
  let total = 0;
  let steps = 0;
  for (let from = 1; from !== 0 && steps < 10_000; steps++) {
    const { bytes, next } = store.measure(queue, from, rows);
    total += bytes;
    from = next;
  }
  expect(steps).toBeLessThan(10_000);
  return total;
}

/** A queue of ten segments of three messages of five bytes, between two others. */
function stocked() {
  const directory = newHome();
  const store = open(directory);
  const [before, queue, after] = ["before", "q", "after"].map((name) => make(store, name)) as [
    number,
    number,
    number,
  ];
  for (const other of [before, after]) put(store, other, 1, numberedBodies("o", 5));
  const groups = Array.from({ length: 10 }, (_, n) => numberedBodies("m", 3, 1001 + n * 3));
  const tail = put(store, queue, 1, ...groups);
  return { directory, store, before, queue, after, tail };
}

describe("a row that is missing", () => {
  test("is skipped by a read, which begins with the next one", () => {
    const { directory, store, queue, tail } = stocked();
    spoil(directory, `DELETE FROM segment WHERE key IN (${key(queue, 4)}, ${key(queue, 7)})`);
    const firsts = (from: number) => store.read(queue, from, ALL).map(({ first }) => first);
    expect(firsts(1)).toEqual([1]);
    for (const from of [4, 5, 8, 9]) expect(firsts(from)).toEqual([10, 13, 16, 19, 22, 25, 28]);
    expect(walk(store, queue, tail)).toHaveLength(8);
    for (const number of [4, 9]) expect(store.arrived(queue, number)).toBeUndefined();
    expect(store.arrived(queue, 10)).toBeNumber();
  });

  test("at the end, or everywhere, leaves nothing to be read", () => {
    const { directory, store, before, queue } = stocked();
    spoil(directory, `DELETE FROM segment WHERE key = ${key(queue, 28)}`);
    expect(store.read(queue, 28, ALL)).toEqual([]);
    spoil(directory, `DELETE FROM segment WHERE key >> ${NUMBER_BITS} = ${queue}`);
    expect(store.read(queue, 1, ALL)).toEqual([]);
    expect(store.measure(queue, 1, 100)).toEqual({ bytes: 0, next: 0 });
    expect(messagesOf(store.read(before, 1, ALL))).toHaveLength(5);
  });
});

const undecodable: [title: string, change: string][] = [
  ["no messages", "count = 0"],
  ["a negative number of messages", "count = -3"],
  ["one message too many", "count = 4"],
  ["one message too few", "count = 2"],
  ["more messages than there are numbers", `count = ${2 ** 43}`],
  ["a number that is none", "count = 'three'"],
  ["a body that ends early", "body = substr(body, 1, length(body) - 1)"],
  ["a body that goes on", "body = body || x'00'"],
  ["an empty body", "body = x''"],
  ["a text for a body", "body = 'text'"],
  ["lengths beyond all bounds", "body = x'ffffffff' || substr(body, 5)"],
];

describe("a row that cannot be decoded", () => {
  test.each(undecodable)("%s", (_title, change) => {
    const { directory, store, queue, after, tail } = stocked();
    spoil(directory, `UPDATE segment SET ${change} WHERE key = ${key(queue, 10)}`);
    const firsts = (from: number) => store.read(queue, from, ALL).map(({ first }) => first);
    expect(firsts(1)).toEqual([1, 4, 7]);
    for (const from of [10, 12]) expect(firsts(from)[0]).toBe(13);
    expect(walk(store, queue, tail)).toHaveLength(9);
    expect(messagesOf(store.read(after, 1, ALL))).toHaveLength(5);
    // It is taken like any other, and so is what is behind it.
    take(store, queue, 13, tail);
    take(store, queue, tail, tail);
    maintainAll(store);
    expect(store.read(queue, 13, ALL)).toEqual([]);
  });

  test("is never written", () => {
    const { store, queue, tail } = stocked();
    const good = segment(queue, tail, numberedBodies("m", 3));
    for (const bad of [
      { ...good, count: 0 },
      { ...good, count: 4 },
      { ...good, first: -1 },
      { ...good, first: 2 ** 43 },
      { ...good, queue: 2 ** 20 },
      { ...good, body: good.body.subarray(1) },
      { ...segment(queue, tail, [sent("x")]), flags: 2 ** 32 },
    ]) {
      expect(() => commit(store, { segments: [bad] })).toThrow("do not fit their segment");
    }
    commit(store, { segments: [good] });
  });
});

test.each(seeds)("whatever is missing, all else is found and measured, seed %d", (seed) => {
  const random = newRandom(seed);
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  const groups = Array.from({ length: 200 }, (_, n) =>
    numberedBodies("m", random.pick([1, 1, 2, 7]), 10_000 + n * 10),
  );
  const tail = put(store, queue, 1, ...groups);
  put(store, make(store, "next"), 1, numberedBodies("n", 10));
  const expected: string[] = [];
  let bytes = 0;
  let first = 1;
  const statements: string[] = [];
  for (const { length: count } of groups) {
    const where = `WHERE key = ${key(queue, first)}`;
    const fate = random.below(4);
    if (fate === 0) statements.push(`DELETE FROM segment ${where}`);
    else if (fate === 1) statements.push(`UPDATE segment SET count = 0 ${where}`);
    else {
      expected.push(`${first}+${count}`);
      bytes += count * 6;
    }
    first += count;
  }
  spoil(directory, ...statements);
  expect(walk(store, queue, tail)).toEqual(expected);
  expect(walk(store, queue, tail, 500)).toEqual(expected);
  for (const rows of [1, 7, 1000]) expect(measureAll(store, queue, rows)).toBe(bytes);
});

/** A file that is too long to be checked at the start, with garbage in some of its pages, and what is in them. */
function withGarbage(pages: number): { directory: string; queue: number; other: number } {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  const other = make(store, "other");
  const bodies = Array.from({ length: 2000 }, (_, n) => [sent(Buffer.alloc(1000, `m${n}`), n)]);
  put(store, queue, 1, ...bodies);
  put(store, other, 1, numberedBodies("o", 10));
  for (let n = 0; n < 34; n++) put(store, make(store, `fill ${n}`), 1, [sent(Buffer.alloc(1e6))]);
  store.close();
  const bytes = readFileSync(fileIn(directory));
  // Leaf pages with these messages, not next to each other.
  for (let n = 0; n < pages; n++) {
    const at = bytes.indexOf(`m${500 + n * 300}m${500 + n * 300}`);
    expect(at).toBeGreaterThan(0);
    const start = at - (at % 4096);
    bytes.fill("Lorem ipsum dolor ", start, start + 4096);
  }
  writeFileSync(fileIn(directory), bytes);
  return { directory, queue, other };
}

describe("pages full of garbage", () => {
  test("are gaps of a few messages, and stop no commit", () => {
    const { directory, queue, other } = withGarbage(3);
    const store = open(directory);
    const found = walk(store, queue, 2001, 50_000).map((one) => Number.parseInt(one));
    expect(found).toEqual([...new Set(found)].toSorted((a, b) => a - b));
    expect(found.length).toBeWithin(2000 - 3 * 8, 2000 - 3 * 2);
    expect(measureAll(store, queue, 100)).toBe(found.length * 1000);
    // Both queues are taken to their ends, in many commits.
    for (let head = 2; head <= 2001; head += 7) take(store, queue, head, 2001);
    take(store, queue, 2001, 2001);
    take(store, other, 11, 11);
    put(store, other, 11, numberedBodies("o", 5));
    maintainAll(store);
    maintainAll(store);
    store.close();
  });

  test("are no gaps before they have been unreadable for a while: the disk may fail for a moment only", () => {
    const { directory, queue, other } = withGarbage(1);
    const store = open(directory, { lastingDamage: 60_000 });
    for (let n = 0; n < 2; n++) {
      expect(() => walk(store, queue, 2001, 50_000)).toThrow("disk I/O error");
      store.maintain();
    }
    expect(messagesOf(store.read(other, 1, ALL))).toHaveLength(10);
    store.close();
    const later = open(directory);
    expect(walk(later, queue, 2001, 50_000).length).toBeGreaterThan(1900);
    later.close();
  });

  test("of a queue that is dropped keep its id from being used again", () => {
    const { directory, queue, other } = withGarbage(1);
    const store = open(directory);
    commit(store, { dropped: [queue] });
    for (let round = 0; round < 5; round++) maintainAll(store);
    expect(messagesOf(store.read(other, 1, ALL))).toHaveLength(10);
    expect(store.maintain()).toBe(false);
    const ids = Array.from({ length: 2 ** 20 }, () => store.newQueueId());
    expect(ids).not.toContain(queue);
    expect(store.queues().map((one) => one.queue)).not.toContain(queue);
    store.close();
  });
});

describe("what is kept for a message that may come back", () => {
  test("a commit removes no segment with a message that it takes itself", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const tail = put(store, queue, 1, ...numberedBodies("m", 1000).map((one) => [one]));
    take(store, queue, 301, tail);
    expect(segmentsIn(directory)).toHaveLength(1000);
    // It removes what the one before took, in a portion.
    take(store, queue, 601, tail);
    const left = segmentsIn(directory);
    expect(left.length).toBeWithin(850, 1000);
    for (let first = 301; first <= 1000; first++) expect(left).toContain(`${queue}:${first}+1`);
    // So one of them can be put back.
    commit(store, { positions: [position(queue, 601, tail)], held: messages(queue, 600) });
    maintainAll(store);
    expect(messagesOf(store.read(queue, 600, 1))[0]?.body.toString()).toBe("m600");
    expect(segmentsIn(directory)[0]).toBe(`${queue}:600+1`);
  });

  test("nor one of which it releases the last held message", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const tail = put(store, queue, 1, ...numberedBodies("m", 1000).map((one) => [one]));
    commit(store, { positions: [position(queue, 601, tail)], held: messages(queue, 5) });
    const positions = [position(queue, 602, tail)];
    commit(store, { positions, released: messages(queue, 5) });
    commit(store, { positions, held: messages(queue, 5) });
    maintainAll(store);
    expect(segmentsIn(directory).slice(0, 2)).toEqual([`${queue}:5+1`, `${queue}:602+1`]);
    commit(store, { positions, released: messages(queue, 5) });
    maintainAll(store);
    expect(segmentsIn(directory)[0]).toBe(`${queue}:602+1`);
  });

  test("a message that was never in the store is one of its own below the head", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    put(store, queue, 1, numberedBodies("m", 3));
    commit(store, { positions: [position(queue, 8, 8)] });
    maintainAll(store);
    commit(store, {
      segments: [segment(queue, 6, [sent("back", 7)])],
      positions: [position(queue, 8, 8, 4)],
      held: messages(queue, 6),
    });
    maintainAll(store);
    store.close();
    const later = open(directory);
    maintainAll(later);
    expect(later.queues()).toMatchObject([{ head: 8, tail: 8, bytes: 4, held: [6] }]);
    expect(messagesOf(later.read(queue, 6, ALL))).toEqual([{ number: 6, ...sent("back", 7) }]);
    commit(later, { positions: [position(queue, 8, 8)], released: messages(queue, 6) });
    maintainAll(later);
    expect(segmentsIn(directory)).toEqual([]);
  });

  test("many released ones at once, more than are remembered", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const count = 12_000;
    const tail = put(store, queue, 1, ...numberedBodies("m", count).map((one) => [one]));
    const all = Array.from({ length: count }, (_, n) => n + 1);
    commit(store, { positions: [position(queue, tail, tail)], held: messages(queue, ...all) });
    maintainAll(store);
    expect(segmentsIn(directory)).toHaveLength(count);
    commit(store, { positions: [position(queue, tail, tail)], released: messages(queue, ...all) });
    maintainAll(store);
    expect(segmentsIn(directory)).toEqual([]);
  });
});
