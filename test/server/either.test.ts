/** One message of several queues, of the first one named that has any. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import type { Client } from "./client.ts";
import { type Server, start, suite } from "./harness.ts";
import { beginWaiting } from "./waiter.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});
beforeEach(async () => {
  for (const queue of ["a", "b", "c"]) await client.ask(`delete ${queue}`);
});
afterAll(() => server.stop());

async function bodies(from: Client = client): Promise<string[]> {
  return (await from.messages()).map(({ queue, body }) => `${queue} ${body}`);
}

test("takes from the first that has a message", async () => {
  await client.put("b", "1");
  await client.put("c", "2");
  await client.put("a", "3");
  const found: string[] = [];
  for (let n = 0; n < 4; n++) {
    client.send("get a/t=1 b/t=1 c/t=1\r\n");
    found.push(...(await bodies()));
  }
  expect(found).toEqual(["a/t=1 3", "b/t=1 1", "c/t=1 2"]);
  client.send("stats\r\n");
  const stats = await client.until("END\r\n");
  expect(stats).toContain("STAT get_cmds 4\r\n");
  expect(stats).toContain("STAT get_hits 3\r\n");
});

test("waits for any of them, in the line of each", async () => {
  for (const queue of ["a", "b", "c"]) {
    const first = await server.connect();
    await beginWaiting(first, "a/t=60000 b/t=60000 c/t=60000");
    const second = await server.connect();
    await beginWaiting(second, `${queue}/t=60000`);
    await client.put(queue, "1");
    expect(await bodies(first)).toEqual([`${queue}/t=60000 1`]);
    await client.put(queue, "2");
    expect(await bodies(second)).toEqual([`${queue}/t=60000 2`]);
  }
  client.send("stats queue a\r\n");
  expect(await client.until("END\r\n")).toContain("STAT waiters 0\r\n");
});

test("a message that comes while another one is on its way to the client is not left behind", async () => {
  const first = await server.connect();
  const second = await server.connect();
  await beginWaiting(first, "a/t=60000 b/t=60000");
  await beginWaiting(second, "b/t=60000 a/t=60000");
  client.send("set a 0 0 1\r\n1\r\nget a\r\nset b 0 0 1\r\n2\r\nset a 0 0 1\r\n3\r\n");
  await client.line();
  await client.messages();
  await client.line();
  await client.line();
  // Of three messages one went to this client, or to the first; none is left while a client waits.
  const both = [...(await bodies(first)), ...(await bodies(second))];
  expect(both).toHaveLength(2);
});

test("closes what was open of each, and opens the next", async () => {
  for (const body of ["1", "2"]) await client.put("b", body);
  await client.put("a", "3");
  const get = "get a/close/t=1/open b/close/t=1/open\r\n";
  const found: string[] = [];
  for (let n = 0; n < 4; n++) {
    client.send(get);
    found.push(...(await bodies()).map((each) => each.at(-1) ?? ""));
  }
  expect(found).toEqual(["3", "1", "2"]);
  client.send("stats queue\r\n");
  expect(await client.until("END\r\n")).toBe("STAT b 2/2\r\nSTAT a 1/1\r\nEND\r\n");
});

test("or= names more queues in one key, in every dialect", async () => {
  await client.put("b", "1");
  await client.put("c", "2");
  client.send("get a/or=b/or=c\r\n");
  expect(await bodies()).toEqual(["a/or=b/or=c 1"]);
  expect(await client.ask("mg a/or=b/or=c v")).toBe("VA 1");
  expect(await client.line()).toBe("2");
  expect(await client.ask("mg a/or=b/or=c v")).toBe("EN");
  const waiter = await server.connect();
  await beginWaiting(waiter, "a/or=b/t=60000");
  await client.put("b", "3");
  expect(await bodies(waiter)).toEqual(["a/or=b/t=60000 3"]);
});

test("without a message the answer is END once the time is over", async () => {
  expect(await client.ask("get a/t=1 b/t=1")).toBe("END");
  expect(await client.ask("get a/t=0 b/t=0")).toBe("END");
  const waiter = await server.connect();
  await beginWaiting(waiter, "a/t=60000 b/t=60000");
  waiter.shutdown();
  expect(await waiter.rest()).toBe("END\r\n");
});

test("a client that goes away while it waits takes nothing", async () => {
  const waiter = await server.connect();
  await beginWaiting(waiter, "a/t=60000 b/t=60000");
  await waiter.end();
  for (const queue of ["a", "b"]) {
    await client.put(queue, queue);
  }
  client.send("get a b\r\n");
  expect(await bodies()).toEqual(["a a", "b b"]);
});

test("what is wrong is refused, and nothing is taken", async () => {
  await client.put("a", "1");
  const all =
    "with several queues all of them have t=, with the same time, up to 16, and then none has or=";
  const many = Array.from({ length: 17 }, (_, n) => `q${n}/t=1`).join(" ");
  for (const keys of ["a/t=1 b", "a/t=1 b/t=2", "a b/or=c", "a/or=b/t=1 c/t=1", many]) {
    expect(await client.ask(`get ${keys}`)).toBe(`CLIENT_ERROR ${all}`);
  }
  expect(await client.ask("get a/or=")).toBe(
    "CLIENT_ERROR bad value in or=, the name of a queue is accepted",
  );
  expect(await client.ask("get a/or=b/close")).toStartWith("CLIENT_ERROR option or= does not go");
  expect(await client.ask(`get a${"/or=b".repeat(16)}`)).toBe(
    "CLIENT_ERROR option or= is accepted up to 15 times",
  );
  expect(await client.take("a")).toBe("1");
});
