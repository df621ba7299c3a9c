/** After a failed sync it is unknown what is on disk: nothing is answered before the file has told. */
import { beforeEach, describe, expect, test } from "bun:test";

import { BackendError } from "../../../src/queues/backend.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { openLocal } from "../../../src/queues/local/local.ts";
import type { Operation } from "../../../src/queues/operation.ts";
import { StoreError } from "../../../src/store/store.ts";
import { suite } from "../../store/scratch.ts";
import {
  body,
  close,
  counts,
  details,
  drain,
  execute,
  faults,
  heldRows,
  keepBody,
  newShop,
  NO_LIMITS,
  openNext,
  operation,
  put,
  queueOf,
  recountAll,
  restart,
  restoring,
  run,
  save,
  type Shop,
  summaries,
} from "./shop.ts";

suite();

const UNKNOWN = "failed: disk I/O error, outcome unknown";

let shop: Shop;
beforeEach(() => {
  shop = newShop();
  for (const queue of ["q", "r"]) for (const each of ["1", "2", "3"]) put(shop, queue, each);
  save(shop);
});

/** The next commit ends as after a failed sync, done or not. The store recovers after so many tries that fail. */
function failSync(isCommitted: boolean, tries = 2): void {
  const { store } = shop;
  const write = store.commit;
  let isKnown = true;
  let left = tries;
  store.commit = (batch) => {
    if (!isKnown) throw new Error("a commit before the recovery");
    isKnown = false;
    if (isCommitted) write(batch);
    throw new StoreError("disk I/O error", "unknown");
  };
  store.recover = () => {
    if (left-- > 0) throw new StoreError("the file is away");
    isKnown = true;
    store.commit = write;
  };
}

/** Lets the time pass after which the file is asked again. */
function waitForRetry(): void {
  shop.now += 100;
}

/** Lets two tries fail, and the third one succeed, which a group sees that asks for nothing. */
function recover(): void {
  expect(execute(shop, operation("details", "q"))).toEqual(["failed: the file is away"]);
  for (let n = 0; n < 2; n++) {
    waitForRetry();
    execute(shop, operation("none"));
  }
  expect([shop.local.failedSync, faults(shop)]).toEqual([undefined, []]);
}

test("every operation is refused until the file has told, and then none is", () => {
  const consumer = openNext(shop, "r");
  save(shop);
  failSync(false);
  expect(execute(shop, operation("put", "q", { body: "4" }), operation("take", "r"))).toEqual([
    UNKNOWN,
    UNKNOWN,
  ]);
  expect(shop.failures).toEqual(["disk I/O error, outcome unknown"]);
  const all = (): Operation[] => [
    operation("put", "q", { body: "5" }),
    operation("take", "q"),
    operation("open", "q", { consumer }),
    operation("peek", "q"),
    operation("check", "q", { consumer }),
    operation("close", "r", { consumer }),
    operation("abort", "r", { consumer }),
    operation("restore", "q", { body: "1", number: 1, queueId: 1 }),
    operation("delete", "none"),
    operation("flush", "q"),
    operation("flush all"),
    operation("list"),
    operation("details", "q"),
    operation("checkpoint"),
    operation("archive"),
  ];
  for (let n = 0; n < 2; n++) {
    const refused = execute(shop, ...all());
    expect(refused).toEqual(Array(refused.length).fill("failed: the file is away"));
    expect(execute(shop, operation("none"))).toEqual(["done"]);
    const skipped = Object.assign(operation("take", "q"), { outcome: "skipped" });
    expect(execute(shop, skipped)).toEqual(["skipped"]);
    waitForRetry();
  }
  // A close that failed has given its message back.
  const told = execute(shop, operation("peek", "q"), operation("close", "r", { consumer }));
  expect(told).toEqual(["1", "absent"]);
  expect(shop.warnings).toEqual([
    "the database was opened anew after a failed sync: the queues are what it has",
  ]);
  expect(shop.failures).toHaveLength(1);
  expect([drain(shop, "q"), drain(shop, "r"), faults(shop)]).toEqual([
    ["1", "2", "3"],
    ["1", "2", "3"],
    [],
  ]);
});

test("the file is asked at once, and then not more often than every 100 ms", () => {
  failSync(false, 0);
  execute(shop, operation("put", "q", { body: "4" }));
  expect(shop.local.failedSync).toBeUndefined();
  expect(execute(shop, operation("take", "q"))).toEqual(["1"]);
  failSync(false, 1);
  execute(shop, operation("put", "q", { body: "4" }));
  shop.now += 99;
  expect(execute(shop, operation("take", "q"))).toEqual(["failed: the file is away"]);
  shop.now += 1;
  expect(execute(shop, operation("take", "q"))).toEqual(["2"]);
});

