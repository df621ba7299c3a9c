import { describe, expect, test } from "bun:test";

/** What is committed is what is read, now and after a start. */
import { ROW_BYTES, type Store } from "../../src/store/store.ts";
import { newRandom, type Random, seeds } from "../protocol/random.ts";
import {
  commit,
  connect,
  maintainAll,
  make,
  messagesOf,
  newHome,
  NUMBER_BITS,
  numbered,
  numberedBodies,
  open,
  position,
  put,
  rows,
  segment,
  type Sent,
  sent,
  suite,
  take,
} from "./scratch.ts";

suite();

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const ALL = Number.MAX_SAFE_INTEGER;

/** Looks at the store, and again after it was closed and opened. */
function nowAndLater(directory: string, store: Store, look: (store: Store) => void): void {
  look(store);
  store.close();
  const later = open(directory);
  look(later);
  later.close();
}

describe("a round trip", () => {
  const bodies: [title: string, messages: Sent[]][] = [
    ["one message", [sent("Hello", 5)]],
    ["one empty message", [sent("")]],
    ["one message of every byte, with the largest flags", [sent(everyByte, 2 ** 32 - 1)]],
    ["one large message", [sent(Buffer.alloc(5_000_000, everyByte), 7)]],
    ["two messages", [sent("Hello", 1), sent("World", 2)]],
    ["two empty messages", [sent("", 1), sent("", 2)]],
    ["empty ones between others", [sent(""), sent("a", 1), sent(""), sent("b", 2), sent("")]],
    [
      "flags of every size",
      [0, 1, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].map((n) => sent("x", n)),
    ],
    ["messages that look like heads", [sent(Buffer.alloc(8)), sent(Buffer.alloc(16, 255), 3)]],
    ["many small ones", numberedBodies("message ", 5000)],
    ["large ones together", [sent(Buffer.alloc(300_000, 1)), sent(Buffer.alloc(200_000, 2), 9)]],
  ];

  test.each(bodies)("%s", (_title, messages) => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const tail = put(store, queue, 1, messages);
    const expected = numbered(messages);
    nowAndLater(directory, store, (at) => {
      expect(messagesOf(at.read(queue, 1, ALL))).toEqual(expected);
      expect(messagesOf(at.read(queue, 1, 0))).toEqual(expected);
      expect(messagesOf(at.read(queue, tail - 1, 1))).toEqual(expected);
    });
  });

  test("the largest number that a message can have", () => {
    const directory = newHome();
    const store = open(directory);
    const before = make(store, "before");
    const queue = make(store, "q");
    const after = make(store, "after");
    const last = 2 ** 43 - 2;
    put(store, before, 1, [sent("before")]);
    put(store, after, 1, [sent("after")]);
    commit(store, {
      segments: [segment(queue, last - 2, numberedBodies("", 3))],
      positions: [position(queue, last - 2, last + 1)],
    });
    nowAndLater(directory, store, (at) => {
      const messages = messagesOf(at.read(queue, last, ALL));
      expect(messages.map(({ number, body }) => [number, body.toString()])).toEqual([
        [last - 2, "1"],
        [last - 1, "2"],
        [last, "3"],
      ]);
    });
  });
});

