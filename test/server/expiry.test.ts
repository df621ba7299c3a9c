/** Messages expire by the exptime of their set, with --expiry or by the settings of a queue, or by their age. */
import { expect, test } from "bun:test";

import type { Client } from "./client.ts";
import { eventually, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

async function set(client: Client, queue: string, exptime: number, body: string): Promise<void> {
  expect(await client.ask(`set ${queue} 0 ${exptime} ${body.length}\r\n${body}`)).toBe("STORED");
}

async function expired(client: Client, queue: string): Promise<number> {
  client.send(`stats queue ${queue}\r\n`);
  return Number(/STAT expired (\d+)/.exec(await client.until("END\r\n"))?.[1]);
}

test("exptime is ignored, unless an option or the queue reads it", async () => {
  const server = await start(["--queue", "q:expiry=drop"]);
  const client = await server.connect();
  for (const queue of ["plain", "q"]) {
    await set(client, queue, -1, "over");
    await set(client, queue, 0, "never");
  }
  expect([await client.take("plain"), await client.take("q")]).toEqual(["over", "never"]);
  expect([await expired(client, "plain"), await expired(client, "q")]).toEqual([0, 1]);
  await server.stop();
});

test("--expiry reads it as memcached does, in each dialect, also after kill -9", async () => {
  const first = await start(["--expiry"]);
  const client = await first.connect();
  const now = Math.floor(Date.now() / 1000);
  await set(client, "q", -1, "negative");
  await set(client, "q", 1, "a second");
  await set(client, "q", now - 10, "a date that is over");
  expect(await client.ask("ms q 4 T1\r\nmeta")).toBe("HD");
  const binary = await binaryClient(first);
  const extras = "\0\0\0\0\0\0\0\x01";
  expect(await binary.ask(1, { key: "q", value: "binary", extras })).toMatchObject({ status: 0 });
  await set(client, "q", 2_592_000, "30 days");
  await set(client, "q", now + 3_000_000, "a date");
  await set(client, "q", 0, "never");
  first.kill("SIGKILL");
  await first.exit();

  const second = await start(["--expiry"], { home: first.home });
  const after = await second.connect();
  await eventually("the sweep", async () => ((await expired(after, "q")) === 5 ? true : undefined));
  const left = /^VA 7 t(\d+)$/.exec(await after.ask("mg q v t"))?.[1];
  expect(Number(left)).toBeGreaterThan(2_591_900);
  expect(Number(left)).toBeLessThanOrEqual(2_592_001);
  expect(await after.line()).toBe("30 days");
  expect(await after.ask("mg q t")).toMatch(/^HD t(2999[0-9]{3}|3000000|3000001)$/);
  expect(await after.ask("mg q t")).toBe("HD t-1");
  await second.stop();
});

test("by their age messages go to the queue for them, without any request", async () => {
  const server = await start(["--queue", "q:max-age=1,expiry=old"]);
  const client = await server.connect();
  await set(client, "q", 0, "1");
  const waiter = await server.connect();
  waiter.send("get old/t=20000\r\n");
  expect((await waiter.messages()).map(({ body }) => body)).toEqual(["1"]);
  expect(await client.take("q")).toBeUndefined();
  expect(await expired(client, "q")).toBe(1);
  await server.stop();
});
