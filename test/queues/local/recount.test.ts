/** The bytes of a queue that lost messages are counted anew, in portions, while the queue is used. */
import { describe, expect, test } from "bun:test";

import { recountPortion } from "../../../src/queues/local/damage.ts";
import { doDue } from "../../../src/queues/local/due.ts";
import { openLocal } from "../../../src/queues/local/local.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { commit, NUMBER_BITS, position, segment, sent, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  close,
  details,
  execute,
  failNextCommit,
  faults,
  flush,
  keepBody,
  newShop,
  NO_LIMITS,
  openNext,
  operation,
  put,
  queueOf,
  queueRows,
  recountAll,
  remove,
  restart,
  restoring,
  run,
  save,
  type Shop,
  takenOf,
  tamper,
  undo,
} from "./shop.ts";

suite();

/** More than two portions of counting. */
const ROWS = 5000;
/** Lost is the first message, which a take is told of, and some behind it. */
const LOST = [1, 3000, 3001, 3002, 4990];

/** A queue with a row for each of its messages, some of which are lost, and one take was told so. */
function damaged(cacheLimit = 0): Shop {
  const shop = newShop(cacheLimit);
  const queue = shop.store.newQueueId() as number;
  const bodies = Array.from({ length: ROWS }, (_, n) => `${n + 1}`);
  const total = bodies.join("").length;
  commit(shop.store, {
    created: [{ queue, name: "q" }],
    segments: bodies.map((each, n) => segment(queue, n + 1, [sent(each)])),
    positions: [{ ...position(queue, 1, ROWS + 1), bytes: total }],
  });
  restart(shop);
  const keys = LOST.map((n) => `(${queue} << ${NUMBER_BITS}) + ${n}`);
  tamper(shop, (database) => database.run(`DELETE FROM segment WHERE key IN (${keys.join(", ")})`));
  expect(execute(shop, operation("take", "q"))[0]).toContain("message 1 of this queue");
  expect([...shop.local.recounts]).toEqual([queueOf(shop, "q")]);
  return shop;
}

/** The bodies of all messages that can be taken; takes that are told of damage are left aside. */
function drainReadable(shop: Shop): string[] {
  const found: string[] = [];
  for (;;) {
    const one = run(shop, operation("take", "q"));
    if (one.outcome === "absent") return found;
    if (one.outcome === "done") found.push(takenOf(one).body);
  }
}

/** The bytes are those of all that is there; `open` is what consumers have open beside it. */
function expectRight(shop: Shop, open = ""): void {
  expect(faults(shop)).toEqual([]);
  const { bytes } = queueOf(shop, "q");
  expect(drainReadable(shop).join("").length + open.length).toBe(bytes);
  save(shop);
  recountAll(shop);
  expect([queueOf(shop, "q").bytes, shop.local.bytes]).toEqual([open.length, open.length]);
  expect(faults(shop)).toEqual([]);
}

/** Takes the next messages, in a group of their own. */
function takeNext(shop: Shop, count: number): Operation[] {
  const taken = Array.from({ length: count }, () => operation("take", "q"));
  execute(shop, ...taken);
  return taken.map(keepBody);
}

test("it ends with the bytes of what is left, on disk too", () => {
  const shop = damaged();
  expect(recountAll(shop)).toBe(3);
  expect(shop.local.recounts.size).toBe(0);
  expect(queueRows(shop)).toEqual([`2 to 5001 ${queueOf(shop, "q").bytes}`]);
  expectRight(shop);
  expect(shop.local.lost).toBe(LOST.length);
});

describe("between its portions go on", () => {
  const steps: [string, (shop: Shop) => string | void][] = [
    ["takes of what was counted", (shop) => void takeNext(shop, 100)],
    ["takes past what was counted", (shop) => void takeNext(shop, 2500)],
    ["takes past what is lost", (shop) => void takeNext(shop, 3500)],
    ["takes of all", (shop) => void drainReadable(shop)],
    ["sets", (shop) => void many(3000, (n) => put(shop, "q", `new ${n}`))],
    ["sets and their takes", (shop) => (put(shop, "q", "new"), void drainReadable(shop))],
    ["sets and opens of them", setsAndOpens],
    ["opens", (shop) => (openNext(shop, "q"), "2")],
    ["opens past what was counted, and closes", opensAndCloses],
    ["aborts", (shop) => void abort(shop, "q", openNext(shop, "q"))],
    ["a flush", (shop) => flush(shop, "q")],
    ["a flush beside an open message", (shop) => (openNext(shop, "q"), flush(shop, "q"), "2")],
    ["restores of what was counted", restores(10)],
    ["restores of what was not counted", restores(2600)],
    ["a group that is undone", (shop) => (takeNext(shop, 10), drainReadable(shop), undo(shop))],
    ["a delete that is undone", (shop) => (remove(shop, "q"), undo(shop))],
  ];

  function many(count: number, work: (n: number) => void): void {
    for (let n = 0; n < count; n++) work(n);
  }

  function setsAndOpens(shop: Shop): string {
    put(shop, "q", "new");
    save(shop);
    for (let left = ROWS - 1 - (LOST.length - 1); left > 0;) {
      if (run(shop, operation("take", "q")).outcome === "done") left--;
    }
    openNext(shop, "q");
    return "new";
  }

  function opensAndCloses(shop: Shop): string {
    const consumers = Array.from({ length: 2500 }, () => openNext(shop, "q"));
    save(shop);
    recountPortion(shop.local);
    for (const consumer of consumers.slice(0, 2499)) close(shop, "q", consumer);
    return "2501";
  }

  function restores(count: number): (shop: Shop) => void {
    return (shop) => {
      const taken = takeNext(shop, count);
      recountPortion(shop.local);
      execute(shop, ...taken.slice(-5).map(restoring));
    };
  }

  test.each(steps)("%s", (_name, step) => {
    for (const portions of [0, 1, 2]) {
      const shop = damaged();
      for (let n = 0; n < portions; n++) expect(recountPortion(shop.local)).toBe(true);
      const open = step(shop) ?? "";
      save(shop);
      recountAll(shop);
      expectRight(shop, open);
    }
  });

  test("with messages in memory", () => {
    for (const limit of [3000, 1024 * 1024]) {
      const shop = damaged(limit);
      takeNext(shop, 10);
      recountPortion(shop.local);
      takeNext(shop, 10);
      recountAll(shop);
      expectRight(shop);
    }
  });
});

