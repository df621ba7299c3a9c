/** How much one portion of sweeping may do. */
import { expect, test } from "bun:test";

import { commit, make, newHome, numberedBodies, open, put, segmentsIn, suite } from "./scratch.ts";

suite();

/** "A portion is at most this many segments, and about this many bytes": of each queue, and of 128 queues at once. */
test("a portion of sweeping is 128 segments at most, of however many queues", () => {
  const directory = newHome();
  const store = open(directory);
  const queues = Array.from({ length: 20 }, (_, n) => {
    const queue = make(store, `${n}`);
    put(store, queue, 1, ...numberedBodies("m", 100).map((message) => [message]));
    return queue;
  });
  commit(store, { dropped: queues });
  store.maintain();
  expect(2000 - segmentsIn(directory).length).toBeLessThanOrEqual(128);
});
