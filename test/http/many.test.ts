/** Very many queues, clients that leave before they are answered, and clients that do not read. */
import { expect, test } from "bun:test";

import { connect } from "../server/client.ts";
import { eventually, memoryOf, suite } from "../server/harness.ts";
import { fill, startWeb, type Web } from "./web.ts";

suite();

const MB = 1024 * 1024;

async function named(server: Web): Promise<string[]> {
  const text = await (await server.get("/metrics")).text();
  return [...text.matchAll(/^memcacheq_queue_messages\{queue="(.*)"\}/gm)].map(
    ([, name = ""]) => name,
  );
}

/** Opens so many connections that ask for this, and read nothing of the answer. */
function askWithoutReading({ site }: Web, path: string, count: number) {
  const port = Number(new URL(site).port);
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data: (socket) => void socket.pause() },
      });
      socket.write(`GET ${path}?n=${n} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      return socket;
    }),
  );
}

test("beyond a number of queues the deepest and the oldest are told by name, and all in totals", async () => {
  const server = await startWeb(["--metrics-queues", "4"]);
  const client = await server.connect();
  for (const name of ["old", "older"]) await client.put(name, "12");
  await eventually("a later moment", async () =>
    ((await server.metric('memcacheq_queue_oldest_age_seconds{queue="older"}')) ?? 0) > 0.01
      ? true
      : undefined,
  );
  await fill(
    server.address,
    Array.from({ length: 300 }, (_, n) => `queue-${n}`),
  );
  for (let n = 0; n < 3; n++) await client.put("queue-200", "1");
  for (let n = 0; n < 2; n++) await client.put("queue-100", "1");
  // The ages of that many are read in the background.
  const found = await eventually("all four", async () => {
    const names = await named(server);
    return names.includes("old") && names.includes("older") ? names : undefined;
  });
  expect(found).toEqual(["old", "older", "queue-100", "queue-200"]);
  expect(await server.metric("memcacheq_queues")).toBe(302);
  expect(await server.metric("memcacheq_named_queues")).toBe(4);
  expect(await server.metric("memcacheq_messages")).toBe(307);
  expect(await server.metric("memcacheq_messages_bytes")).toBe(309);
  expect(await server.metric("memcacheq_sets_total")).toBe(307);
  expect(await client.take("old")).toBe("12");
  expect(await server.metric("memcacheq_gets_total")).toBe(1);
  await server.stop();
});

test("no queue is told by name where none is asked for", async () => {
  const server = await startWeb(["--metrics-queues", "0"]);
  const client = await server.connect();
  await client.put("q", "x");
  expect(await named(server)).toEqual([]);
  expect(await server.metric("memcacheq_messages")).toBe(1);
  await server.stop();
});

test("names that take too many bytes are left out", async () => {
  const server = await startWeb(["-N", "--metrics-queues", "100000"]);
  const wide = "\\".repeat(240);
  await fill(
    server.address,
    Array.from({ length: 5000 }, (_, n) => `${wide}${n}`),
  );
  const text = await (await server.get("/metrics")).text();
  expect(text.length).toBeLessThan(10 * MB);
  const count = text.match(/^memcacheq_queue_messages\{/gm)?.length ?? 0;
  expect(count).toBeWithin(500, 5000);
  expect(await server.metric("memcacheq_messages")).toBe(5000);
  await server.stop();
});

test("work for clients that have left ends, and others are answered", async () => {
  const server = await startWeb(["-N"]);
  await fill(
    server.address,
    Array.from({ length: 10_000 }, (_, n) => `queue-${n}`),
  );
  const before = memoryOf(server.pid);
  for (let round = 0; round < 10; round++) {
    for (const socket of await askWithoutReading(server, "/data/overview", 50)) socket.terminate();
  }
  await eventually("an answer for one that stays", async () =>
    (await server.get("/data/overview")).status === 200 ? true : undefined,
  );
  expect(await server.metric("memcacheq_messages")).toBe(10_000);
  expect(memoryOf(server.pid, "VmHWM") - before).toBeLessThan(100 * MB);
  expect(server.stderr()).not.toMatch(/internal|abort/i);
  await server.stop();
});

test("clients that do not read the page's answers take little memory, and only for a time", async () => {
  const server = await startWeb(["-N"]);
  // Each byte of such a name is six in JSON.
  const name = (n: number) => `${"\x01\x02\x03".repeat(80)}${n}`;
  await fill(
    server.address,
    Array.from({ length: 1000 }, (_, n) => name(n)),
  );
  const before = memoryOf(server.pid);
  const sockets = await askWithoutReading(server, "/data/overview", 60);
  const client = await connect(server.address);
  const answer = await eventually("an answer for one that reads", async () => {
    const response = await server.get("/data/overview?limit=10");
    return response.status === 200 ? await response.json() : undefined;
  });
  expect((answer as { queues: object[] }).queues).toHaveLength(10);
  expect(memoryOf(server.pid, "VmHWM") - before).toBeLessThan(100 * MB);
  await client.inStep();
  for (const socket of sockets) socket.terminate();
  await server.stop();
});