test("messages that are in memory, and lost on disk, count until they are gone", () => {
  const shop = newShop();
  for (let n = 1; n <= 9; n++) put(shop, "q", `${n}`);
  save(shop);
  const consumer = openNext(shop, "q");
  abort(shop, "q", consumer);
  save(shop);
  tamper(shop, (database) => database.run("DELETE FROM segment"));
  expect(execute(shop, operation("take", "q"))[0]).toContain("message 1 of this queue");
  expect(body(shop, "q")).toBe("2");
  save(shop);
  recountAll(shop);
  expect(queueOf(shop, "q").bytes).toBe(7);
  expectRight(shop);
});

test("a commit that fails after the end of the counting: it is counted again", () => {
  const shop = damaged();
  while (recountPortion(shop.local));
  failNextCommit(shop);
  execute(shop, operation("put", "q", { body: "x" }));
  expect(shop.failures).toEqual(["no"]);
  recountAll(shop);
  expectRight(shop);
});

test("a deleted queue is not counted any more", () => {
  const shop = damaged();
  recountPortion(shop.local);
  remove(shop, "q");
  save(shop);
  expect(recountPortion(shop.local)).toBe(false);
  expect([shop.local.recounts.size, shop.local.bytes]).toEqual([0, 0]);
});

test.each([0, 600])("leased and delayed messages count, %d more of them", (more) => {
  const shop = newShop(0);
  const put = (text: string, delay = 0) => operation("put", "q", { body: text, delay });
  const lease = () => operation("lease", "q", { lease: 30_000 });
  execute(shop, put("1"), put("22", 1000), put("333", 60_000), put("4444"), put("55555", 1000));
  execute(shop, ...Array.from({ length: more }, () => put("waits", 60_000)));
  execute(shop, put("666666"), put("7777777"));
  // In a row of its own.
  execute(shop, put("lost"));
  shop.now += 2000;
  doDue(shop.local);
  // Of those that were due one is leased, the other is put back. The head moves past all that wait.
  execute(shop, lease(), lease());
  abort(shop, "q", openNext(shop, "q"));
  expect(execute(shop, ...Array.from({ length: 3 }, () => operation("take", "q")))).toEqual([
    "4444",
    "55555",
    "666666",
  ]);
  execute(shop, lease());
  expect(details(shop, "q")).toMatchObject({ messages: 5 + more, leased: 3, delayed: 1 + more });
  const { id } = queueOf(shop, "q");
  const key = `(${id} << ${NUMBER_BITS}) + ${8 + more}`;
  tamper(shop, (database) => database.run(`DELETE FROM segment WHERE key = ${key}`));
  restart(shop);
  expect(execute(shop, operation("take", "q"))[0]).toContain("cannot be read");
  recountAll(shop);
  const bytes = "122333".length + "7777777".length + more * "waits".length;
  expect(queueOf(shop, "q").bytes).toBe(bytes);
  expect(faults(shop)).toEqual([]);
});

test("two queues are counted one after the other", () => {
  const shop = damaged();
  put(shop, "r", "1");
  save(shop);
  put(shop, "r", "22");
  save(shop);
  const { id } = queueOf(shop, "r");
  const key = `(${id} << ${NUMBER_BITS}) + 1`;
  tamper(shop, (database) => database.run(`DELETE FROM segment WHERE key = ${key}`));
  execute(shop, operation("take", "r"));
  recountAll(shop);
  expect(queueOf(shop, "r").bytes).toBe(2);
  expect(faults(shop)).toEqual([]);
});

test("the backend does it when there is nothing else to do, and commits what it found", () => {
  const shop = damaged();
  restart(shop);
  const watcher = { committed() {}, failed() {}, isAwaited: () => false, ready() {} };
  const backend = openLocal(shop.store, watcher, {
    cacheLimit: 0,
    limits: NO_LIMITS,
    tricklePercent: 0,
    clock: { monotonic: () => 0, calendar: Date.now },
    warn: () => {},
  });
  const takes = Array.from({ length: 3200 }, () => operation("take", "q"));
  for (let done = 0; done < takes.length;) done += backend.execute(takes, done, 3200) as number;
  expect(backend.usage().lost).toBe(3);
  for (let n = 0; backend.maintain(); n++) expect(n).toBeLessThan(1000);
  const bytes = backend.summary("q")?.bytes;
  const [, next = 0] = /^(\d+)/.exec(queueRows(shop)[0] ?? "")?.map(Number) ?? [];
  expect(queueRows(shop)).toEqual([`${next} to 5001 ${bytes}`]);
  expect(bytes).toBe((5000 - next + 1 - 1) * 4);
});
