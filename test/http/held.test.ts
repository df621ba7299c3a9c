/** The page tells which messages are open and leased, by whom and until when, and where dead letters came from. */
import { expect, test } from "bun:test";

import { eventually, isShared, suite } from "../server/harness.ts";
import { fill, startWeb, type Web } from "./web.ts";

suite();

interface Delivered {
  number: number;
  told: number;
  deliveries: number;
  length?: number;
}

interface Held {
  open: (Delivered & { client: string; age: number })[];
  leased: (Delivered & { client?: string; left: number })[];
  delayed: { number: number; deliveries: number; left: number }[];
}

async function ask<T>(server: Web, path: string): Promise<T> {
  return (await (await server.get(path)).json()) as T;
}

const heldOf = async (server: Web, queue: string) =>
  (await ask<{ held: Held }>(server, `/data/overview?queue=${queue}`)).held;

test("open messages are told with their clients, leased ones with their end, too", async () => {
  const server = await startWeb();
  const client = await server.connect();
  for (const body of ["one", "second", "3", "4"]) await client.put("q", body);
  client.send("get q/open\r\n");
  expect(await client.messages()).toHaveLength(1);
  client.send("gets q/lease=60000\r\n");
  expect(await client.messages()).toMatchObject([{ body: "second", number: 2 }]);
  const { open, leased } = await heldOf(server, "q");
  expect(open).toMatchObject([{ number: 1, told: 1, deliveries: 1, length: 3 }]);
  expect(open[0]?.client).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(leased).toMatchObject([{ number: 2, told: 2, deliveries: 1, length: 6 }]);
  expect(leased[0]?.left).toBeWithin(1, 60_001);
  expect(leased[0]?.client).toBe(open[0]?.client);
  const { chosen } = await ask<{ chosen: object }>(server, "/data/overview?queue=q");
  expect(chosen).toMatchObject({ open: 1, delivery: { leased: 1 } });
  const seen = await ask<object[]>(server, "/data/messages?queue=q");
  expect(seen).toMatchObject([
    { number: 1, open: true, leased: false },
    { number: 2, open: false, leased: true, deliveries: 1 },
    { number: 3, open: false, leased: false, deliveries: 0 },
    { number: 4 },
  ]);
  await server.stop();
});

test("a second delivery has another number, and a lease outlives the server", async () => {
  const first = await startWeb();
  const client = await first.connect();
  await client.put("q", "x");
  client.send("gets q/lease=60000\r\n");
  expect(await client.messages()).toHaveLength(1);
  expect(await client.ask("touch q/1 0")).toBe("TOUCHED");
  client.send("gets q/lease=60000\r\n");
  const [message] = await client.messages();
  const told = message?.number ?? 0;
  expect(told).toBe(1 + 2 ** 43);
  expect((await heldOf(first, "q")).leased).toMatchObject([
    { number: 1, told, deliveries: 2, length: 1 },
  ]);
  first.kill("SIGKILL");
  await first.exit();
  const server = await startWeb([], { home: first.home });
  const { leased } = await heldOf(server, "q");
  expect(leased).toMatchObject([{ number: 1, told, deliveries: 2 }]);
  if (!isShared) expect(leased[0]?.length).toBeUndefined();
  // A file does not have by whom.
  if (!isShared) expect(leased[0]?.client).toBeUndefined();
  expect(leased[0]?.left).toBeWithin(1, 60_001);
  await server.stop();
});

