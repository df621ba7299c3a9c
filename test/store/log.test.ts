/** The log file: it stays short, it is brought into the database file, and it is gone when the store is closed. */
import { describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";

import type { Store } from "../../src/store/store.ts";
import {
  connect,
  failure,
  fileIn,
  logIn,
  make,
  messagesOf,
  newHome,
  numberedBodies,
  open,
  put,
  sent,
  suite,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;
const MEGABYTE = 1024 * 1024;

function logSize(directory: string): number {
  return statSync(logIn(directory)).size;
}

/** Commits messages of 50,000 bytes, one by one, and what follows each. The longest that the log was is returned. */
function commitMany(
  { directory, store, queue }: Opened,
  count: number,
  first: number,
  after: () => void,
): number {
  let longest = 0;
  for (let n = first; n < first + count; n++) {
    put(store, queue, n, [sent(Buffer.alloc(50_000, n), n)]);
    after();
    longest = Math.max(longest, logSize(directory));
  }
  return longest;
}

/** The same, each in a turn of the loop of its own, so that a thread can be started. */
async function commitInTurns(all: Opened, count: number, first: number, after: () => void) {
  let longest = 0;
  for (let n = first; n < first + count; n++) {
    longest = Math.max(longest, commitMany(all, 1, n, after));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return longest;
}

/** Commits until the log is in the file, as it is when the thread has time. */
async function untilIn(all: Opened, first: number): Promise<number> {
  let next = first;
  const end = performance.now() + 30_000;
  while (all.store.checkpointed() < 90 && performance.now() < end) {
    await commitInTurns(all, 1, next++, () => all.store.autoCheckpoint());
  }
  return next;
}

interface Opened {
  directory: string;
  store: Store;
  queue: number;
}

function opened(options: Parameters<typeof open>[1] = {}): Opened {
  const directory = newHome();
  const store = open(directory, options);
  return { directory, store, queue: make(store, "q") };
}

describe("under many commits", () => {
  test.each([512, 4096, 65_536])("it is brought in, with pages of %d bytes", async (pageSize) => {
    const all = opened({ pageSize });
    const longest = await commitInTurns(all, 300, 1, () => all.store.autoCheckpoint());
    expect(longest).toBeGreaterThan(3 * MEGABYTE);
    const next = await untilIn(all, 301);
    expect(statSync(fileIn(all.directory)).size).toBeGreaterThan(9 * MEGABYTE);
    expect(messagesOf(all.store.read(all.queue, 1, ALL))).toHaveLength(next - 1);
  });

  test("it is brought in when only maintain is called", async () => {
    const all = opened();
    const end = performance.now() + 30_000;
    let next = 1;
    const commitOne = () => commitInTurns(all, 1, next++, () => all.store.maintain());
    while (next < 200 || (all.store.checkpointed() < 90 && performance.now() < end))
      await commitOne();
    expect(all.store.checkpointed()).toBeWithin(90, 101);
  });

  test("it would grow without", () => {
    const all = opened();
    expect(commitMany(all, 300, 1, () => undefined)).toBeGreaterThan(14 * MEGABYTE);
  });

  test("a long read makes it grow, hinders no commit, and afterwards it is brought in", async () => {
    const all = opened();
    const { directory, store, queue } = all;
    put(store, queue, 1, [sent("first")]);
    const reader = connect(directory);
    reader.run("BEGIN");
    const count = () => reader.query("SELECT count(*) AS count FROM segment").get();
    expect(count()).toEqual({ count: 1 });
    const longest = commitMany(all, 150, 2, () => store.autoCheckpoint());
    expect(longest).toBeGreaterThan(9 * MEGABYTE);
    expect(count()).toEqual({ count: 1 });
    reader.run("COMMIT");
    expect(count()).toEqual({ count: 151 });
    const next = await untilIn(all, 152);
    expect(store.checkpointed()).toBeWithin(90, 101);
    expect(messagesOf(store.read(queue, 1, ALL))).toHaveLength(next - 1);
  });
});

describe("a checkpoint", () => {
  test.each(["passive", "full", "truncate"] as const)("%s brings all of it in", (how) => {
    const all = opened();
    commitMany(all, 20, 1, () => undefined);
    expect(all.store.checkpointed()).toBe(0);
    const before = statSync(fileIn(all.directory)).size;
    all.store.checkpoint(how);
    expect(all.store.checkpointed()).toBe(100);
    expect(statSync(fileIn(all.directory)).size).toBeGreaterThan(before + 20 * 50_000);
  });

  test("truncate empties the file, the others keep it", () => {
    const all = opened();
    commitMany(all, 20, 1, () => undefined);
    const size = logSize(all.directory);
    expect(size).toBeGreaterThan(MEGABYTE);
    for (const how of ["passive", "full"] as const) {
      all.store.checkpoint(how);
      expect(logSize(all.directory)).toBe(size);
    }
    all.store.checkpoint("truncate");
    expect(logSize(all.directory)).toBe(0);
  });

  test("part of the log is in the file when a reader holds the rest back", () => {
    const all = opened();
    commitMany(all, 20, 1, () => undefined);
    const reader = connect(all.directory);
    reader.run("BEGIN");
    reader.query("SELECT count(*) FROM segment").get();
    commitMany(all, 20, 21, () => undefined);
    all.store.checkpoint("passive");
    expect(all.store.checkpointed()).toBeWithin(40, 60);
    reader.run("COMMIT");
    all.store.checkpoint("passive");
    expect(all.store.checkpointed()).toBe(100);
  });

  test("of nothing is nothing", () => {
    const { store } = opened();
    for (const how of ["passive", "full", "truncate", "truncate"] as const) {
      store.checkpoint(how);
      expect(store.checkpointed()).toBe(100);
    }
  });

  test.each(["full", "truncate"] as const)("%s fails while a reader holds it back", (how) => {
    const { directory, store, queue } = opened();
    const reader = connect(directory);
    reader.run("BEGIN");
    reader.query("SELECT count(*) FROM segment").get();
    put(store, queue, 1, numberedBodies("m", 1000));
    expect(failure(() => store.checkpoint(how))).toStartWith("another process uses the database");
    expect(store.checkpointed()).toBeLessThan(100);
    store.checkpoint("passive");
    reader.run("COMMIT");
    store.checkpoint(how);
    expect(store.checkpointed()).toBe(100);
  });

  test("its space is given back afterwards, if that is wanted", () => {
    const sizes = [true, false].map((shrinkLog) => {
      const all = opened({ shrinkLog });
      commitMany(all, 40, 1, () => undefined);
      all.store.checkpoint("full");
      put(all.store, all.queue, 41, [sent("x")]);
      return logSize(all.directory);
    });
    expect(sizes[0]).toBeLessThan(100_000);
    expect(sizes[1]).toBeGreaterThan(2_000_000);
  });
});

describe("closing", () => {
  test("leaves no log, and the messages in the file", () => {
    const all = opened();
    commitMany(all, 20, 1, () => undefined);
    expect(existsSync(logIn(all.directory))).toBe(true);
    all.store.close();
    expect(existsSync(logIn(all.directory))).toBe(false);
    const later = open(all.directory);
    expect(messagesOf(later.read(all.queue, 1, ALL))).toHaveLength(20);
  });

  test("while somebody reads: the log stays, and nothing is lost", () => {
    const all = opened();
    const reader = connect(all.directory);
    reader.run("BEGIN");
    reader.query("SELECT count(*) FROM segment").get();
    commitMany(all, 20, 1, () => undefined);
    all.store.close();
    expect(existsSync(logIn(all.directory))).toBe(true);
    const later = open(all.directory);
    expect(messagesOf(later.read(all.queue, 1, ALL))).toHaveLength(20);
    reader.close();
    later.close();
    expect(existsSync(logIn(all.directory))).toBe(false);
  });

  test("while somebody writes", () => {
    const all = opened();
    put(all.store, all.queue, 1, numberedBodies("m", 10));
    const writer = connect(all.directory);
    writer.run("BEGIN IMMEDIATE");
    all.store.close();
    writer.run("ROLLBACK");
    writer.close();
    expect(messagesOf(open(all.directory).read(all.queue, 1, ALL))).toHaveLength(10);
  });
});
