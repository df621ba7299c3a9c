/** Who has a message open and since when, and closes of clients that have none open. */
import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { startWeb, type Web } from "../http/web.ts";
import type { Client } from "./client.ts";
import { eventually, scratch, start, suite } from "./harness.ts";

suite();

let server: Web;
let client: Client;
beforeAll(async () => {
  server = await startWeb();
  client = await server.connect();
});

interface Open {
  number: number;
  length: number;
  client: string;
  age: number;
}

/** What the page is told of the open messages of a queue. */
async function opened(web: Web, queue: string): Promise<Open[]> {
  const response = await web.get(`/data/overview?queue=${queue}`);
  return ((await response.json()) as { held: { open: Open[] } }).held.open;
}

async function stat(name: string, command = "stats"): Promise<number> {
  client.send(`${command}\r\n`);
  const text = await client.until("END\r\n");
  return Number(new RegExp(`^STAT ${name} (\\d+)\r$`, "m").exec(text)?.[1]);
}

const get = async (key: string): Promise<string> => {
  client.send(`get ${key}\r\n`);
  return (await client.until("END\r\n")).split("\r\n")[0] ?? "";
};

test("a close without an open message is END, and counted", async () => {
  const before = await stat("close_misses");
  await client.put("q", "1");
  expect(await get("q/close/open")).toBe("VALUE q/close/open 0 1");
  expect(await get("q/close")).toBe("END");
  expect(await stat("close_misses")).toBe(before);
  expect(await get("q/close")).toBe("END");
  expect(await get("nothing/close")).toBe("END");
  expect(await get("q/close nothing/close")).toBe("END");
  expect(await get("q/abort")).toBe("END");
  expect(await stat("close_misses")).toBe(before + 4);
  const metric = (result: string) =>
    server.metric(`memcacheq_commands_total{command="close",result="${result}"}`);
  expect(await metric("nothing_open")).toBe(before + 4);
  expect(await metric("closed")).toBe(1);
});

test("mg tells whether there was an open message", async () => {
  await client.put("q", "1");
  await client.put("q", "2");
  expect(await client.ask("mg q/open k c")).toBe("HD kq/open c2");
  expect(await client.ask("mg q/close k O7 c")).toBe("HD kq/close O7");
  expect(await client.ask("mg q/close k O8 v")).toBe("EN kq/close O8");
  expect(await client.ask("mg q/abort k")).toBe("EN kq/abort");
  expect(await client.ask("mg q/open")).toBe("HD");
  expect(await client.ask("mg q/abort k")).toBe("EN kq/abort");
  expect(await client.ask("mg q/open q")).toBe("HD");
  client.send("mg q/close q k\r\nmg q/close q k\r\nmn\r\n");
  expect(await client.line()).toBe("MN");
});

test("the age of the message that is open the longest, by any clock but the calendar", async () => {
  for (const body of ["1", "22", "333"]) await client.put("ages", body);
  const age = () => stat("open_age", "stats queue ages");
  expect(await age()).toBe(0);
  const [first, second] = [await server.connect(), await server.connect()];
  await first.ask("mg ages/open");
  const old = await eventually("some age", async () => ((await age()) >= 20 ? age() : undefined));
  await second.ask("mg ages/open");
  expect(await age()).toBeGreaterThanOrEqual(old);
  expect(await server.metric('memcacheq_queue_open_age_seconds{queue="ages"}')).toBeGreaterThan(
    old / 1000,
  );
  const [one, two] = await opened(server, "ages");
  expect(one).toMatchObject({ number: 1, length: 1 });
  expect(two).toMatchObject({ number: 2, length: 2 });
  expect(one?.age).toBeGreaterThanOrEqual(old);
  expect(two?.age).toBeLessThan(one?.age ?? 0);
  for (const open of [one, two]) expect(open?.client).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(one?.client).not.toBe(two?.client);
  await first.ask("mg ages/close");
  expect(await opened(server, "ages")).toHaveLength(1);
  expect(await age()).toBeLessThan(Date.now());
  await second.ask("mg ages/close");
  expect(await age()).toBe(0);
  expect(await opened(server, "ages")).toEqual([]);
});

test("the client of a Unix socket has a number", async () => {
  const local = await startWeb([], { socket: join(scratch(), "s") });
  const consumer = await local.connect();
  await consumer.put("q", "x");
  await consumer.ask("mg q/open");
  expect((await opened(local, "q"))[0]?.client).toMatch(/^Unix socket, connection \d+$/);
  await local.stop();
});

test("where IPv6 is spoken, too", async () => {
  const six = await start(["--http", "0"], { address: "::1" });
  const [, port] = await six.logged(/listening on http 127\.0\.0\.1:(\d+)$/m);
  const consumer = await six.connect();
  await consumer.put("q", "x");
  await consumer.ask("mg q/open");
  const response = await fetch(`http://127.0.0.1:${port}/data/overview?queue=q`);
  const { held } = (await response.json()) as { held: { open: Open[] } };
  expect(held.open[0]?.client).toMatch(/^\[::1\]:\d+$/);
  await six.stop();
});
