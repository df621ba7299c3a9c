/** Held messages: which rows they have in the store, and when these come and go. */
import { beforeEach, describe, expect, test } from "bun:test";

import type { LocalConsumer } from "../../../src/queues/local/queue.ts";
import { segmentsIn, suite } from "../../store/scratch.ts";
import {
  abort,
  body,
  close,
  counts,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  flush,
  heldRows,
  keepBody,
  newShop,
  openNext,
  operation,
  put,
  queueOf,
  queueRows,
  recordBatches,
  release,
  remove,
  restart,
  restoring,
  run,
  save,
  type Shop,
  summaries,
  undo,
} from "./shop.ts";

suite();

let shop: Shop;
beforeEach(() => {
  shop = newShop();
});

/** Puts so many messages into the queue, and commits them. */
function stock(count: number): void {
  for (let n = 1; n <= count; n++) put(shop, "q", `${n}`);
  save(shop);
}

function openMany(count: number): LocalConsumer[] {
  return Array.from({ length: count }, () => openNext(shop, "q"));
}

describe("a row of its own", () => {
  test("comes with the commit that moves the head past the message, and goes with its close", () => {
    stock(5);
    const [a, b] = openMany(2) as [LocalConsumer, LocalConsumer];
    save(shop);
    expect([heldRows(shop), queueRows(shop)]).toEqual([[], ["1 to 6 5"]]);
    body(shop, "q");
    save(shop);
    expect([heldRows(shop), queueRows(shop)]).toEqual([["q 1", "q 2"], ["4 to 6 4"]]);
    close(shop, "q", a);
    save(shop);
    expect([heldRows(shop), queueRows(shop)]).toEqual([["q 2"], ["4 to 6 3"]]);
    abort(shop, "q", b);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 2"]);
    expect(drain(shop, "q")).toEqual(["2", "4", "5"]);
    save(shop);
    expect([heldRows(shop), faults(shop)]).toEqual([[], []]);
  });

  test("costs a queue nothing once it is gone", () => {
    stock(3);
    put(shop, "other", "x");
    const a = openNext(shop, "q");
    body(shop, "q");
    save(shop);
    expect(queueOf(shop, "q").listed).toEqual(new Set([1]));
    close(shop, "q", a);
    save(shop);
    expect(queueOf(shop, "q").listed).toBeUndefined();
  });

  test("is not needed when the messages close in their order", () => {
    stock(5);
    const consumers = openMany(5);
    for (const consumer of consumers) {
      close(shop, "q", consumer);
      save(shop);
      expect(heldRows(shop)).toEqual([]);
    }
    expect(queueRows(shop)).toEqual(["6 to 6 0"]);
  });

  test("is not written for a message that is passed and closed in one group", () => {
    stock(3);
    const a = openNext(shop, "q");
    save(shop);
    const batches = recordBatches(shop);
    body(shop, "q");
    close(shop, "q", a);
    save(shop);
    expect(batches).toMatchObject([{ held: [], released: [] }]);
  });

  test("comes and goes with what was set in the same group", () => {
    put(shop, "q", "1");
    put(shop, "q", "2");
    const a = openNext(shop, "q");
    body(shop, "q");
    save(shop);
    expect([heldRows(shop), segmentsIn(shop.home)]).toEqual([["q 1"], ["1:1+1"]]);
    close(shop, "q", a);
    save(shop);
    expect(heldRows(shop)).toEqual([]);
  });

  test("goes when the message that was put back is taken", () => {
    stock(3);
    const a = openNext(shop, "q");
    body(shop, "q");
    save(shop);
    abort(shop, "q", a);
    expect(body(shop, "q")).toBe("1");
    save(shop);
    expect(heldRows(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["3"]);
  });
});

test("of 5,000 open messages each commit adds or removes only what changed", () => {
  stock(7000);
  const consumers = openMany(5000);
  save(shop);
  const batches = recordBatches(shop);
  body(shop, "q");
  save(shop);
  expect(batches.pop()?.held).toHaveLength(5000);
  expect(heldRows(shop)).toHaveLength(5000);
  for (let n = 0; n < 500; n++) {
    const closed = (n * 7) % 5000;
    expect(body(shop, "q")).toBe(`${5002 + n}`);
    if (n % 5 === 0) close(shop, "q", consumers[closed] as LocalConsumer);
    if (n % 5 === 2) put(shop, "q", "later");
    save(shop);
    const batch = batches.pop();
    const released = n % 5 === 0 ? [{ queue: 1, number: closed + 1 }] : [];
    expect([batch?.held, batch?.released, batch?.positions[0]?.queue]).toEqual([[], released, 1]);
  }
  expect(heldRows(shop)).toHaveLength(4900);
  for (const consumer of consumers) release(shop, consumer);
  save(shop);
  expect(batches).toEqual([]);
  expect(details(shop, "q")).toMatchObject({ messages: 4900 + 1499 + 100, open: 0 });
  expect(faults(shop)).toEqual([]);
  for (let n = 0; n < 4900; n++) body(shop, "q");
  save(shop);
  expect([heldRows(shop), body(shop, "q")]).toEqual([[], "5502"]);
});

describe("a flush", () => {
  test("leaves what is open, and drops what was put back", () => {
    stock(6);
    const [a, b] = openMany(3) as [LocalConsumer, LocalConsumer];
    body(shop, "q");
    save(shop);
    abort(shop, "q", a);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1", "q 2", "q 3"]);
    flush(shop, "q");
    save(shop);
    expect([heldRows(shop), queueRows(shop)]).toEqual([["q 2", "q 3"], ["7 to 7 2"]]);
    expect(details(shop, "q")).toMatchObject({ messages: 2, open: 2, bytes: 2, gets: 4 });
    abort(shop, "q", b);
    save(shop);
    restart(shop);
    expect(drain(shop, "q")).toEqual(["2", "3"]);
  });

  test("gives rows to open messages that the head passes with it", () => {
    stock(4);
    openMany(2);
    save(shop);
    flush(shop, "q");
    save(shop);
    expect([heldRows(shop), queueRows(shop)]).toEqual([["q 1", "q 2"], ["5 to 5 2"]]);
    expect(faults(shop)).toEqual([]);
  });

  test("of what was set in the same group leaves what of it is open", () => {
    for (let n = 1; n <= 4; n++) put(shop, "q", `${n}`);
    const a = openNext(shop, "q");
    flush(shop, "q");
    put(shop, "q", "5");
    save(shop);
    expect([heldRows(shop), segmentsIn(shop.home)]).toEqual([["q 1"], ["1:1+1", "1:5+1"]]);
    abort(shop, "q", a);
    expect(drain(shop, "q")).toEqual(["1", "5"]);
  });
});

describe("a restart", () => {
  test("makes all held messages available, with and without rows, in their order", () => {
    stock(9);
    const consumers = openMany(6);
    save(shop);
    close(shop, "q", consumers[3] as LocalConsumer);
    save(shop);
    abort(shop, "q", consumers[1] as LocalConsumer);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1", "q 2", "q 3"]);
    restart(shop);
    expect(counts(shop)).toEqual(["q 9/1"]);
    expect(details(shop, "q")).toMatchObject({ open: 0, bytes: 8 });
    const reopened = openNext(shop, "q");
    expect(drain(shop, "q")).toEqual(["2", "3", "5", "6", "7", "8", "9"]);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1"]);
    close(shop, "q", reopened);
    save(shop);
    expect([heldRows(shop), faults(shop)]).toEqual([[], []]);
  });

  test("of a queue that was deleted with held messages leaves nothing of them", () => {
    stock(4);
    openNext(shop, "q");
    body(shop, "q");
    save(shop);
    remove(shop, "q");
    put(shop, "q", "new");
    save(shop);
    restart(shop);
    expect(heldRows(shop)).toEqual([]);
    expect(drain(shop, "q")).toEqual(["new"]);
  });
});

/** A queue with rows for held messages, open ones without a row, and some that were put back. */
function mixed() {
  stock(12);
  const consumers = openMany(3);
  body(shop, "q");
  const later = openMany(3);
  save(shop);
  abort(shop, "q", consumers[1] as LocalConsumer);
  abort(shop, "q", later[1] as LocalConsumer);
  save(shop);
  return { open: consumers[0] as LocalConsumer, behind: later[0] as LocalConsumer };
}

describe("a commit that fails leaves everything as before:", () => {
  type Steps = (held: ReturnType<typeof mixed>) => void;
  const changes: [string, Steps][] = [
    ["an open", () => void openNext(shop, "q")],
    ["an open of a new message", () => void openMany(4)],
    ["a take of one that was put back", () => void body(shop, "q")],
    ["takes past all", () => void drain(shop, "q")],
    ["a flush", () => flush(shop, "q")],
    ["a flush and sets", () => (flush(shop, "q"), void put(shop, "q", "x"))],
    ["a delete", () => void remove(shop, "q")],
    ["a delete and a new queue", () => (remove(shop, "q"), void put(shop, "q", "x"))],
    ["an open and its close", () => void close(shop, "q", openNext(shop, "q"))],
    ["an open and its abort", () => void abort(shop, "q", openNext(shop, "q"))],
    ["sets, opens and takes of them", () => (put(shop, "q", "x"), openMany(4), drain(shop, "q"))],
  ];

  test.each(changes)("%s", (_name, change) => {
    const held = mixed();
    const { listed } = queueOf(shop, "q");
    const before = [summaries(shop), heldRows(shop), queueRows(shop), [...(listed ?? [])]];
    change(held);
    failNextCommit(shop);
    execute(shop, operation("put", "other", { body: "x" }));
    const queue = queueOf(shop, "q");
    expect([summaries(shop), heldRows(shop), queueRows(shop), [...(queue.listed ?? [])]]).toEqual(
      before,
    );
    expect([faults(shop), queue.unlisted, queue.opened, queue.touched]).toEqual([
      [],
      undefined,
      undefined,
      false,
    ]);
    expect([held.open.open.get(queue), held.behind.open.get(queue)]).toEqual([1, 5]);
    expect(drain(shop, "q")).toEqual(["2", "6", "8", "9", "10", "11", "12"]);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1", "q 3", "q 5", "q 7"]);
    expect(close(shop, "q", held.behind)).toBe(true);
    save(shop);
    restart(shop);
    expect(drain(shop, "q")).toEqual(["1", "3", "7"]);
  });

  test("the close of one with a row, and of one without: they are available again", () => {
    const { open, behind } = mixed();
    const rows = heldRows(shop);
    close(shop, "q", open);
    close(shop, "q", behind);
    undo(shop);
    expect([heldRows(shop), faults(shop)]).toEqual([rows, []]);
    expect([open.open.size, behind.open.size]).toEqual([0, 0]);
    expect(details(shop, "q")).toMatchObject({ messages: 11, open: 2, bytes: 14 });
    expect(drain(shop, "q").slice(0, 4)).toEqual(["1", "2", "5", "6"]);
  });

  test("a restore", () => {
    mixed();
    const taken = run(shop, operation("take", "q"));
    save(shop);
    keepBody(taken);
    const before = [summaries(shop), heldRows(shop)];
    run(shop, restoring(taken));
    undo(shop);
    expect([summaries(shop), heldRows(shop), faults(shop)]).toEqual([...before, []]);
  });
});
