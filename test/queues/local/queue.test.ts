/** One queue: which message comes next, and what the store is told of it. */
import { describe, expect, test } from "bun:test";

import { append } from "../../../src/queues/local/append.ts";
import { evictBeyondLimit, newCache } from "../../../src/queues/local/cache.ts";
import { newConsumer } from "../../../src/queues/local/consumer.ts";
import {
  abortOpen,
  closeOpen,
  countMessages,
  empty,
  keepOpen,
  oldestNumber,
  putBack,
} from "../../../src/queues/local/held.ts";
import { countOpen, listOpen } from "../../../src/queues/local/open.ts";
import {
  countAvailable,
  type LocalConsumer,
  newMessage,
  newQueue,
  noteGone,
  type Queue,
} from "../../../src/queues/local/queue.ts";
import { consumeHead, peekHead } from "../../../src/queues/local/reading.ts";
import { rollBack } from "../../../src/queues/local/rollback.ts";
import { addToBatch, markSaved, savingOf } from "../../../src/queues/local/saving.ts";
import { newBatch } from "../../../src/store/batch.ts";
import { make, messagesOf, newHome, open, suite } from "../../store/scratch.ts";

suite();

/** A queue with a store and a cache of its own. */
function stand() {
  const store = open(newHome());
  const id = make(store, "q");
  const cache = newCache(Infinity);
  const queue = newQueue({ queue: id, name: "q", head: 1, tail: 1, bytes: 0, held: [] });
  const message = newMessage();
  const find = () => {
    expect(peekHead(queue, cache, store, message)).toBeUndefined();
    consumeHead(queue, cache, message);
  };
  return {
    store,
    queue,
    cache,
    add(...bodies: string[]): void {
      for (const body of bodies) {
        const source = Buffer.from(body, "latin1");
        append(queue, cache, source.length, source, 0, source.length, false);
      }
    },
    /** The number and the body of the next message, which is then gone. */
    next(): string {
      find();
      const { number, body, start, end } = message;
      const found = `${number} ${body.toString("latin1", start, end)}`;
      noteGone(queue, number, end - start);
      return found;
    },
    /** The number of the next message, which is taken and nothing more. */
    nextNumber(): number {
      find();
      return message.number;
    },
    openNext(): LocalConsumer {
      const consumer = newConsumer();
      find();
      keepOpen(queue, consumer, message, 0);
      return consumer;
    },
    save(): void {
      const saving = savingOf(queue);
      const batch = newBatch();
      addToBatch(store, queue, saving, batch);
      store.commit(batch);
      markSaved(queue, cache, saving);
    },
    /** What would be written now. */
    unsaved(): string[] {
      const batch = newBatch();
      addToBatch(store, queue, savingOf(queue), batch);
      return messagesOf(batch.segments).map(({ number, body }) => `${number} ${body.toString()}`);
    },
  };
}

type Stand = ReturnType<typeof stand>;

function drain({ queue, next }: Stand): string[] {
  const found: string[] = [];
  while (countAvailable(queue) > 0) found.push(next());
  return found;
}

/** What the store would have, and the held messages that would get a row now. */
function position({ queue }: { queue: Queue }): string {
  const { position, listed } = savingOf(queue);
  const rows = listed.toSorted((a, b) => a - b);
  return `${position.head} to ${position.tail}${rows.length === 0 ? "" : `, ${rows.join(" ")}`}`;
}

test("messages come in the order in which they were added, numbered from 1", () => {
  const one = stand();
  one.add("a", "", "c");
  expect(countMessages(one.queue)).toBe(3);
  expect(drain(one)).toEqual(["1 a", "2 ", "3 c"]);
  expect([countMessages(one.queue), oldestNumber(one.queue)]).toEqual([0, 0]);
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
  test("follows the head only behind what is gone, and lists what is held before it once", () => {
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
    one.save();
    expect(position(one)).toBe("5 to 7");
    expect(drain(one)).toEqual(["5 e", "6 f"]);
    expect(position(one)).toBe("7 to 7");
    expect([...(one.queue.listed ?? [])]).toEqual([3]);
    expect(oldestNumber(one.queue)).toBe(3);
  });

  test("lists the same whether the head moves far past few, or a little past many", () => {
    const few = stand();
    few.add(..."abcdefgh");
    few.openNext();
    for (let n = 0; n < 6; n++) few.next();
    expect(position(few)).toBe("8 to 9, 1");
    const many = stand();
    many.add(..."abcdefgh");
    const consumers = Array.from({ length: 6 }, many.openNext);
    closeOpen(many.queue, consumers[1] as LocalConsumer);
    expect(position(many)).toBe("3 to 9, 1");
    abortOpen(many.queue, consumers[2] as LocalConsumer);
    closeOpen(many.queue, consumers[4] as LocalConsumer);
    expect(position(many)).toBe("6 to 9, 1 3 4");
  });

  test("is what a queue is made from again", () => {
    const one = stand();
    one.add("a", "bb", "ccc", "dddd", "eeeee");
    one.openNext();
    one.next();
    one.openNext();
    one.save();
    const [stored] = one.store.queues();
    const fresh = newQueue(stored as NonNullable<typeof stored>);
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
      for (let n = 0; n < 4; n++) one.nextNumber();
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
    empty(one.queue, one.cache);
    expect([countMessages(one.queue), one.queue.bytes, countAvailable(one.queue)]).toEqual([
      1, 2, 0,
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
    one.cache.limit = 0;
    evictBeyondLimit(one.cache, 1);
    expect(one.queue.segments).toBeUndefined();
    empty(one.queue, one.cache);
    one.add("last");
    one.save();
    expect(drain(one)).toEqual(["101 last"]);
    expect(one.queue.bytes).toBe(0);
  });
});

describe("evicted from memory", () => {
  const body = (n: number) => `${n};`.repeat(n % 7 === 0 ? 8000 : 50);

  test.each([0, 1, 30_000, 200_000, Infinity])("%d bytes of it: it is read again", (bytes) => {
    const one = stand();
    for (let n = 1; n <= 60; n++) {
      one.add(body(n));
      if (n % 9 === 0) one.save();
    }
    for (let n = 1; n <= 5; n++) one.next();
    one.save();
    const before = one.cache.used;
    one.cache.limit = Math.max(0, before - bytes);
    evictBeyondLimit(one.cache, 0);
    expect(before - one.cache.used).toBeGreaterThanOrEqual(Math.min(bytes, before));
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
    rollBack(one.queue, one.cache);
    expect([countMessages(one.queue), one.queue.bytes, countOpen(one.queue)]).toEqual([2, 5, 0]);
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
    expect(countOpen(one.queue)).toBe(2);
    rollBack(one.queue, one.cache);
    expect([...listOpen(one.queue)].map(({ number }) => number)).toEqual([3]);
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
    empty(one.queue, one.cache);
    one.add("d");
    rollBack(one.queue, one.cache);
    expect([countMessages(one.queue), one.queue.bytes]).toEqual([3, 6]);
    expect(drain(one)).toEqual(["2 bb", "3 ccc"]);
  });
});
