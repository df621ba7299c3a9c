/** Clients with much to do, and one with little beside them. */
import { expect, test } from "bun:test";

import { suite } from "../store/scratch.ts";
import { newClient, newRig, put, send, settle } from "./rig.ts";

suite();

test("a small request does not wait for the large bodies of all other clients", () => {
  const rig = newRig();
  rig.engine.settings.logBuffer = Infinity;
  const { commit } = rig.store;
  let commits = 0;
  rig.store.commit = (batch) => {
    commits++;
    commit(batch);
  };
  const large = [1, 2, 3, 4, 5].map(() => newClient(rig));
  for (const client of large) put(client, "q", "x".repeat(1024 * 1024));
  const small = newClient(rig);
  send(small, "version");
  let reply = "";
  while (!reply.includes("VERSION")) {
    for (const work of rig.soon.splice(0)) work();
    reply += small.received();
  }
  expect(commits).toBeLessThanOrEqual(2);
  settle(rig);
  expect(large.map((client) => client.received())).toEqual(Array(5).fill("STORED\r\n"));
});

test("where room for replies is short, each key counts with its own length", () => {
  const rig = newRig();
  const client = newClient(rig);
  const long = "x".repeat(50);
  put(client, "q", "1");
  put(client, long, "2");
  settle(rig);
  client.received();
  const { sink } = client.session;
  sink.pressure.outputFull = true;
  sink.room = () => 60;
  send(client, `get q ${long}`);
  settle(rig);
  expect(client.received()).toBe("VALUE q 0 1\r\n1\r\n");
  expect(rig.backend.summary(long)).toMatchObject({ messages: 1 });
});
