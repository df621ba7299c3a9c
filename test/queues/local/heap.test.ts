/** What an open message takes in memory. */
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";

import { newConsumer } from "../../../src/queues/local/consumer.ts";
import type { LocalConsumer } from "../../../src/queues/local/queue.ts";
import { commit, position, segment, sent, suite } from "../../store/scratch.ts";
import { close, faults, newShop, restart, save, take } from "./shop.ts";

suite();

const QUEUES = 100_000;
const CONSUMERS = 100;
/** Bytes of heap for each open message, generously: about 80 were measured. */
const MOST = 200;

/** Bytes of heap in use, after garbage collection. */
function heapSize(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

test("100,000 open messages in as many queues take less than 200 bytes each", () => {
  const shop = newShop(0);
  const ids = Array.from({ length: QUEUES }, () => shop.store.newQueueId() as number);
  const names = ids.map((id) => `queue-${id}`);
  commit(shop.store, {
    created: ids.map((queue) => ({ queue, name: `queue-${queue}` })),
    segments: ids.map((queue) => segment(queue, 1, [sent("body")])),
    positions: ids.map((queue) => ({ ...position(queue, 1, 2), bytes: 4 })),
  });
  restart(shop);
  const consumers = Array.from({ length: CONSUMERS }, () => newConsumer());
  const consumerOf = (n: number) => consumers[n % CONSUMERS] as LocalConsumer;
  const before = heapSize();
  for (const [n, name] of names.entries()) {
    take(shop, name, consumerOf(n), "open");
    if (n % 500 === 499) save(shop);
  }
  const each = (heapSize() - before) / QUEUES;
  expect(each).toBeLessThan(MOST);
  expect(faults(shop)).toEqual([]);
  for (const [n, name] of names.entries()) {
    close(shop, name, consumerOf(n));
    if (n % 500 === 499) save(shop);
  }
  expect(shop.local.bytes).toBe(0);
  expect(faults(shop)).toEqual([]);
});
