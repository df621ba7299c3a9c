/** Copies of messages: `copy-to` in the settings of a queue, and the children of --fanout. */
import { expect, test } from "bun:test";

import type { Client } from "./client.ts";
import { start, suite } from "./harness.ts";
import { beginWaiting } from "./waiter.ts";

suite();

/** All bodies of a queue. */
async function drain(client: Client, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const body = await client.take(queue);
    if (body === undefined) return bodies;
    bodies.push(body);
  }
}

test("--fanout: a child gets what is set from its first get on, also after kill -9", async () => {
  const first = await start(["--fanout"]);
  const client = await first.connect();
  await client.put("q", "before");
  expect(await client.take("q+a")).toBeUndefined();
  const waiter = await first.connect();
  await beginWaiting(waiter, "q+b/t=60000");
  await client.put("q", "one");
  expect((await waiter.messages()).map(({ body }) => body)).toEqual(["one"]);
  first.kill("SIGKILL");
  await first.exit();

  const second = await start(["--fanout"], { home: first.home });
  const after = await second.connect();
  await after.put("q", "two");
  for (const [queue, bodies] of [
    ["q", ["before", "one", "two"]],
    ["q+a", ["one", "two"]],
    ["q+b", ["two"]],
  ] as const) {
    for (const body of bodies) expect(await after.take(queue)).toBe(body);
    expect(await after.take(queue)).toBeUndefined();
  }
  await second.stop();
});

test("without it a get of such a name is told in the log, once", async () => {
  const server = await start();
  const client = await server.connect();
  for (let n = 0; n < 3; n++) expect(await client.take("q+a")).toBeUndefined();
  await server.logged(/a client gets from q\+a: without --fanout/);
  await client.put("q", "1");
  expect(await client.take("q+a")).toBeUndefined();
  expect(server.stderr().match(/without --fanout/g)).toHaveLength(1);
  await server.stop();
});

test("copy-to wakes those who wait, and a full queue misses its copy", async () => {
  const server = await start(["--queue", "q:copy-to=a+b", "--queue", "b:max-messages=1"]);
  const client = await server.connect();
  const waiter = await server.connect();
  await beginWaiting(waiter, "a/t=60000");
  await client.put("q", "1");
  await client.put("q", "2");
  expect((await waiter.messages()).map(({ body }) => body)).toEqual(["1"]);
  expect([await client.take("q"), await client.take("a"), await client.take("b")]).toEqual([
    "1",
    "2",
    "1",
  ]);
  client.send("stats queue b\r\n");
  expect(await client.until("END\r\n")).toContain("STAT missed 1\r\n");
  await server.stop();
});

test("a child can be set to, opened and deleted by itself, and outlives its parent", async () => {
  const server = await start(["--fanout"]);
  const client = await server.connect();
  await client.put("q+a", "own");
  await client.put("q", "copied", 7);
  expect(await client.take("q+a/open")).toBe("own");
  client.send("get q+a/close/open\r\n");
  expect(await client.messages()).toEqual([{ queue: "q+a/close/open", flags: 7, body: "copied" }]);
  expect(await client.ask("get q+a/abort")).toBe("END");
  expect(await client.ask("delete q+a")).toBe("DELETED");
  await client.put("q", "missed");
  expect(await drain(client, "q+a")).toEqual([]);
  await client.put("q", "again");
  expect(await drain(client, "q+a")).toEqual(["again"]);
  expect(await client.ask("delete q")).toBe("DELETED");
  await client.put("q", "of the new one");
  await client.put("q+a+b", "1");
  for (const name of ["+a", "q+", "+"]) await client.put(name, "x");
  expect(await drain(client, "q+a")).toEqual(["of the new one"]);
  expect(await drain(client, "q")).toEqual(["of the new one"]);
  await server.stop();
});

test("a child has the settings of its parent; the parent's limit decides, and a full child misses its copy", async () => {
  const server = await start(["--fanout", "--queue", "q:max-messages=2,copy-to=z"]);
  const client = await server.connect();
  expect(await client.take("q+a")).toBeUndefined();
  client.send("stats settings q+a\r\n");
  expect(await client.until("END\r\n")).toContain("STAT max-messages 2\r\n");
  await client.put("q", "1");
  await client.put("q", "2");
  client.send("set q 0 0 1\r\n3\r\n");
  expect(await client.line()).toBe("NOT_STORED");
  expect(await drain(client, "q")).toEqual(["1", "2"]);
  await client.put("q", "4");
  client.send("stats queue q+a\r\n");
  expect(await client.until("END\r\n")).toContain("STAT missed 1\r\n");
  expect(await drain(client, "q+a")).toEqual(["1", "2"]);
  await client.put("q+a", "own");
  expect(await drain(client, "z")).toEqual(["1", "2", "4"]);
  await server.stop();
});

test("a parent has at most 64 children", async () => {
  const server = await start(["--fanout"]);
  const client = await server.connect();
  for (let n = 0; n < 64; n++) expect(await client.take(`q+${n}`)).toBeUndefined();
  expect(await client.ask("get q+64")).toBe("SERVER_ERROR q has 64 children already");
  await client.put("q", "all");
  for (let n = 0; n < 64; n++) expect(await client.take(`q+${n}`)).toBe("all");
  expect(await client.ask("delete q+5")).toBe("DELETED");
  expect(await client.take("q+64")).toBeUndefined();
  await server.stop();
});
