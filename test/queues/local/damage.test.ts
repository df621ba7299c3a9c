/** Messages that the store has lost, or cannot read: which operation is told of them, and what goes on. */
import { beforeEach, describe, expect, test } from "bun:test";

import { previewsOf } from "../../../src/queues/local/previews.ts";
import { StoreError } from "../../../src/store/store.ts";
import { NUMBER_BITS, suite } from "../../store/scratch.ts";
import {
  abort,
  counts,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  heldRows,
  newShop,
  openNext,
  operation,
  put,
  queueOf,
  queueRows,
  recountAll,
  restart,
  save,
  type Shop,
  tamper,
} from "./shop.ts";

suite();

const told = (which: string) =>
  `failed: the database is damaged: ${which} of this queue cannot be read`;

let shop: Shop;

/** Nothing stays in memory; message n has n bytes, and a row of its own. */
beforeEach(() => {
  shop = newShop(0);
  for (const queue of ["other", "q"]) {
    for (let n = 1; n <= 5; n++) {
      put(shop, queue, `${n}`.repeat(n));
      save(shop);
    }
  }
});

/** SQL for the rows of the queue that begin at these messages. */
function rowsAt(queue: string, numbers: number[]): string {
  const { id } = queueOf(shop, queue);
  return `key IN (${numbers.map((n) => `(${id} << ${NUMBER_BITS}) + ${n}`).join(", ")})`;
}

/** Removes the rows of these messages. */
function lose(...numbers: number[]): void {
  const where = rowsAt("q", numbers);
  tamper(shop, (database) => database.run(`DELETE FROM segment WHERE ${where}`));
}

/** Executes takes one by one, each in a group of its own. */
function takes(count: number): string[] {
  return Array.from({ length: count }, () => execute(shop, operation("take", "q"))).flat();
}

test("one take is told of them all, a peek is not, and the next take goes on", () => {
  lose(2, 3);
  expect(takes(1)).toEqual(["1"]);
  for (let n = 0; n < 2; n++) expect(execute(shop, operation("peek", "q"))).toEqual(["4444"]);
  expect([shop.warnings, shop.local.lost]).toEqual([[], 0]);
  expect(takes(1)).toEqual([told("messages 2 to 3")]);
  expect(shop.warnings).toEqual([
    "queue q: the database is damaged: messages 2 to 3 of this queue cannot be read, and are skipped",
  ]);
  expect([shop.local.lost, counts(shop)]).toEqual([2, ["other 5/0", "q 5/3"]]);
  expect(details(shop, "q")?.messages).toBe(2);
  recountAll(shop);
  expect([details(shop, "q")?.bytes, shop.local.bytes, queueRows(shop)]).toEqual([
    9,
    24,
    ["1 to 6 15", "4 to 6 9"],
  ]);
  expect(takes(3)).toEqual(["4444", "55555", "absent"]);
  expect([shop.local.lost, shop.local.bytes, faults(shop)]).toEqual([2, 15, []]);
  expect(drain(shop, "other")).toEqual(["1", "22", "333", "4444", "55555"]);
});

describe("damaged is a row", () => {
  test.each([
    ["that claims more messages than it has", "count = 3"],
    ["that claims none", "count = 0"],
    ["that is no whole message", "count = 2, body = x'05000000'"],
    ["with a length beyond its end", "count = 2, body = x'ff0000000000000000000000000000000000'"],
  ])("%s", (_name, change) => {
    const where = rowsAt("q", [2]);
    tamper(shop, (database) => database.run(`UPDATE segment SET ${change} WHERE ${where}`));
    expect(takes(5)).toEqual(["1", told("message 2"), "333", "4444", "55555"]);
    expect(shop.local.lost).toBe(1);
    recountAll(shop);
    expect([shop.local.bytes, queueOf(shop, "q").bytes, faults(shop)]).toEqual([15, 0, []]);
  });

  test("of many messages: all of them are lost", () => {
    for (let n = 1; n <= 50; n++) put(shop, "packed", `${n}`);
    save(shop);
    put(shop, "packed", "last");
    save(shop);
    const where = rowsAt("packed", [1]);
    tamper(shop, (database) => database.run(`UPDATE segment SET body = x'' WHERE ${where}`));
    const told = execute(shop, operation("take", "packed"), operation("take", "packed"));
    expect(told[0]).toContain("messages 1 to 50 of this queue");
    expect(told[1]).toBe("last");
    expect(shop.local.lost).toBe(50);
  });
});

test("at the end: the queue is empty then, and takes new messages", () => {
  lose(4, 5);
  expect(takes(3)).toEqual(["1", "22", "333"]);
  expect(execute(shop, operation("peek", "q"))).toEqual(["absent"]);
  expect(takes(2)).toEqual([told("messages 4 to 5"), "absent"]);
  recountAll(shop);
  expect([details(shop, "q")?.bytes, faults(shop)]).toEqual([0, []]);
  expect(execute(shop, operation("put", "q", { body: "new" }))).toEqual(["done"]);
  expect(takes(2)).toEqual(["new", "absent"]);
});

