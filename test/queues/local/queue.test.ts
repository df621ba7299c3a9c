/** One queue: which message comes next, and what the store is told of it. */
import { describe, expect, test } from "bun:test";

import { newMemory } from "../../../src/queues/local/cache.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import { newMessage } from "../../../src/queues/local/message.ts";
import {
  abortOpen,
  advance,
  append,
  closeOpen,
  collectUnsaved,
  countMessages,
  empty,
  isAvailable,
  keepOpen,
  letGo,
  look,
  markSaved,
  newQueue,
  oldestNumber,
  positionOf,
  putBack,
  rollBack,
} from "../../../src/queues/local/queue.ts";
import { commit, make, messagesOf, newHome, open, suite } from "../../store/scratch.ts";

suite();

/** A queue with a store and memory of its own. */
function stand() {
  const store = open(newHome());
  const id = make(store, "q");
  const memory = newMemory(Infinity);
  const queue = newQueue("q", { queue: id, head: 1, tail: 1, bytes: 0, held: [] });
  const message = newMessage();
  return {
    queue,
    memory,
    add(...bodies: string[]): void {
      for (const body of bodies) {
        const source = Buffer.from(body, "latin1");
        append(queue, memory, source.length, source, 0, source.length, false);
      }
    },
    /** The number and the body of the next message, which is then taken. */
    next(): string {
      look(queue, memory, store, message);
      const { number, bytes, start, end } = message;
      const found = `${number} ${bytes.toString("latin1", start, end)}`;
      advance(queue, memory, message);
      queue.bytes -= end - start;
      return found;
    },
    /** Opens the next message for a new consumer. */
    openNext() {
      const consumer = newConsumer();
      look(queue, memory, store, message);
      advance(queue, memory, message);
      keepOpen(queue, consumer, message);
      return consumer;
    },
    save(): void {
      const position = positionOf(queue);
      const segments: Parameters<typeof collectUnsaved>[1] = [];
      collectUnsaved(queue, segments);
      commit(store, { segments, positions: [position] });
      markSaved(queue, memory, position);
    },
    /** What would be written now. */
    unsaved(): string[] {
      const segments: Parameters<typeof collectUnsaved>[1] = [];
      collectUnsaved(queue, segments);
      return messagesOf(segments).map(({ number, body }) => `${number} ${body.toString()}`);
    },
  };
}

type Stand = ReturnType<typeof stand>;

function drain({ queue, next }: Stand): string[] {
  const found: string[] = [];
  while (isAvailable(queue)) found.push(next());
  return found;
}

function position({ queue }: Stand): string {
  const { head, tail, held } = positionOf(queue);
  return `${head} to ${tail}${held.length === 0 ? "" : `, ${held.join(" ")}`}`;
}

test("messages come in the order in which they were added, numbered from 1", () => {
  const one = stand();
  one.add("a", "", "c");
  expect(countMessages(one.queue)).toBe(3);
  expect(drain(one)).toEqual(["1 a", "2 ", "3 c"]);
  expect([countMessages(one.queue), isAvailable(one.queue), oldestNumber(one.queue)]).toEqual([
    0,
    false,
    0,
  ]);
  one.save();
  one.add("d");
  expect(drain(one)).toEqual(["4 d"]);
});

test("what was added and taken before a commit is not written", () => {
  const one = stand();
  one.add("a", "b", "c");
  one.next();
  one.next();
  expect(one.unsaved()).toEqual(["3 c"]);
  one.save();
  expect(one.unsaved()).toEqual([]);
  one.add("d");
  expect(one.unsaved()).toEqual(["4 d"]);
  expect(drain(one)).toEqual(["3 c", "4 d"]);
});

test("what is open or put back is written, whatever comes after it", () => {
  const one = stand();
  one.add("a", "b", "c", "d");
  const first = one.openNext();
  expect(one.next()).toBe("2 b");
  one.openNext();
  expect(one.unsaved()).toEqual(["1 a", "3 c", "4 d"]);
  abortOpen(one.queue, first);
  expect(one.unsaved()).toEqual(["1 a", "3 c", "4 d"]);
  expect(position(one)).toBe("3 to 5, 1");
  one.save();
  expect(drain(one)).toEqual(["1 a", "4 d"]);
});

describe("the position", () => {
  test("lists what is held back only where it is not right before the head", () => {
    const one = stand();
    one.add("a", "b", "c", "d", "e", "f");
    expect(position(one)).toBe("1 to 7");
    const a = one.openNext();
    expect(position(one)).toBe("1 to 7");
    const b = one.openNext();
    one.openNext();
    expect(position(one)).toBe("1 to 7");
    closeOpen(one.queue, b);
    expect(position(one)).toBe("3 to 7, 1");
    one.next();
    expect(position(one)).toBe("5 to 7, 1 3");
    closeOpen(one.queue, a);
    expect(position(one)).toBe("5 to 7, 3");
    abortOpen(one.queue, a);
    expect(drain(one)).toEqual(["5 e", "6 f"]);
    expect(position(one)).toBe("7 to 7, 3");
    expect(oldestNumber(one.queue)).toBe(3);
  });

  test("is what a queue is made from again", () => {
    const one = stand();
    one.add("a", "bb", "ccc", "dddd", "eeeee");
    one.openNext();
    one.next();
    one.openNext();
    one.save();
    const fresh = newQueue("q", one.queue.stored);
    expect([countMessages(fresh), fresh.bytes, oldestNumber(fresh)]).toEqual([4, 13, 1]);
    expect([fresh.head, fresh.returned]).toEqual([3, [1]]);
  });
});