describe("reading", () => {
  const directory = newHome();
  const store = open(directory);
  const first = make(store, "first");
  const queue = make(store, "q");
  const last = make(store, "last");
  for (const other of [first, last]) put(store, other, 1, numberedBodies("other", 50));
  // Segments from 1 to 3, 4 to 4, 5 to 9 and 10 to 10; 21, 7, 35 and 1,000 bytes of bodies.
  const groups = [
    numberedBodies("message", 3),
    [sent("message", 4)],
    numberedBodies("message", 5, 5),
    [sent(Buffer.alloc(1000, "x"), 10)],
  ];
  put(store, queue, 1, ...groups);
  const messages = numbered(groups.flat());
  const firsts = (from: number, bytes: number) =>
    store.read(queue, from, bytes).map((one) => one.first);

  test("begins with the segment that holds the message", () => {
    for (const { number } of messages) {
      const start = number < 4 ? 1 : number === 4 ? 4 : number < 10 ? 5 : 10;
      expect(firsts(number, 1)).toEqual([start]);
      const found = messagesOf(store.read(queue, number, ALL));
      expect(found).toEqual(messages.filter((message) => message.number >= start));
    }
  });

  test("ends with the segment that makes the bytes full", () => {
    expect(firsts(1, 0)).toEqual([1]);
    expect(firsts(1, 1)).toEqual([1]);
    const sizes = store.read(queue, 1, ALL).map(({ body }) => body.length + ROW_BYTES);
    const [one = 0, two = 0, three = 0] = sizes;
    expect(firsts(1, one)).toEqual([1]);
    expect(firsts(1, one + 1)).toEqual([1, 4]);
    expect(firsts(1, one + two)).toEqual([1, 4]);
    expect(firsts(2, one + two + 1)).toEqual([1, 4, 5]);
    expect(firsts(4, two + three)).toEqual([4, 5]);
    expect(firsts(1, ALL)).toEqual([1, 4, 5, 10]);
  });

  test("tells the queue, and stays within it", () => {
    for (const id of [first, queue, last]) {
      for (const one of store.read(id, 1, ALL)) expect(one.queue).toBe(id);
    }
    expect(messagesOf(store.read(first, 1, ALL)).length).toBe(50);
  });

  test("the same again gives the same", () => {
    expect(store.read(queue, 3, ALL)).toEqual(store.read(queue, 3, ALL));
    expect(store.read(queue, 3, 1)).toEqual(store.read(queue, 3, 1));
  });

  test("a body that was read is the reader's own", () => {
    const [one] = store.read(queue, 4, 1);
    one?.body.fill(0);
    expect(messagesOf(store.read(queue, 4, 1))).toEqual([messages[3] as never]);
  });

  test("what was read in part holds nothing up", () => {
    store.read(queue, 1, 1);
    put(store, last, 51, [sent("more")]);
    store.checkpoint("full");
    expect(store.checkpointed()).toBe(100);
  });

  test("of a message that is not there gives nothing", () => {
    expect(store.read(queue, 11, 1)).toEqual([]);
    expect(store.read(last + 1, 1, 1)).toEqual([]);
    expect(store.arrived(queue, 11)).toBeUndefined();
    expect(store.arrived(last + 1, 1)).toBeUndefined();
  });

  test("of messages that are missing never gives those of the queue before", () => {
    const home = newHome();
    const damaged = open(home);
    const [a, b] = [make(damaged, "a"), make(damaged, "b")];
    put(damaged, a, 1, numberedBodies("secret", 3));
    put(damaged, b, 1, [sent("b")]);
    connect(home).run(`DELETE FROM segment WHERE key >> ${NUMBER_BITS} = ${b}`);
    expect(damaged.read(b, 1, ALL)).toEqual([]);
    expect(damaged.arrived(b, 1)).toBeUndefined();
  });

  test("tells when a message was committed", () => {
    const before = Date.now();
    put(store, last, 52, numberedBodies("now", 3));
    const after = Date.now();
    for (const number of [52, 53, 54]) {
      expect(store.arrived(last, number)).toBeWithin(before, after + 1);
    }
  });
});

