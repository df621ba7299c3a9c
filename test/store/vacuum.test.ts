/** Disk space is given back once enough pages are free. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import {
  commit,
  fileIn,
  maintainAll,
  messagesOf,
  newHome,
  open,
  rows,
  singles,
  suite,
  take,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

const size = (directory: string) => statSync(fileIn(directory)).size;

/** Fills a queue with 8 MB, drops it, and clears up. */
function fillAndDrop(extentPages: number) {
  const directory = newHome();
  const store = open(directory, { extentPages });
  const queue = singles(store, "q", 80, 100_000);
  const other = singles(store, "other", 3);
  store.checkpoint("full");
  const filled = size(directory);
  expect(filled).toBeGreaterThan(8_000_000);
  commit(store, { dropped: [queue] });
  const taken = maintainAll(store);
  store.checkpoint("full");
  expect(messagesOf(store.read(other, 1, ALL))).toHaveLength(3);
  return { directory, store, taken, filled };
}

test("space comes back once enough pages are free, in portions", () => {
  const { directory, taken } = fillAndDrop(100);
  expect(size(directory)).toBeLessThan(200_000);
  expect(rows(directory, "PRAGMA freelist_count")).toEqual([{ freelist_count: 0 }]);
  expect(taken).toBeGreaterThan(7);
});

test("a vacuum makes the file shorter without being asked to", () => {
  const directory = newHome();
  const store = open(directory, { extentPages: 100 });
  const queue = singles(store, "q", 80, 100_000);
  store.checkpoint("full");
  expect(size(directory)).toBeGreaterThan(8_000_000);
  take(store, queue, 81, 81);
  maintainAll(store);
  expect(size(directory)).toBeLessThan(200_000);
  expect(store.maintain()).toBe(false);
});

test("space never comes back with 0, and is used again", () => {
  const { directory, store, filled } = fillAndDrop(0);
  expect(size(directory)).toBe(filled);
  singles(store, "again", 79, 100_000);
  store.checkpoint("full");
  expect(size(directory)).toBe(filled);
});

test("space does not come back for fewer pages", () => {
  const { directory, filled } = fillAndDrop(100_000);
  expect(size(directory)).toBe(filled);
});

test("space comes back at the next start, too", () => {
  const { directory, store } = fillAndDrop(0);
  store.close();
  const later = open(directory, { extentPages: 1 });
  maintainAll(later);
  later.close();
  expect(size(directory)).toBeLessThan(200_000);
});

test("a portion gives back at most 32 pages", () => {
  const { directory, store } = fillAndDrop(0);
  store.close();
  const later = open(directory, { extentPages: 1 });
  const free = () =>
    rows<{ freelist_count: number }>(directory, "PRAGMA freelist_count")[0]?.freelist_count ?? 0;
  let before = free();
  expect(before).toBeGreaterThan(1000);
  while (later.maintain()) {
    const after = free();
    expect(before - after).toBeWithin(0, 33);
    before = after;
  }
  expect(before).toBe(0);
});
