/** Copies of messages: to the queues of copy-to, and to the children of a fanout. */
import { describe, expect, test } from "bun:test";

import { suite } from "../../store/scratch.ts";
import {
  counts,
  details,
  drain,
  execute,
  failNextCommit,
  faults,
  operation,
  put,
  remove,
  restart,
  save,
  shopWith,
  undo,
} from "./shop.ts";

suite();

describe("copy-to", () => {
  test("copies in the same commit, and one level only", () => {
    const shop = shopWith("q:copy-to=a+b", "a:copy-to=c+q", "b:copy-to=q");
    const large = "x".repeat(50_000);
    put(shop, "q", "1", 7);
    put(shop, "q", large);
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(["q 2/0", "a 2/0", "b 2/0"]);
    for (const queue of ["q", "a", "b"]) {
      expect(execute(shop, operation("take", queue))).toEqual(["1"]);
      expect(drain(shop, queue)).toEqual([large]);
    }
    save(shop);
    expect(faults(shop)).toEqual([]);
  });

  test("copies no repeat, and nothing that is refused", () => {
    const shop = shopWith("q:copy-to=a,max-messages=1");
    const puts = ["x", "x", "y"].map((id) => operation("put", "q", { body: id, id }));
    expect(execute(shop, ...puts)).toEqual(["done", "repeated", "full"]);
    expect(drain(shop, "a")).toEqual(["x"]);
  });

  test("a queue that is full misses its copy, and one that drops its oldest has it", () => {
    const shop = shopWith("q:copy-to=a+b", "a:max-messages=1", "b:max-messages=1,drop-oldest=yes");
    expect([put(shop, "q", "1"), put(shop, "q", "2")]).toEqual([true, true]);
    save(shop);
    expect(details(shop, "a")).toMatchObject({ messages: 1, missed: 1 });
    expect([drain(shop, "a"), drain(shop, "b"), faults(shop)]).toEqual([["1"], ["2"], []]);
  });

  test("copies wait for their time, as the message does", () => {
    const shop = shopWith("q:copy-to=a");
    execute(shop, operation("put", "q", { body: "1", delay: 5000 }));
    expect(details(shop, "a")).toMatchObject({ messages: 1, delayed: 1 });
    expect(execute(shop, operation("take", "a"))).toEqual(["absent"]);
  });

  test("is undone with a commit that fails", () => {
    const shop = shopWith("q:copy-to=a+b");
    put(shop, "a", "0");
    save(shop);
    failNextCommit(shop, "no space");
    expect(execute(shop, operation("put", "q", { body: "1" }))).toEqual(["failed: no space"]);
    expect([counts(shop), faults(shop)]).toEqual([["a 1/0"], []]);
  });
});

describe("--fanout", () => {
  test("a child has what is set from its first get on, and keeps that over a restart", () => {
    const shop = shopWith();
    shop.local.fanout.isOn = true;
    put(shop, "q", "0");
    expect(execute(shop, operation("take", "q+a"), operation("peek", "q+b"))).toEqual([
      "absent",
      "absent",
    ]);
    put(shop, "q", "1");
    put(shop, "q+a", "own");
    save(shop);
    expect(counts(shop)).toEqual(["q 2/0", "q+a 2/0"]);
    restart(shop);
    shop.local.fanout.isOn = true;
    put(shop, "q", "2");
    save(shop);
    expect([drain(shop, "q+a"), drain(shop, "q")]).toEqual([
      ["1", "own", "2"],
      ["0", "1", "2"],
    ]);
    remove(shop, "q+a");
    put(shop, "q", "3");
    save(shop);
    expect([counts(shop), faults(shop)]).toEqual([["q 4/3"], []]);
  });

  test("a child whose commit fails is none", () => {
    const shop = shopWith();
    shop.local.fanout.isOn = true;
    execute(shop, operation("take", "q+a"));
    failNextCommit(shop, "no space");
    expect(execute(shop, operation("take", "q+b"))).toEqual(["failed: no space"]);
    put(shop, "q", "1");
    undo(shop);
    put(shop, "q", "2");
    save(shop);
    expect(counts(shop)).toEqual(["q+a 1/0", "q 1/0"]);
    expect([drain(shop, "q+a"), shop.warnings]).toEqual([["2"], []]);
  });

  test("without it such a get is told to the operator, once", () => {
    const shop = shopWith();
    const takes = ["q+a", "q+b", "+", "q+"].map((queue) => operation("take", queue));
    expect(execute(shop, ...takes)).toEqual(["absent", "absent", "absent", "absent"]);
    put(shop, "q", "1");
    save(shop);
    expect(counts(shop)).toEqual(["q 1/0"]);
    expect(shop.warnings).toEqual([
      expect.stringContaining("a client gets from q+a: without --fanout"),
    ]);
  });
});