describe("queues", () => {
  test("a new store has none", () => {
    expect(open(newHome()).queues()).toEqual([]);
  });

  test("are there again in the order in which they were made, with their positions", () => {
    const directory = newHome();
    const store = open(directory);
    const names = [
      "b",
      "a",
      everyByte.subarray(0, 250).toString("latin1"),
      "n".repeat(250),
      "\0",
      "a\0",
    ];
    const queues = names.map((name, n) => {
      const queue = make(store, name);
      put(store, queue, 1, numberedBodies("m", 10 * (n + 1)));
      commit(store, {
        positions: [position(queue, n + 4, 10 * n + 11, n * 1000)],
        held: [n + 2, n + 1].map((number) => ({ queue, number })),
      });
      return queue;
    });
    store.close();
    expect(open(directory).queues()).toEqual(
      names.map((name, n) => ({
        name,
        queue: queues[n] as number,
        head: n + 4,
        tail: 10 * n + 11,
        held: [n + 1, n + 2],
        bytes: n * 1000,
      })),
    );
  });

  test("counters beyond 2^32", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const stored = position(queue, 2 ** 43 - 2, 2 ** 43 - 1, 2 ** 53 - 1);
    const held = [2 ** 43 - 5, 2 ** 43 - 4];
    commit(store, { positions: [stored], held: held.map((number) => ({ queue, number })) });
    store.close();
    expect(open(directory).queues()).toEqual([{ name: "q", ...stored, held }]);
  });

  test("a queue that is made without a position is empty", () => {
    const directory = newHome();
    const store = open(directory);
    commit(store, { created: [{ queue: 9, name: "q" }] });
    store.close();
    const [queue] = open(directory).queues();
    expect(queue).toMatchObject({ queue: 9, name: "q", head: 1, tail: 1 });
  });

  test("thousands, in one commit", () => {
    const directory = newHome();
    const store = open(directory);
    const created = Array.from({ length: 5000 }, (_, n) => ({
      queue: store.newQueueId() as number,
      name: `queue ${n}`,
    }));
    commit(store, {
      created,
      segments: created.map(({ queue, name }) => segment(queue, 1, [sent(name)])),
      positions: created.map(({ queue }) => position(queue, 1, 2)),
    });
    store.close();
    const later = open(directory);
    expect(later.queues().map(({ name }) => name)).toEqual(created.map(({ name }) => name));
    for (const { queue, name } of created) {
      expect(messagesOf(later.read(queue, 1, ALL))).toEqual([{ number: 1, ...sent(name) }]);
    }
  });

  test("ids are never the same, also after a start, nor those of queues still being dropped", () => {
    const directory = newHome();
    const store = open(directory);
    const ids = ["a", "b", "c"].map((name) => make(store, name));
    expect(new Set(ids).size).toBe(3);
    put(store, ids[2] as number, 1, [sent("x")]);
    commit(store, { dropped: [ids[2] as number] });
    store.close();
    const later = open(directory);
    expect(ids).not.toContain(later.newQueueId() as number);
    expect(make(later, "d")).not.toBe(make(later, "e"));
  });

  test("ids are used again, so that they do not run out while there are few queues", () => {
    const store = open(newHome());
    const kept = make(store, "kept");
    for (let n = 0; n < 2 ** 20 + 10; n++) {
      const queue = store.newQueueId();
      if (queue === undefined || queue === kept) expect({ n, queue }).toBe("an id" as never);
    }
    expect(make(store, "another")).toBeWithin(1, 2 ** 20);
  });

  test("an id is not used again before all that is left of its queue is gone", () => {
    const directory = newHome();
    const store = open(directory);
    const last = 2 ** 20 - 1;
    commit(store, { created: [{ queue: last, name: "last" }] });
    const old = make(store, "old");
    put(store, old, 1, [sent("old")]);
    commit(store, { dropped: [old] });
    const ids = () => Array.from({ length: last }, () => store.newQueueId());
    expect(ids()).not.toContain(old);
    maintainAll(store);
    const again = ids();
    expect(again).toContain(old);
    expect(again).not.toContain(last);
  });

  test("a name is free for a new queue in the commit that drops the old one", () => {
    const directory = newHome();
    const store = open(directory);
    const old = make(store, "q");
    put(store, old, 1, numberedBodies("old", 10));
    const queue = store.newQueueId() as number;
    commit(store, {
      dropped: [old],
      created: [{ queue, name: "q" }],
      segments: [segment(queue, 1, [sent("new")])],
      positions: [position(queue, 1, 2)],
    });
    nowAndLater(directory, store, (at) => {
      expect(messagesOf(at.read(queue, 1, ALL))).toEqual([{ number: 1, ...sent("new") }]);
    });
    expect(rows(directory, "SELECT id FROM queue")).toEqual([{ id: queue }]);
  });
});

