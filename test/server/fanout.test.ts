/** Copies of messages: `copy-to` in the settings of a queue, and the children of --fanout. */
import { expect, test } from "bun:test";

import { start, suite } from "./harness.ts";
import { beginWaiting } from "./waiter.ts";

suite();

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
