/** What clients of Kestrel read in plain `stats`: the lines of each queue, behind the general ones. */
import { beforeAll, describe, expect, test } from "bun:test";

import { bytes, type Client, set } from "./client.ts";
import { eventually, freePort, type Server, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

async function rows(from: Client): Promise<[name: string, value: string][]> {
  from.send("stats\r\n");
  const lines = (await from.until("END\r\n")).split("\r\n").slice(0, -2);
  return lines.map((line) => line.split(" ").slice(1) as [string, string]);
}

async function values(from: Client): Promise<Record<string, string>> {
  return Object.fromEntries(await rows(from));
}

/** Makes so many queues, of one message each. */
async function fill(into: Client, queues: number): Promise<void> {
  const all = Array.from({ length: queues }, (_, n) => set(`queue-${n}`, "x", 0, true));
  into.send(Buffer.concat(all));
  await into.inStep();
}

test("each queue has its lines, in the order in which the queues were made", async () => {
  const [holder, waiter] = [await server.connect(), await server.connect()];
  for (const body of ["one", "second", "3"]) await client.put("work", body);
  await client.put("b.c+d", "12345");
  expect(await client.take("b.c+d")).toBe("12345");
  expect(await client.take("b.c+d")).toBeUndefined();
  expect(await holder.take("work/open")).toBe("one");
  await waiter.inStep();
  waiter.send("get b.c+d/t=60000\r\n");
  const found = await eventually("a client that waits", async () => {
    const all = await rows(client);
    return all.some(([name, value]) => name.endsWith("_waiters") && value === "1")
      ? all
      : undefined;
  });
  expect(found.slice(-12)).toEqual([
    ["queue_work_items", "3"],
    ["queue_work_bytes", "10"],
    ["queue_work_total_items", "3"],
    ["queue_work_age", "0"],
    ["queue_work_waiters", "0"],
    ["queue_work_open_transactions", "1"],
    ["queue_b.c+d_items", "0"],
    ["queue_b.c+d_bytes", "0"],
    ["queue_b.c+d_total_items", "1"],
    ["queue_b.c+d_age", "0"],
    ["queue_b.c+d_waiters", "1"],
    ["queue_b.c+d_open_transactions", "0"],
  ]);
  expect(Object.fromEntries(found)).toMatchObject({
    cmd_get: "4",
    cmd_set: "4",
    get_misses: "1",
    curr_items: "3",
    total_items: "4",
    bytes: "10",
  });
  await client.put("b.c+d", "6");
  expect((await waiter.messages()).map(({ body }) => body)).toEqual(["6"]);
  expect(await client.ask("stats reset")).toBe("RESET");
  const after = await values(client);
  expect(after).toMatchObject({ cmd_get: "0", cmd_set: "0", get_misses: "0", total_items: "5" });
  expect(await client.ask("delete work")).toBe("DELETED");
  expect(await values(client)).toMatchObject({ curr_items: "0", total_items: "2", bytes: "0" });
});

test("what comes before it on the connection is counted, what comes behind it is not", async () => {
  client.send(`${set("x", "1").toString()}stats\r\n${set("x", "2").toString()}stats\r\n`);
  for (const items of ["1", "2"]) {
    expect(await client.line()).toBe("STORED");
    const text = await client.until("END\r\n");
    expect(text).toContain(`STAT queue_x_items ${items}\r\n`);
  }
  await client.inStep();
});

test("the age is how long the message that was taken last had waited", async () => {
  const stored = Date.now();
  for (const body of ["old", "middle", "young"]) await client.put("aged", body);
  const there = Date.now();
  expect((await values(client))["queue_aged_age"]).toBe("0");
  await eventually("more than 200 ms", () => (Date.now() - there > 205 ? true : undefined));
  expect(await client.take("aged")).toBe("old");
  const age = Number((await values(client))["queue_aged_age"]);
  expect(age).toBeWithin(200, Date.now() - stored + 3);
  expect((await values(client))["queue_aged_age"]).toBe(`${age}`);
  expect(await client.take("aged/open")).toBe("middle");
  expect((await values(client))["queue_aged_age"]).toBe(`${age}`);
  expect(await client.ask("get aged/close")).toBe("END");
  const second = Number((await values(client))["queue_aged_age"]);
  expect(second).toBeWithin(100, Date.now() - stored + 3);
  expect(await client.take("aged")).toBe("young");
  expect((await values(client))["queue_aged_age"]).toBe("0");
});

test("binary has the same", async () => {
  const binary = await binaryClient(server);
  await client.put("same", "x");
  const text = (await rows(client)).filter(([name]) => name.startsWith("queue_"));
  const found = (await binary.stat("")).filter(([name]) => name.startsWith("queue_"));
  expect(text.length).toBeGreaterThan(6);
  expect(found).toEqual(text);
});

describe("very many queues", () => {
  test("1,000 have their lines, one more has their number in their place", async () => {
    const own = await start(["-N"]);
    const one = await own.connect();
    await fill(one, 1000);
    const all = await rows(one);
    const names = all.flatMap(([name]) => /^queue_(.*)_items$/.exec(name)?.[1] ?? []);
    const owners = names.filter((name) => !name.endsWith("_total"));
    expect(owners).toEqual(Array.from({ length: 1000 }, (_, n) => `queue-${n}`));
    expect(Object.fromEntries(all)).toMatchObject({ curr_items: "1000", total_items: "1000" });
    await one.put("one-more", "x");
    expect((await rows(one)).slice(-2)).toEqual([
      ["bytes", "1001"],
      ["queues", "1001"],
    ]);
    await own.stop();
  });

  test("the option says how many", async () => {
    const own = await start(["--stats-queues", "2"]);
    const one = await own.connect();
    await fill(one, 2);
    expect((await values(one))["queue_queue-1_items"]).toBe("1");
    await fill(one, 3);
    expect((await rows(one)).at(-1)).toEqual(["queues", "3"]);
    await own.stop();
    const none = await start(["--stats-queues", "0"]);
    const other = await none.connect();
    expect((await rows(other)).at(-2)?.[0]).toBe("total_items");
    await other.put("q", "x");
    expect((await rows(other)).at(-1)).toEqual(["queues", "1"]);
    await none.stop();
  });

  test("read late, it keeps no other client waiting, and its connection in step", async () => {
    const own = await start(["-N", "--stats-queues", "30000"]);
    const [reader, other] = [await own.connect(), await own.connect()];
    await fill(reader, 30_000);
    reader.pause();
    reader.send("stats\r\nversion\r\n");
    for (let n = 0; n < 100; n++) {
      await other.put("beside", `${n}`);
      expect(await other.take("beside")).toBe(`${n}`);
    }
    reader.resume();
    const text = await reader.until("END\r\n");
    expect(text).toContain("STAT queue_queue-29999_open_transactions 0\r\n");
    expect(await reader.line()).toStartWith("VERSION ");
    await own.stop();
  });
});

test("a datagram has the number of queues", async () => {
  const port = freePort();
  const own = await start(["-U", `${port}`]);
  const one = await own.connect();
  await fill(one, 3);
  const answer = Promise.withResolvers<string>();
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: { data: (_socket, data) => answer.resolve(data.toString("latin1", 8)) },
  });
  const line = `stats${" ".repeat(200)}\r\n`;
  socket.send(Buffer.concat([bytes("\0\x01\0\0\0\x01\0\0"), bytes(line)]));
  expect(await answer.promise).toEndWith("STAT bytes 3\r\nSTAT queues 3\r\nEND\r\n");
  socket.close();
  await own.stop();
});
