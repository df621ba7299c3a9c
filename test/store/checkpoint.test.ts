/** A long log is brought in beside the commits, not between two of them. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Store } from "../../src/store/store.ts";
import {
  connect,
  fileIn,
  logIn,
  make,
  messagesOf,
  newHome,
  open,
  put,
  scratch,
  sent,
  suite,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;
const MEGABYTE = 1024 * 1024;
const BODY = Buffer.alloc(60_000, "b");

interface Opened {
  directory: string;
  store: Store;
  queue: number;
  next: number;
}

/** Puts one message, and does what is due after it, in a turn of the loop of its own. */
async function step(all: Opened, messages = 1): Promise<void> {
  const group = Array.from({ length: messages }, () => [sent(BODY)]);
  all.next = put(all.store, all.queue, all.next, ...group);
  all.store.autoCheckpoint();
  await Bun.sleep(1);
}

/** A store whose log has grown to so many bytes behind a reader; what ends the reader. */
async function grown(bytes: number, options: Parameters<typeof open>[1] = {}) {
  const directory = newHome();
  const store = open(directory, options);
  const all: Opened = { directory, store, queue: make(store, "q"), next: 1 };
  const reader = connect(directory);
  reader.run("BEGIN");
  reader.query("SELECT count(*) FROM segment").get();
  while (statSync(logIn(directory)).size < bytes) await step(all, 20);
  return { all, reader };
}

async function untilShort(all: Opened): Promise<void> {
  const end = performance.now() + 30_000;
  while (all.store.checkpointed() < 90 && performance.now() < end) await step(all);
  expect(all.store.checkpointed()).toBeWithin(90, 101);
}

/** Until a commit is written to the beginning of the log again. */
async function untilAnew(all: Opened): Promise<void> {
  const end = performance.now() + 60_000;
  while (all.store.checkpointed() > 50 && performance.now() < end) await step(all);
  expect(all.store.checkpointed()).toBeLessThanOrEqual(50);
}

describe("after a reader held 150 MB of log back", () => {
  test.each([true, false])("commits go on meanwhile, with sync %p", async (sync) => {
    const { all, reader } = await grown(150 * MEGABYTE, { sync });
    reader.close();
    const before = all.next;
    await untilShort(all);
    // On the loop the first commit would have to wait for all of it.
    expect(all.next - before).toBeGreaterThan(10);
    await untilAnew(all);
    expect(messagesOf(all.store.read(all.queue, all.next - 1, 1)).at(-1)?.body).toEqual(BODY);
    // The log stays as it is.
    const { size } = statSync(logIn(all.directory));
    for (let n = 0; n < 300; n++) await step(all);
    expect(statSync(logIn(all.directory)).size).toBe(size);
  });

  test("a close in the middle of it leaves the file whole, and no log", async () => {
    const { all, reader } = await grown(60 * MEGABYTE);
    reader.close();
    await step(all);
    all.store.close();
    expect(existsSync(logIn(all.directory))).toBe(false);
    const later = open(all.directory);
    expect(messagesOf(later.read(all.queue, 1, ALL))).toHaveLength(all.next - 1);
    later.close();
  });

  test("a close before it has begun, and a checkpoint that is asked for", async () => {
    const { all, reader } = await grown(20 * MEGABYTE);
    reader.close();
    all.store.checkpoint("passive");
    all.store.checkpoint("full");
    expect(all.store.checkpointed()).toBe(100);
    await step(all);
    all.store.close();
    expect(existsSync(logIn(all.directory))).toBe(false);
  });
});

test("while a reader goes on reading, one thread is enough", async () => {
  const { all, reader } = await grown(40 * MEGABYTE);
  const before = threads();
  for (let n = 0; n < 400; n++) await step(all, 2);
  expect(threads()).toBeLessThanOrEqual(before + 4);
  reader.close();
  await untilShort(all);
});

describe("a flood of large messages", () => {
  test("has a log that stays short, although commits don't wait for the thread", async () => {
    const directory = newHome();
    const store = open(directory, { sync: false });
    const all: Opened = { directory, store, queue: make(store, "q"), next: 1 };
    let longest = 0;
    for (let n = 0; n < 400; n++) {
      all.next = put(
        all.store,
        all.queue,
        all.next,
        ...Array.from({ length: 20 }, () => [sent(BODY)]),
      );
      store.autoCheckpoint();
      // The thread begins with a message that it gets from a turn of the loop.
      if (n % 10 === 0) await Bun.sleep(0);
      longest = Math.max(longest, statSync(logIn(directory)).size);
    }
    // Of 480 MB.
    expect(longest).toBeLessThan(240 * MEGABYTE);
    await untilShort(all);
    store.close();
    const later = open(directory);
    expect(later.measure(all.queue, 1, all.next).bytes).toBe((all.next - 1) * BODY.length);
    later.close();
  });

  test("uses the same threads again, which are gone when the store is closed", async () => {
    const before = threads();
    const directory = newHome();
    const store = open(directory);
    const all: Opened = { directory, store, queue: make(store, "q"), next: 1 };
    for (let n = 0; n < 8; n++) {
      for (let m = 0; m < 10; m++) await step(all, 20);
      await untilShort(all);
      expect(threads()).toBeLessThanOrEqual(before + 4);
    }
    store.close();
    expect(existsSync(logIn(directory))).toBe(false);
    const end = performance.now() + 30_000;
    while (threads() > before + 2 && performance.now() < end) await Bun.sleep(10);
    expect(threads()).toBeLessThanOrEqual(before + 2);
  });
});

test("a log of short messages, which has few pages, does not wait for a thread", async () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  for (let n = 1; n <= 3000; n++) {
    put(store, queue, n, [sent("short")]);
    store.autoCheckpoint();
    if (n % 100 === 0) await Bun.sleep(0);
  }
  // It was brought in several times, each time before a thread would have begun.
  expect(statSync(logIn(directory)).size).toBeLessThan(5 * MEGABYTE);
  store.close();
});

function threads(): number {
  return Number(/Threads:\s+(\d+)/.exec(statusOf(process.pid))?.[1]);
}

function statusOf(pid: number): string {
  return process.platform === "linux"
    ? new TextDecoder().decode(Bun.spawnSync(["cat", `/proc/${pid}/status`]).stdout)
    : "Threads: 0";
}

test("the executable has the thread in it", async () => {
  const folder = join(scratch(), "dist");
  mkdirSync(folder);
  const source = `${import.meta.dir}/../../src/store`;
  // As build.ts does it, with a program that grows a log behind a reader and ends when it is short again.
  await Bun.build({
    entrypoints: [`${import.meta.dir}/checkpoint.fixture.ts`, `${source}/checkpointer.ts`],
    naming: { entry: "[name].[ext]" },
    bytecode: true,
    format: "esm",
    compile: { outfile: join(folder, "program") },
  });
  const directory = newHome();
  const child = Bun.spawnSync([join(folder, "program"), directory], { cwd: folder });
  expect(child.stderr.toString()).toBe("");
  expect(child.stdout.toString()).toBe("short\n");
  expect(statSync(fileIn(directory)).size).toBeGreaterThan(20 * MEGABYTE);
});
