/** The memory that the README promises not to exceed, whatever clients do. */
import { expect, test } from "bun:test";

import { deepQueue, LIMIT, manyQueues } from "../hostile/bounded.ts";
import { suite } from "./harness.ts";

suite();

test("100,000 queues", async () => {
  expect(await manyQueues(100_000)).toBeLessThan(LIMIT);
});

test("500,000 messages of 100 bytes", async () => {
  expect(await deepQueue(500_000)).toBeLessThan(LIMIT);
});
