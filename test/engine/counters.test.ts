/** Commands are counted when they are replied to, by what became of them. */
import { beforeEach, expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { suite } from "../store/scratch.ts";
import { finishAll, type Late, newLate } from "./late.ts";
import { type Client, newClient, put, send, settle } from "./rig.ts";

suite();

let late: Late;
let client: Client;
beforeEach(async () => {
  late = newLate("at once");
  client = newClient(late.rig);
  put(client, "q", "1");
  await finishAll(late);
  client.received();
});

function deletes(): [hits: number, misses: number] {
  const { deleteHits, deleteMisses } = late.rig.engine.stats.counters;
  return [deleteHits, deleteMisses];
}

test("a delete counts as nothing before it is replied to", async () => {
  send(client, "delete q", "delete q");
  expect(deletes()).toEqual([0, 0]);
  settle(late.rig);
  expect([late.isBusy(), deletes()]).toEqual([true, [0, 0]]);
  await finishAll(late);
  expect([client.received(), deletes()]).toEqual(["DELETED\r\nNOT_FOUND\r\n", [1, 1]]);
});

test("a delete that fails has neither found a queue nor missed one", async () => {
  const { store } = late.rig;
  store.commit = () => {
    throw new StoreError("database or disk is full");
  };
  send(client, "delete q", "delete q");
  await finishAll(late);
  const failed = "SERVER_ERROR database or disk is full\r\n";
  expect([client.received(), deletes()]).toEqual([failed + failed, [0, 0]]);
});

test("all other commands are counted when they are replied to, in parts or not", async () => {
  const { counters } = late.rig.engine.stats;
  send(client, "version", "stats queue", "flush_all", "nonsense");
  settle(late.rig);
  expect([late.isBusy(), counters.others]).toEqual([true, {}]);
  await finishAll(late);
  expect(counters.others).toEqual({ version: 1, "stats queues": 1, flush_all: 1, error: 1 });
});
