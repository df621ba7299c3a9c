/** `open/early` gives messages before their time, and `peek/leased` shows leases: what a move to another server needs. */
import { beforeAll, expect, test } from "bun:test";

import { type Client } from "./client.ts";
import { details } from "./connected.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

/** Longer than any test. */
const LONG = 1_000_000;

/** Opens the oldest message of the queue. */
async function open(queue: string, from: Client, options = "open/early") {
  const head = await from.ask(`mg ${queue}/${options} v c h d`);
  if (head === "EN") return undefined;
  const [, number, deliveries, dueIn] = /^VA \d+ c(\d+) h(\d+) d(\d+)$/.exec(head) ?? [];
  const body = (await from.until("\r\n")).slice(0, -2);
  return {
    body,
    number: Number(number),
    deliveries: Number(deliveries),
    waits: Number(dueIn) > LONG / 2,
  };
}

test("all messages of a queue in their order, delayed or not, until there is none", async () => {
  for (const [n, delay] of [0, LONG, LONG, 0, LONG, 0].entries()) {
    await client.put(delay === 0 ? "mixed" : `mixed/delay=${delay}`, String(n));
  }
  const worker = await server.connect();
  const found = [];
  for (let next = await open("mixed", worker); next;) {
    found.push(next);
    next = await open("mixed", worker, "close/open/early");
  }
  expect(found).toEqual(
    [false, true, true, false, true, false].map((waits, n) => ({
      body: String(n),
      number: n + 1,
      deliveries: 1,
      waits,
    })),
  );
  expect(await details(client, "mixed")).toMatchObject({ messages: "0", bytes: "0", delayed: "0" });
  await worker.end();
});

test("given back, or its connection ended, it waits for its time again, and no delivery is counted", async () => {
  await client.put(`again/delay=${LONG}`, "later");
  for (const end of ["abort", "connection"]) {
    const worker = await server.connect();
    expect(await open("again", worker)).toMatchObject({ body: "later", deliveries: 1 });
    expect(await details(client, "again")).toMatchObject({
      messages: "1",
      open: "1",
      delayed: "0",
    });
    if (end === "abort") {
      expect(await worker.ask("get again/abort")).toBe("END");
      expect(await details(client, "again")).toMatchObject({
        messages: "1",
        open: "0",
        delayed: "1",
      });
    }
    await worker.end();
    while ((await details(client, "again")).open !== "0") await Bun.sleep(1);
    expect(await client.take("again")).toBeUndefined();
    expect(await details(client, "again")).toMatchObject({
      messages: "1",
      delayed: "1",
      bytes: "5",
    });
  }
});

test("a message whose time comes while it is open early is there when it goes back", async () => {
  await client.put("soon/delay=100", "now");
  const worker = await server.connect();
  expect(await open("soon", worker)).toMatchObject({ body: "now", waits: false });
  const later = await server.connect();
  await later.put("soon/delay=300", "mark");
  later.send(`get soon/t=${LONG}\r\n`);
  // The other one is due only after this one would have been.
  expect((await later.messages())[0]?.body).toBe("mark");
  expect(await worker.ask("get soon/abort")).toBe("END");
  expect(await client.take("soon")).toBe("now");
  await Promise.all([worker.end(), later.end()]);
});

test("set and opened early in one go", async () => {
  const worker = await server.connect();
  worker.send(`set one/delay=${LONG} 0 0 1\r\nx\r\nmg one/open/early v d\r\nget one/close\r\n`);
  expect(await worker.until("END\r\n")).toMatch(
    /^STORED\r\nVA 1 d(\d{6}|1000000)\r\nx\r\nEND\r\n$/,
  );
  expect(await details(client, "one")).toMatchObject({ messages: "0", delayed: "0", bytes: "0" });
  await worker.end();
});

test("a crash of the server leaves what was open early as it was", async () => {
  const own = await start();
  const worker = await own.connect();
  await worker.put(`crash/delay=${LONG}`, "later");
  await worker.put("crash", "now");
  expect(await open("crash", worker)).toMatchObject({ body: "later", waits: true });
  await own.kill9();
  const next = await start([], { home: own.home });
  const other = await next.connect();
  expect(await other.take("crash")).toBe("now");
  expect(await details(other, "crash")).toMatchObject({ messages: "1", delayed: "1", bytes: "5" });
  expect(await open("crash", other)).toMatchObject({ body: "later", waits: true, number: 1 });
  await next.stop();
});

test("peek/leased shows the oldest lease: its number, its deliveries, its time", async () => {
  await client.put("leased", "first");
  await client.put("leased", "second");
  expect(await client.ask("mg leased/peek/leased c")).toBe("EN");
  for (let n = 0; n < 2; n++) await client.ask(`mg leased/lease=${LONG} c`);
  expect(await client.ask("mg leased/peek/leased s c h d")).toMatch(/^HD s5 c1 h1 d\d{6}$/);
  expect(await client.ask("touch leased/1 0")).toBe("TOUCHED");
  expect(await client.ask("mg leased/peek/leased s c h d")).toMatch(/^HD s6 c2 h1 d\d{6}$/);
  expect(await client.ask(`mg leased/lease=${LONG} c`)).toBe(`HD c${1 + 2 ** 43}`);
  expect(await client.ask("mg leased/peek/leased c h")).toBe(`HD c${1 + 2 ** 43} h2`);
  expect(await details(client, "leased")).toMatchObject({ leased: "2" });
});

test.each([
  ["get q/early", "option early goes with open only"],
  ["get q/lease=5/early", "option early goes with open only"],
  ["get q/leased", "option leased goes with peek only"],
  ["get q/open/leased", "option leased goes with peek only"],
])("%s is refused", async (line, problem) => {
  expect(await client.ask(line)).toBe(`CLIENT_ERROR ${problem}`);
});