describe.each([false, true])("where the file has the group: %p,", (isCommitted) => {
  test("the queues and their counters are what it has", () => {
    failSync(isCommitted);
    execute(
      shop,
      operation("put", "q", { body: "4" }),
      operation("take", "q"),
      operation("delete", "r"),
      operation("put", "new", { body: "x" }),
    );
    recover();
    const expected = isCommitted ? ["q 4/1", "new 1/0"] : ["q 3/0", "r 3/0"];
    expect(counts(shop)).toEqual(expected);
    expect(drain(shop, "q")).toEqual(isCommitted ? ["2", "3", "4"] : ["1", "2", "3"]);
    expect(drain(shop, "new")).toEqual(isCommitted ? ["x"] : []);
    expect(drain(shop, "r")).toEqual(isCommitted ? [] : ["1", "2", "3"]);
    save(shop);
    restart(shop);
    expect(counts(shop)).toEqual(isCommitted ? ["q 4/4", "new 1/1"] : ["q 3/3", "r 3/3"]);
  });

  test("a deleted queue that was made again is the one that it has", () => {
    failSync(isCommitted);
    execute(shop, operation("delete", "q"), operation("put", "q", { body: "new" }));
    recover();
    expect(drain(shop, "q")).toEqual(isCommitted ? ["new"] : ["1", "2", "3"]);
    expect(faults(shop)).toEqual([]);
  });

  test("an open message stays with its consumer, with a row and without", () => {
    const a = openNext(shop, "q");
    body(shop, "q");
    const b = openNext(shop, "q");
    save(shop);
    expect(heldRows(shop)).toEqual(["q 1"]);
    failSync(isCommitted);
    execute(shop, operation("put", "q", { body: "4" }));
    recover();
    expect(details(shop, "q")).toMatchObject({ open: 2, messages: isCommitted ? 3 : 2 });
    expect([close(shop, "q", a), close(shop, "q", b)]).toEqual([true, true]);
    expect(drain(shop, "q")).toEqual(isCommitted ? ["4"] : []);
    save(shop);
    expect([heldRows(shop), faults(shop)]).toEqual([[], []]);
  });

  test("a message whose close was in the group is gone, or goes back", () => {
    const a = openNext(shop, "q");
    save(shop);
    failSync(isCommitted);
    expect(execute(shop, operation("close", "q", { consumer: a }))).toEqual([UNKNOWN]);
    recover();
    expect(a.open.size).toBe(0);
    expect(drain(shop, "q")).toEqual(isCommitted ? ["2", "3"] : ["1", "2", "3"]);
  });

  test("a message that was opened in the group goes back", () => {
    const consumer = newConsumer();
    failSync(isCommitted);
    execute(
      shop,
      operation("open", "q", { consumer }),
      operation("open", "new", { consumer }),
      operation("take", "q"),
    );
    recover();
    expect(consumer.open.size).toBe(0);
    expect(drain(shop, "q")).toEqual(isCommitted ? ["1", "3"] : ["1", "2", "3"]);
  });

  test("an open message of a queue that the group deletes is gone with it, or stays", () => {
    const a = openNext(shop, "q");
    save(shop);
    failSync(isCommitted);
    execute(shop, operation("delete", "q"));
    recover();
    expect(a.open.size).toBe(isCommitted ? 0 : 1);
    expect(close(shop, "q", a)).toBe(!isCommitted);
    expect(faults(shop)).toEqual([]);
  });

  test("a message that is open in a queue that the group makes is not open any more", () => {
    const consumer = newConsumer();
    failSync(isCommitted);
    execute(shop, operation("put", "new", { body: "x" }), operation("open", "new", { consumer }));
    recover();
    expect(consumer.open.size).toBe(0);
    expect(drain(shop, "new")).toEqual(isCommitted ? ["x"] : []);
  });

  test("clients that wait are told of the messages that it has", () => {
    shop.awaited = new Set(["new", "q", "r"]);
    drain(shop, "r");
    save(shop);
    failSync(isCommitted);
    execute(
      shop,
      operation("take", "q"),
      operation("put", "new", { body: "x" }),
      operation("put", "r", { body: "4" }),
    );
    shop.ready = [];
    recover();
    expect(shop.ready).toEqual(isCommitted ? ["q 2", "r 1", "new 1"] : ["q 3"]);
  });

  test("lists that go on end in an error", () => {
    for (let n = 0; n < 600; n++) put(shop, `many${n}`, "x");
    save(shop);
    for (const kind of ["list", "flush all"] as const) {
      const part = operation(kind);
      expect(execute(shop, part)).toEqual(["more"]);
      const { cursor } = part;
      failSync(isCommitted);
      execute(shop, operation("put", "q", { body: "x" }));
      recover();
      expect(execute(shop, operation(kind, "", { cursor }))).toEqual([
        "failed: the queues were read anew meanwhile",
      ]);
      expect(execute(shop, operation(kind))).toEqual(["more"]);
    }
  });
});

