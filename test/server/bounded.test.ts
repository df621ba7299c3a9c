/** The memory that the README promises not to exceed, whatever clients do. */
import { expect, test } from "bun:test";

import {
  deepQueue,
  LIMIT,
  manyQueues,
  pipelinedGets,
  stalledBodies,
  stalledReaders,
  unfinishedGets,
  unreadLists,
} from "../hostile/memory.ts";
import { suite } from "../torture/short.ts";

suite();

test("100,000 queues", async () => {
  expect(await manyQueues(100_000)).toBeLessThan(LIMIT);
});

test("500,000 messages of 100 bytes", async () => {
  expect(await deepQueue(500_000)).toBeLessThan(LIMIT);
});

test("2,000 that announce 1 MB and send nothing of it", async () => {
  expect(await stalledBodies(2000, 0)).toBeLessThan(LIMIT);
});

test("500 that send 0.9 MB of 1 MB", async () => {
  expect(await stalledBodies(500, 900_000)).toBeLessThan(LIMIT);
});

test("500 that ask for a megabyte ten times, and don't read", async () => {
  expect(await stalledReaders(500, 10)).toBeLessThan(LIMIT);
});

test("200 that name 10,000 queues in a get that does not end, and 200 in one that is wrong", async () => {
  expect(await unfinishedGets(200)).toBeLessThan(LIMIT);
});

test("150 that ask for 5 MB of statistics, and don't read", async () => {
  expect(await unreadLists(150)).toBeLessThan(LIMIT);
});

test("one that asks 300,000 times, and doesn't read", async () => {
  expect(await pipelinedGets(300_000)).toBeLessThan(LIMIT);
});