test("of very many leases the first are listed", async () => {
  const server = await startWeb(["-N"]);
  const names = Array.from({ length: 3000 }, () => "q");
  await fill(server.address, names);
  const client = await server.connect();
  client.send("get q/lease=60000\r\n".repeat(3000));
  for (let n = 0; n < 3000; n++) expect(await client.messages()).toHaveLength(1);
  const { leased } = await heldOf(server, "q");
  expect(leased.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const seen = await ask<{ number: number; leased: boolean }[]>(server, "/data/messages?queue=q");
  expect(seen.map(({ number, leased }) => [number, leased])).toEqual(
    Array.from({ length: 20 }, (_, i) => [i + 1, true]),
  );
  await server.stop();
});

test("dead letters tell where they came from, and why", async () => {
  const server = await startWeb(["--queue", "jobs:deliveries=1", "--queue", "*:dead=failed"]);
  const client = await server.connect();
  await client.put("failed", "own");
  for (const [queue, how] of [
    ["jobs", "abort"],
    ["caf\xc3\xa9", "dead"],
  ] as const) {
    const name = queue === "jobs" ? "jobs.dead" : "failed";
    await client.put(queue, "x");
    client.send(`get ${queue}/open\r\n`);
    expect(await client.messages()).toHaveLength(1);
    expect(await client.ask(`get ${queue}/${how}`)).toBe("END");
    const seen = await ask<{ moved?: object }[]>(server, `/data/messages?queue=${name}`);
    const reason = how === "dead" ? "dead" : "deliveries";
    const shown = queue === "jobs" ? "jobs" : "café";
    expect(seen.at(-1)?.moved).toEqual({ origin: queue, shown, number: 1, reason });
  }
  const [own] = await ask<{ moved?: object }[]>(server, "/data/messages?queue=failed");
  expect(own?.moved).toBeUndefined();
  await server.stop();
});

test("delayed messages are among the oldest, with their time, wherever the head is", async () => {
  const server = await startWeb(["--queue", "q:retry=100000"]);
  const client = await server.connect();
  const delayed = async (body: string, ms: number) => {
    expect(await client.ask(`set q/delay=${ms} 0 0 ${body.length}\r\n${body}`)).toBe("STORED");
  };
  await delayed("first", 50_000);
  await client.put("q", "2");
  await client.put("q", "3");
  await delayed("fourth", 9000);
  await client.put("q", "5");
  // The head moves past the first, and the second waits for its next try.
  client.send("get q/open\r\n");
  expect(await client.messages()).toMatchObject([{ body: "2" }]);
  expect(await client.ask("get q/abort")).toBe("END");
  const seen = await ask<{ number: number; left?: number; deliveries: number; body: string }[]>(
    server,
    "/data/messages?queue=q",
  );
  const bodies = seen.map(({ body }) => Buffer.from(body, "base64").toString());
  expect(bodies).toEqual(["first", "2", "3", "fourth", "5"]);
  expect(seen.map(({ left = 0 }) => Math.ceil(left / 10_000))).toEqual([5, 10, 0, 1, 0]);
  expect(seen.map(({ deliveries }) => deliveries)).toEqual([0, 1, 0, 0, 0]);
  const held = await heldOf(server, "q");
  expect(held.delayed.map(({ number, deliveries }) => [number, deliveries])).toEqual([
    [1, 0],
    [2, 1],
    [4, 0],
  ]);
  const behind = await ask<{ number: number }[]>(server, "/data/messages?queue=q&after=2");
  expect(behind.map(({ number }) => number)).toEqual([3, 4, 5]);
  await server.stop();
});

test("delayed messages are found behind hundreds whose time has come", async () => {
  const server = await startWeb(["-N"]);
  const client = await server.connect();
  const sets = (from: number, to: number, ms: number) =>
    Array.from({ length: to - from + 1 }, () => `set q/delay=${ms} 0 0 1 noreply\r\nx\r\n`).join(
      "",
    );
  client.send(sets(1, 300, 1) + sets(301, 305, 600_000));
  await client.inStep();
  const held = await eventually("the five", async () => {
    const { delayed } = await heldOf(server, "q");
    return delayed.length === 5 ? delayed : undefined;
  });
  expect(held.map(({ number }) => number)).toEqual([301, 302, 303, 304, 305]);
  const seen = await ask<{ number: number; left?: number }[]>(
    server,
    "/data/messages?queue=q&after=290",
  );
  expect(seen.map(({ number, left }) => [number, left !== undefined])).toEqual(
    Array.from({ length: 15 }, (_, i) => [291 + i, i >= 10]),
  );
  await server.stop();
});
