/** Segments are kept in rows that waste little of a page, whatever the number of messages in a commit. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";

import { HEAD } from "../../src/store/batch.ts";
import { rowsOf } from "../../src/store/rows.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import {
  fileIn,
  make,
  messagesOf,
  newHome,
  numbered,
  numberedBodies,
  open,
  put,
  segment,
  sent,
  suite,
} from "./scratch.ts";

suite();

const PAGE = 4096;

test("a segment up to a sixth of a page is one row, and so is one of four pages", () => {
  for (const size of [2, 400, 630, 4 * PAGE - 16, 100_000]) {
    const one = segment(1, 1, [sent(Buffer.alloc(size / 2), 1), sent(Buffer.alloc(size / 2), 2)]);
    expect(rowsOf(one, PAGE)).toEqual([one]);
  }
});

test("a message alone is one row, however long", () => {
  for (const size of [0, 2000, 10_000]) {
    const one = segment(1, 7, [sent(Buffer.alloc(size), 3)]);
    expect(rowsOf(one, PAGE)).toEqual([one]);
  }
});

test.each(seeds)("rows hold the messages of their segment, in order, seed %d", (seed) => {
  const random = newRandom(seed);
  for (let round = 0; round < 300; round++) {
    const messages = Array.from({ length: random.between(2, 60) }, (_, i) =>
      sent(Buffer.alloc(random.pick([0, 1, 30, 100, 500, 1500]), i), random.below(2 ** 32)),
    );
    const first = random.between(1, 1000);
    const rows = rowsOf(segment(5, first, messages), PAGE);
    expect(messagesOf(rows)).toEqual(numbered(messages, first));
    for (const { body } of rows) {
      // A row is its share, and at most one message more.
      if (rows.length > 1) expect(body.length).toBeWithin(0, PAGE / 6 + HEAD + 1500);
    }
  }
});

test.each([1, 2, 5, 10, 15, 20, 25, 30, 35, 40, 47, 50, 75, 100, 800])(
  "messages of 100 bytes, set %d at a time, take less than 135 bytes of disk each",
  (count) => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    let next = 1;
    for (const total = 20_000; next <= total;) {
      next = put(store, queue, next, numberedBodies("x".repeat(95), count, 10_001));
    }
    store.checkpoint("truncate");
    expect(statSync(fileIn(directory)).size / (next - 1)).toBeWithin(100, 135);
  },
);