describe("put back", () => {
  test.each([[[1, 2, 3, 4]], [[4, 3, 2, 1]], [[2, 4, 1, 3]], [[3, 1, 4, 2]]])(
    "in the order %j, messages come in their own",
    (order) => {
      const one = stand();
      one.add("a", "b", "c", "d", "e");
      for (let n = 0; n < 4; n++) one.next();
      for (const number of order) putBack(one.queue, number);
      expect(drain(one)).toEqual(["1 a", "2 b", "3 c", "4 d", "5 e"]);
    },
  );

  test("between others", () => {
    const one = stand();
    one.add("a", "b", "c", "d");
    one.save();
    const [a, b, c] = [one.openNext(), one.openNext(), one.openNext()];
    abortOpen(one.queue, c);
    expect(one.next()).toBe("3 c");
    abortOpen(one.queue, a);
    abortOpen(one.queue, b);
    expect(drain(one)).toEqual(["1 a", "2 b", "4 d"]);
  });

  test("twice, or what was closed: nothing happens", () => {
    const one = stand();
    one.add("a", "b");
    const [a, b] = [one.openNext(), one.openNext()];
    expect([abortOpen(one.queue, a), abortOpen(one.queue, a)]).toEqual([true, false]);
    expect([closeOpen(one.queue, a), closeOpen(one.queue, b)]).toEqual([false, true]);
    expect(abortOpen(one.queue, b)).toBe(false);
    expect(drain(one)).toEqual(["1 a"]);
  });
});

describe("emptied", () => {
  test("all goes but what is open, and its bytes", () => {
    const one = stand();
    one.add("a", "bb", "ccc", "dddd");
    const a = one.openNext();
    one.openNext();
    abortOpen(one.queue, a);
    empty(one.queue, one.memory);
    expect([countMessages(one.queue), one.queue.bytes, isAvailable(one.queue)]).toEqual([
      1,
      2,
      false,
    ]);
    one.add("e");
    expect(one.unsaved()).toEqual(["2 bb", "5 e"]);
    one.save();
    expect(drain(one)).toEqual(["5 e"]);
  });

  test("with most of it in the store alone", () => {
    const one = stand();
    for (let n = 0; n < 100; n++) {
      one.add("x".repeat(5000));
      if (n % 10 === 0) one.save();
    }
    one.save();
    letGo(one.queue, one.memory, Infinity);
    empty(one.queue, one.memory);
    one.add("last");
    one.save();
    expect(drain(one)).toEqual(["101 last"]);
    expect(one.queue.bytes).toBe(0);
  });
});

describe("let go of in memory", () => {
  const body = (n: number) => `${n};`.repeat(n % 7 === 0 ? 8000 : 50);

  test.each([0, 1, 30_000, 200_000, Infinity])("%d bytes of it: it is read again", (bytes) => {
    const one = stand();
    for (let n = 1; n <= 60; n++) {
      one.add(body(n));
      if (n % 9 === 0) one.save();
    }
    for (let n = 1; n <= 5; n++) one.next();
    one.save();
    const before = one.memory.used;
    letGo(one.queue, one.memory, bytes);
    expect(before - one.memory.used).toBeGreaterThanOrEqual(Math.min(bytes, before));
    // What is added now lies behind a gap.
    one.add(body(61), body(62));
    expect(one.next()).toBe(`6 ${body(6)}`);
    one.save();
    one.add(body(63));
    const expected = Array.from({ length: 57 }, (_, n) => `${n + 7} ${body(n + 7)}`);
    expect(drain(one)).toEqual(expected);
    one.save();
    expect(drain(one)).toEqual([]);
  });
});

describe("rolled back", () => {
  test("everything is as it was", () => {
    const one = stand();
    one.add("a", "bb", "ccc");
    one.next();
    one.save();
    one.add("dddd");
    one.next();
    one.openNext();
    rollBack(one.queue, one.memory);
    expect([countMessages(one.queue), one.queue.bytes, one.queue.open.size]).toEqual([2, 5, 0]);
    expect(drain(one)).toEqual(["2 bb", "3 ccc"]);
    one.add("next");
    expect(one.next()).toBe("4 next");
  });

  test("what was open before is open still; what was closed or put back is there", () => {
    const one = stand();
    one.add("a", "b", "c", "d", "e");
    const [a, b, c] = [one.openNext(), one.openNext(), one.openNext()];
    one.save();
    closeOpen(one.queue, a);
    abortOpen(one.queue, b);
    const d = one.openNext();
    expect(d.open.size).toBe(1);
    expect(one.queue.open.size).toBe(2);
    rollBack(one.queue, one.memory);
    expect([...one.queue.open.keys()]).toEqual([3]);
    expect([a, b, c, d].map(({ open: { size } }) => size)).toEqual([0, 0, 1, 0]);
    expect(position(one)).toBe("1 to 6");
    expect(drain(one)).toEqual(["1 a", "2 b", "4 d", "5 e"]);
    expect(position(one)).toBe("6 to 6, 3");
  });

  test("emptied or not", () => {
    const one = stand();
    one.add("a", "bb", "ccc");
    one.openNext();
    one.save();
    empty(one.queue, one.memory);
    one.add("d");
    rollBack(one.queue, one.memory);
    expect([countMessages(one.queue), one.queue.bytes]).toEqual([3, 6]);
    expect(drain(one)).toEqual(["2 bb", "3 ccc"]);
  });
});
