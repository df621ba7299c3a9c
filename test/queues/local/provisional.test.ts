/** Which operations fail with their group: each that saw or made a change, and no other. */
import { beforeEach, describe, expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import type { LocalConsumer } from "../../../src/queues/local/queue.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { suite } from "../../store/scratch.ts";
import {
  close,
  execute,
  failNextCommit,
  faults,
  flush,
  keepBody,
  newShop,
  openNext,
  operation,
  put,
  restoring,
  run,
  save,
  type Shop,
  summaries,
} from "./shop.ts";

suite();

const NO = "failed: no";

let shop: Shop;
let holder: LocalConsumer;
let taken: Operation;

/** Three queues of three messages, one of which the holder has open, and one was taken. */
beforeEach(() => {
  shop = newShop(1024 * 1024, { messages: 3, bytes: 20 });
  holder = newConsumer();
  for (const queue of ["q", "r", "s"]) {
    for (let n = 1; n <= 3; n++) put(shop, queue, `${n}`);
    run(shop, operation("open", queue, { consumer: holder }));
  }
  taken = keepBody(run(shop, operation("take", "s")));
  save(shop);
});

/** What becomes of the operations in a group whose commit fails. */
function failing(...operations: Operation[]): string[] {
  // An open message whose close failed is available again.
  const before = summaries(shop).map(({ open: _open, openedAt: _at, ...rest }) => rest);
  failNextCommit(shop);
  const told = execute(shop, ...operations);
  expect(shop.failures).toEqual(["no"]);
  expect(summaries(shop)).toMatchObject(before);
  expect(faults(shop)).toEqual([]);
  return told;
}

const on = (queue: string) => ({
  take: () => operation("take", queue),
  peek: () => operation("peek", queue),
  put: () => operation("put", queue, { body: "4" }),
  check: () => operation("check", queue, { consumer: holder }),
  open: () => operation("open", queue, { consumer: holder }),
  close: () => operation("close", queue, { consumer: holder }),
  abort: () => operation("abort", queue, { consumer: holder }),
  remove: () => operation("delete", queue),
  flush: () => operation("flush", queue),
  details: () => operation("details", queue),
});

describe("behind a change of its queue, it fails:", () => {
  const q = on("q");
  test.each([
    ["another take", [q.take(), q.take()]],
    ["a take that finds nothing more", [q.take(), q.take(), q.take()]],
    ["a peek", [q.take(), q.peek()]],
    ["a delete of what is deleted", [q.remove(), q.remove()]],
    ["a take of what is deleted", [q.remove(), q.take()]],
    ["a peek of what is deleted", [q.remove(), q.peek()]],
    ["details of what is deleted", [q.remove(), q.details()]],
    ["details of what is changed", [q.take(), q.details()]],
    ["a flush of what is deleted", [q.remove(), q.flush()]],
    ["a set of what is deleted", [q.remove(), q.put()]],
    ["a set beyond the limit of messages", [q.take(), q.put(), q.put()]],
    ["a take that follows a flush", [q.flush(), q.take()]],
  ])("%s", (_name, operations) => {
    expect(failing(...operations)).toEqual(operations.map(() => NO));
  });

  test.each(["check", "open", "close", "abort"] as const)("%s", (kind) => {
    expect(failing(q.take(), q[kind]())).toEqual([NO, NO]);
  });

  test.each(["check", "close", "abort"] as const)("%s, of what is deleted", (kind) => {
    expect(failing(q.remove(), q[kind]())).toEqual([NO, NO]);
  });

  test("what a queue that the group makes tells", () => {
    const fresh = on("new");
    expect(failing(fresh.put(), fresh.take(), fresh.take(), fresh.details())).toEqual(
      Array(4).fill(NO),
    );
  });
});

test("a set beyond the limit of bytes fails with any change, since its room may rest on it", () => {
  const body = "x".repeat(20);
  const large = operation("put", "r", { body });
  expect(failing(on("q").take(), large)).toEqual([NO, NO]);
  expect(execute(shop, operation("put", "r", { body }))).toEqual(["full"]);
});

test("parts of a list and of a flush of all fail", () => {
  expect(failing(on("q").take(), operation("list"))).toEqual([NO, NO]);
  shop.failures = [];
  expect(failing(on("q").take(), operation("flush all"))).toEqual([NO, NO]);
});

test("a restore fails, also of a message whose queue the group deletes", () => {
  expect(failing(on("q").take(), restoring(taken))).toEqual([NO, NO]);
  shop.failures = [];
  expect(failing(on("s").remove(), restoring(taken))).toEqual([NO, NO]);
});

test("a checkpoint fails: it was to bring in what the group did, and was not made", () => {
  let checkpoints = 0;
  shop.store.checkpoint = () => void checkpoints++;
  expect(failing(on("q").take(), operation("checkpoint"), operation("archive"))).toEqual([
    NO,
    NO,
    NO,
  ]);
  expect(checkpoints).toBe(0);
  expect(execute(shop, operation("checkpoint"), operation("archive"))).toEqual(["done", "done"]);
  expect(checkpoints).toBe(1);
});

describe("on a queue that the group does not change, it does not fail:", () => {
  const [r, none] = [on("r"), on("none")];
  test.each([
    ["a set beyond the limit of messages", r.put(), "full"],
    ["a check", r.check(), "held"],
    ["an open of a consumer that has one", r.open(), "held"],
    ["details", r.details(), "done"],
    ["a take of no queue", none.take(), "absent"],
    ["a peek of no queue", none.peek(), "absent"],
    ["a delete of no queue", none.remove(), "absent"],
    ["details of no queue", none.details(), "absent"],
    ["a close in no queue", none.close(), "absent"],
    ["a check in no queue", none.check(), "done"],
    ["nothing", operation("none"), "done"],
  ])("%s", (_name, one, expected) => {
    one.consumer = holder;
    expect(failing(on("q").take(), one)).toEqual([NO, expected]);
  });

  test("a close and an abort of a consumer that has nothing open", () => {
    const told = failing(on("q").take(), operation("close", "r"), operation("abort", "r"));
    expect(told).toEqual([NO, "absent", "absent"]);
  });

  test("a take of an empty queue", () => {
    flush(shop, "r");
    close(shop, "r", holder);
    save(shop);
    expect(failing(on("q").take(), r.take())).toEqual([NO, "absent"]);
  });

  test("an operation that was withdrawn, or has its outcome already", () => {
    const withdrawn = Object.assign(on("q").take(), {
      outcome: "skipped" as const,
      provisional: true,
    });
    expect(failing(on("q").put(), on("q").take(), withdrawn)).toEqual(["full", NO, "skipped"]);
  });
});

test("what is told of an uncommitted open is not told when the group fails", () => {
  const other = newConsumer();
  const opening = operation("open", "q", { consumer: other });
  const again = operation("open", "q", { consumer: other });
  const checking = operation("check", "q", { consumer: other });
  expect(failing(on("r").take(), opening, again, checking)).toEqual([NO, NO, NO, NO]);
  expect(other.open.size).toBe(0);
  expect(openNext(shop, "q").open.size).toBe(1);
});