describe("while it is unknown", () => {
  test("a consumer that is gone leaves what it had open", () => {
    const [gone, other] = [openNext(shop, "q"), openNext(shop, "q")];
    run(shop, operation("open", "r", { consumer: gone }));
    save(shop);
    failSync(false);
    execute(shop, operation("put", "q", { body: "4" }));
    execute(shop, operation("release", "", { consumer: gone }));
    recover();
    expect(details(shop, "q")).toMatchObject({ open: 1, messages: 3 });
    expect([gone.open.size, close(shop, "q", other)]).toEqual([0, true]);
    expect([drain(shop, "q"), drain(shop, "r")]).toEqual([
      ["1", "3"],
      ["1", "2", "3"],
    ]);
  });

  test("a restore is refused, and works afterwards", () => {
    const [taken] = [operation("take", "q")];
    execute(shop, taken);
    keepBody(taken);
    failSync(false);
    execute(shop, operation("put", "q", { body: "4" }));
    expect(execute(shop, restoring(taken))).toEqual(["failed: the file is away"]);
    recover();
    expect(execute(shop, restoring(taken))).toEqual(["done"]);
    expect(drain(shop, "q")).toEqual(["1", "2", "3"]);
  });

  test("the counting of a damaged queue waits, and begins anew", () => {
    shop.local.changes.miscounted.push(queueOf(shop, "q"), queueOf(shop, "r"));
    execute(shop, operation("resume", "q"));
    expect(shop.local.recounts.size).toBe(2);
    failSync(true);
    execute(shop, operation("put", "q", { body: "4" }), operation("delete", "r"));
    recover();
    expect(shop.local.recounts.has(queueOf(shop, "q"))).toBe(true);
    queueOf(shop, "q").bytes += 5;
    shop.local.bytes += 5;
    recountAll(shop);
    expect(details(shop, "q")).toMatchObject({ bytes: 4 });
    expect(faults(shop)).toEqual([]);
  });

  test("a probe fails, and asks the file as well; nothing is done that can wait", () => {
    const watcher = { committed() {}, failed() {}, isAwaited: () => false, ready() {} };
    const clock = { monotonic: () => shop.now, calendar: Date.now };
    const options = { cacheLimit: 0, limits: NO_LIMITS, tricklePercent: 0, clock, warn() {} };
    const backend = openLocal(shop.store, watcher, options);
    failSync(false);
    const putting = operation("put", "q", { body: "4" });
    backend.execute([putting], 0, 1);
    expect(putting.outcome).toBe("failed");
    shop.store.maintain = () => {
      throw new Error("the store is not to be used");
    };
    expect(backend.maintain()).toBe(false);
    for (let n = 0; n < 2; n++) {
      expect(() => backend.probe()).toThrow(new BackendError("the file is away"));
      waitForRetry();
    }
    backend.probe();
    expect([...backend.summaries()[0]].map(({ sets }) => sets)).toEqual([3, 3]);
  });
});

test("a sync that fails again and again ends each time in what the file has", () => {
  const consumer = openNext(shop, "q");
  save(shop);
  let messages = 3;
  for (let n = 0; n < 6; n++) {
    const isCommitted = n % 2 === 0;
    failSync(isCommitted);
    execute(shop, operation("put", "q", { body: `more ${n}` }));
    if (isCommitted) messages++;
    recover();
    expect(details(shop, "q")).toMatchObject({ messages, open: 1 });
  }
  expect(close(shop, "q", consumer)).toBe(true);
  save(shop);
  // How long a message had waited is not on disk.
  const before = summaries(shop).map((queue) => ({ ...queue, waitedMs: 0 }));
  restart(shop);
  expect(summaries(shop)).toEqual(before);
  expect(drain(shop, "q")).toEqual(["2", "3", "more 0", "more 2", "more 4"]);
});