test("all that there is, with new messages behind it in the same group", () => {
  lose(1, 2, 3, 4, 5);
  const groups = execute(
    shop,
    operation("put", "q", { body: "6" }),
    operation("peek", "q"),
    operation("take", "q"),
    operation("peek", "q"),
    operation("take", "q"),
    operation("take", "q"),
  );
  expect(groups).toEqual(["done", "6", told("messages 1 to 5"), "6", "6", "absent"]);
  recountAll(shop);
  expect([queueOf(shop, "q").bytes, faults(shop)]).toEqual([0, []]);
});

test("between others, twice: each gap is told once", () => {
  lose(2, 4);
  expect(takes(6)).toEqual(["1", told("message 2"), "333", told("message 4"), "55555", "absent"]);
  expect(shop.local.lost).toBe(2);
});

test("an open is told as well, and what is chained to it is skipped", () => {
  lose(1);
  expect(
    execute(
      shop,
      operation("open", "q"),
      operation("close", "q", { chained: true }),
      operation("open", "q"),
    ),
  ).toEqual([told("message 1"), "skipped", "22"]);
});

describe("a held message", () => {
  test("that was put back, and has a row: it is told, and the row goes", () => {
    const consumer = openNext(shop, "q");
    expect(takes(1)).toEqual(["22"]);
    abort(shop, "q", consumer);
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1"]);
    lose(1);
    expect(execute(shop, operation("peek", "q"))).toEqual(["333"]);
    expect(takes(2)).toEqual([told("message 1"), "333"]);
    expect([heldRows(shop), shop.local.lost, counts(shop)]).toEqual([
      [],
      1,
      ["other 5/0", "q 5/3"],
    ]);
    recountAll(shop);
    expect([queueOf(shop, "q").bytes, faults(shop)]).toEqual([9, []]);
  });

  test("that was put back, and has no row: those open behind it get theirs", () => {
    const consumers = [openNext(shop, "q"), openNext(shop, "q"), openNext(shop, "q")] as const;
    abort(shop, "q", consumers[1]);
    save(shop);
    lose(2);
    expect(takes(2)).toEqual([told("message 2"), "4444"]);
    expect(heldRows(shop)).toEqual(["q 1", "q 3"]);
    restart(shop);
    expect(drain(shop, "q")).toEqual(["1", "333", "55555"]);
  });

  test("that is open is closed as ever", () => {
    const consumer = openNext(shop, "q");
    save(shop);
    lose(1, 2);
    expect(takes(1)).toEqual([told("message 2")]);
    recountAll(shop);
    expect(details(shop, "q")).toMatchObject({ messages: 4, bytes: 13, open: 1 });
    expect(execute(shop, operation("close", "q", { consumer }))).toEqual(["done"]);
    expect(details(shop, "q")).toMatchObject({ messages: 3, bytes: 12, open: 0 });
    expect(takes(4)).toEqual(["333", "4444", "55555", "absent"]);
    expect([queueOf(shop, "q").bytes, faults(shop)]).toEqual([0, []]);
  });

  test("that is open, and goes back, is told then", () => {
    const consumer = openNext(shop, "q");
    save(shop);
    lose(1);
    abort(shop, "q", consumer);
    expect(takes(2)).toEqual([told("message 1"), "22"]);
    recountAll(shop);
    expect([queueOf(shop, "q").bytes, faults(shop)]).toEqual([12, []]);
  });
});

test("in a group whose commit fails, the next take is told, and they count once", () => {
  lose(1, 2);
  failNextCommit(shop);
  expect(takes(1)).toEqual(["failed: no"]);
  expect([shop.local.lost, counts(shop)]).toEqual([0, ["other 5/0", "q 5/0"]]);
  expect(takes(2)).toEqual([told("messages 1 to 2"), "333"]);
  expect(shop.local.lost).toBe(2);
  recountAll(shop);
  expect([queueOf(shop, "q").bytes, faults(shop)]).toEqual([9, []]);
});

test("other queues are as before, in the same group as well", () => {
  lose(1, 2, 3, 4, 5);
  expect(
    execute(
      shop,
      operation("put", "other", { body: "6" }),
      operation("take", "q"),
      operation("take", "other"),
      operation("take", "q"),
      operation("put", "new", { body: "x" }),
    ),
  ).toEqual(["done", told("messages 1 to 5"), "1", "absent", "done"]);
  restart(shop);
  expect(drain(shop, "other")).toEqual(["22", "333", "4444", "55555", "6"]);
  expect(drain(shop, "q")).toEqual([]);
});

test("previews leave them out, and tell no client", () => {
  lose(1, 3);
  const most = { messages: 10, bytes: 100 };
  const bodies = previewsOf(shop.local, queueOf(shop, "q"), most).map(({ body }) => `${body}`);
  expect(bodies).toEqual(["22", "4444", "55555"]);
  expect(shop.local.lost).toBe(0);
});

test("an error of the disk is told, and every message stays", () => {
  const { read } = shop.store;
  shop.store.read = () => {
    throw new StoreError("disk I/O error");
  };
  expect(takes(2)).toEqual(Array(2).fill("failed: disk I/O error"));
  expect(execute(shop, operation("peek", "q"))).toEqual(["failed: disk I/O error"]);
  shop.store.read = read;
  expect([takes(1), shop.local.lost, counts(shop)]).toEqual([["1"], 0, ["other 5/0", "q 5/1"]]);
});