test("an empty batch is fine", () => {
  const store = open(newHome());
  commit(store, {});
  expect(store.checkpointed()).toBeWithin(0, 101);
});

/** Random messages: mostly small, some large, some empty. */
function randomMessages(random: Random, count: number): Sent[] {
  return Array.from({ length: count }, () => {
    const length = random.below(20) === 0 ? random.below(20_000) : random.below(40);
    return { flags: random.below(2 ** 32), body: Buffer.alloc(length, random.bytes(7)) };
  });
}

test.each(seeds)(
  "queues in any order, segments of any size, read from anywhere, seed %d",
  (seed) => {
    const random = newRandom(seed);
    const directory = newHome();
    let store = open(directory, { pageSize: random.pick([512, 4096, 65_536]) });
    const queues = Array.from({ length: 5 }, (_, n) => ({
      id: make(store, `queue ${n}`),
      messages: [] as ReturnType<typeof numbered>,
      head: 1,
    }));
    for (let round = 0; round < 60; round++) {
      const changed = queues.filter(() => random.below(2) === 0);
      const segments = changed.flatMap(({ id, messages }) =>
        Array.from({ length: random.below(4) }, () => {
          const more = randomMessages(random, random.pick([1, 1, 2, 5, random.between(1, 100)]));
          const first = messages.length + 1;
          messages.push(...numbered(more, first));
          return segment(id, first, more);
        }),
      );
      for (const queue of changed) {
        queue.head = random.between(
          queue.head,
          Math.min(queue.head + 40, queue.messages.length + 1),
        );
      }
      const positions = changed.map(({ id, head, messages }) =>
        position(id, head, messages.length + 1),
      );
      commit(store, { segments, positions });
      if (random.below(3) === 0) store.maintain();
      if (random.below(10) === 0) {
        store.close();
        store = open(directory);
      }
      for (const { id, messages, head } of queues) {
        if (head > messages.length) continue;
        const from = random.between(head, messages.length);
        const bytes = random.pick([0, 1, 500, 50_000, ALL]);
        const found = store.read(id, from, bytes);
        const [start] = found;
        expect(start?.first).toBeLessThanOrEqual(from);
        expect((start?.first ?? 0) + (start?.count ?? 0)).toBeGreaterThan(from);
        const held = found.reduce((sum, { body }) => sum + body.length + ROW_BYTES, 0);
        const end = (found.at(-1)?.first ?? 0) + (found.at(-1)?.count ?? 0);
        if (held < bytes) expect(end).toBe(messages.length + 1);
        else {
          const last = (found.at(-1)?.body.length ?? 0) + ROW_BYTES;
          expect(held - last).toBeLessThanOrEqual(bytes);
        }
        const expected = messages.slice((start?.first ?? 1) - 1, end - 1);
        const right = Bun.deepEquals(messagesOf(found), expected);
        expect({ round, id, from, right }).toEqual({ round, id, from, right: true });
      }
    }
    expect(store.queues().length).toBeLessThanOrEqual(5);
    store.close();
    const expected = queues.map(({ id, head, messages }) => ({
      id,
      head,
      tail: messages.length + 1,
    }));
    expect(rows(directory, "SELECT id, head, tail FROM queue ORDER BY id")).toEqual(expected);
  },
);

test("a queue is taken up where it was left", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  const tail = put(store, queue, 1, numberedBodies("m", 600), numberedBodies("m", 600, 601));
  take(store, queue, 700, tail);
  store.close();
  const later = open(directory);
  expect(later.queues()).toMatchObject([{ head: 700, tail: 1201 }]);
  expect(messagesOf(later.read(queue, 700, ALL)).at(-1)?.number).toBe(1200);
});
