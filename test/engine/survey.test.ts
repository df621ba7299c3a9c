/** `stats` when the queues cannot be asked: the general statistics are there all the same. */
import { expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { suite } from "../store/scratch.ts";
import { finishAll, newLate } from "./late.ts";
import { newClient, put, send } from "./rig.ts";

suite();

const full = "SERVER_ERROR database or disk is full\r\n";

test("in a group whose commit fails it has the number of queues in their place", async () => {
  const late = newLate("at once");
  const client = newClient(late.rig);
  put(client, "q", "1");
  await finishAll(late);
  client.received();
  const { store } = late.rig;
  const { commit } = store;
  store.commit = () => {
    throw new StoreError("database or disk is full");
  };
  put(client, "q", "2");
  send(client, "stats", "version");
  await finishAll(late);
  const text = client.received();
  expect(text).toStartWith(`${full}STAT pid 1\r\n`);
  expect(text).toEndWith("STAT bytes 1\r\nSTAT queues 1\r\nEND\r\nVERSION 1\r\n");
  store.commit = commit;
  send(client, "stats");
  await finishAll(late);
  expect(client.received()).toContain("STAT queue_q_items 1\r\n");
});
