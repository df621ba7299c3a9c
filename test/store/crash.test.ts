/** What a crash leaves: the database file and a log, whole or torn. Everything committed before the tear is there. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";

import type { Store } from "../../src/store/store.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import {
  commit,
  fileIn,
  logIn,
  maintainAll,
  make,
  messagesOf,
  newHome,
  numbered,
  numberedBodies,
  open,
  position,
  put,
  rows,
  segment,
  segmentsIn,
  sent,
  suite,
  take,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

/** The home as it would be found if the machine stopped now. */
function crashed(directory: string): string {
  const image = newHome();
  copyFileSync(fileIn(directory), fileIn(image));
  copyFileSync(logIn(directory), logIn(image));
  return image;
}

function isWhole(directory: string): boolean {
  return Bun.deepEquals(rows(directory, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
}

/** How many messages are in the only queue, each of which must be right; undefined when there is no queue. */
function countMessages(store: Store): number | undefined {
  const [queue] = store.queues();
  if (queue === undefined) return undefined;
  const count = queue.tail - 1;
  if (count > 0) {
    expect(messagesOf(store.read(queue.queue, 1, ALL))).toEqual(
      numbered(numberedBodies("message ", count)),
    );
  }
  return count;
}

test("all that was committed is there, without a close", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  put(store, queue, 1, numberedBodies("message ", 20));
  store.checkpoint("full");
  put(store, queue, 21, numberedBodies("message ", 20, 21));
  const image = crashed(directory);
  expect(statSync(logIn(image)).size).toBeGreaterThan(0);
  const later = open(image);
  expect(countMessages(later)).toBe(40);
  put(later, queue, 41, numberedBodies("message ", 2, 41));
  expect(countMessages(open(crashed(image)))).toBe(42);
  later.close();
  expect(isWhole(image)).toBe(true);
});

describe("a torn log", () => {
  const directory = newHome();
  const store = open(directory);
  /** How long the log was after each commit, from the one on that made the queue. */
  const ends: number[] = [];
  const note = () => ends.push(statSync(logIn(directory)).size);
  const queue = make(store, "q");
  note();
  for (let n = 1; n <= 12; n++) {
    put(store, queue, n, numberedBodies("message ", 1, n));
    note();
  }
  const image = crashed(directory);
  const last = ends.at(-1) as number;
  const log = readFileSync(logIn(image));

  /** What should be there after a tear: nothing, an empty queue, or messages. */
  const expectedAt = (length: number): number | undefined => {
    const commits = ends.filter((end) => end <= length).length;
    return commits === 0 ? undefined : commits - 1;
  };

  function expectFound(torn: string, expected: number | undefined): void {
    const later = open(torn);
    expect(countMessages(later)).toBe(expected as number);
    // It goes on from there, and a second crash changes nothing.
    const again = expected === undefined ? make(later, "q") : queue;
    const count = expected ?? 0;
    put(later, again, count + 1, numberedBodies("message ", 1, count + 1));
    expect(countMessages(open(crashed(torn)))).toBe(count + 1);
    later.close();
    expect(isWhole(torn)).toBe(true);
  }

  test("its end is missing: a byte, a part of a frame, whole frames, all of it", () => {
    expect(log.length).toBe(last);
    const cuts = new Set([0, 1, 31, 32, 33, 100]);
    for (const end of ends)
      for (const off of [-1, 0, 1, -24, -4096, -4120, 24]) cuts.add(end + off);
    for (const length of cuts) {
      if (length > last) continue;
      const torn = crashed(image);
      truncateSync(logIn(torn), length);
      expectFound(torn, expectedAt(length));
    }
  });

  test("the last bytes never reached the disk: zeros, or what was there before", () => {
    for (const missing of [1, 100, 4096, 4120, 5000]) {
      for (const filler of ["\0", "old contents "]) {
        const torn = crashed(image);
        const bytes = Buffer.from(log);
        bytes.fill(filler, last - missing);
        writeFileSync(logIn(torn), bytes);
        expectFound(torn, 11);
      }
    }
  });

  test.each(seeds)("a bit is wrong somewhere, seed %d", (seed) => {
    const random = newRandom(seed);
    for (let round = 0; round < 10; round++) {
      const at = random.below(last);
      const bytes = Buffer.from(log);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
      const torn = crashed(image);
      writeFileSync(logIn(torn), bytes);
      const later = open(torn);
      // The frame that holds it, and with it its commit and all that follow, are not believed.
      expect(countMessages(later)).toBe(expectedAt(at) as number);
      later.close();
    }
  });

  test("the file without its log is the state of the last checkpoint", () => {
    store.checkpoint("full");
    put(store, queue, 13, numberedBodies("message ", 1, 13));
    const torn = crashed(directory);
    truncateSync(logIn(torn), 0);
    expectFound(torn, 12);
  });
});

test("a log that began again over an older, longer one", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  put(
    store,
    queue,
    1,
    ...Array.from({ length: 50 }, (_, n) => numberedBodies("message ", 1, n + 1)),
  );
  put(store, queue, 51, numberedBodies("message ", 1000, 51));
  store.checkpoint("full");
  const before = statSync(logIn(directory)).size;
  put(store, queue, 1051, numberedBodies("message ", 1, 1051));
  expect(statSync(logIn(directory)).size).toBe(before);
  expect(countMessages(open(crashed(directory)))).toBe(1051);
});

test.each(seeds)("a crash after any commit or portion of work, seed %d", (seed) => {
  const random = newRandom(seed);
  const directory = newHome();
  const store = open(directory, { extentPages: 5 });
  const old = make(store, "old");
  put(
    store,
    old,
    1,
    ...Array.from({ length: 200 }, (_, n) => [sent(`${n}`.repeat(random.below(200)))]),
  );
  const queue = make(store, "q");
  let head = 1;
  let tail = 1;
  const steps: (() => void)[] = [
    () => {
      const count = random.pick([1, 2, 50]);
      const more = numberedBodies("message ", count, tail);
      commit(store, {
        segments: [segment(queue, tail, more)],
        positions: [position(queue, head, tail + count)],
      });
      tail += count;
    },
    () => {
      head = random.between(head, tail);
      take(store, queue, head, tail);
    },
    () => void store.maintain(),
    () => store.autoCheckpoint(),
    () => store.checkpoint(random.pick(["passive", "full", "truncate"])),
  ];
  for (let round = 0; round < 40; round++) {
    if (round === 10) commit(store, { dropped: [old] });
    random.pick(steps)();
    const image = crashed(directory);
    const later = open(image, { extentPages: 5 });
    const names = round < 10 ? ["old", "q"] : ["q"];
    expect(later.queues().map(({ name }) => name)).toEqual(names);
    expect(later.queues().at(-1)).toMatchObject({ queue, head, tail });
    if (head < tail) {
      const found = messagesOf(later.read(queue, head, ALL));
      const first = found[0]?.number ?? 0;
      expect(found).toEqual(numbered(numberedBodies("message ", tail - first, first), first));
    }
    maintainAll(later);
    if (round >= 10) {
      expect(segmentsIn(image).filter((one) => one.startsWith(`${old}:`))).toEqual([]);
    }
    later.close();
    expect(isWhole(image)).toBe(true);
  }
});
