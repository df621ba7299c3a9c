/** `stats`, `stats queue` and `stats reset`. */
import { beforeAll, describe, expect, test } from "bun:test";

import { version } from "../../package.json";
import { type Client, set } from "./client.ts";
import { untilConnected } from "./connected.ts";
import { expectLines } from "./conversation.ts";
import { eventually, type Server, start, suite } from "./harness.ts";

suite();

const names = [
  "pid",
  "uptime",
  "time",
  "version",
  "pointer_size",
  "rusage_user",
  "rusage_system",
  "curr_connections",
  "total_connections",
  "connection_structures",
  "get_cmds",
  "get_hits",
  "set_cmds",
  "set_hits",
  "bytes_read",
  "bytes_written",
  "threads",
  "lost_messages",
  "close_misses",
  "cmd_get",
  "cmd_set",
  "get_misses",
  "curr_items",
  "total_items",
  "bytes",
];

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

async function answer(): Promise<string> {
  client.send("stats\r\n");
  return client.until("END\r\n");
}

type Statistics = Record<string, string>;

function values(text: string): Statistics {
  const rows = text.split("\r\n").slice(0, -2);
  return Object.fromEntries(rows.map((row) => row.split(" ").slice(1)));
}

const numbers = (from: Statistics, ...wanted: string[]) =>
  Object.fromEntries(wanted.map((name) => [name, Number(from[name])]));

const counters = ["get_cmds", "get_hits", "set_cmds", "set_hits"];

test("exactly these names, in this order", async () => {
  const text = await answer();
  expect(text.split("\r\n").map((row) => row.split(" ").slice(0, -1).join(" "))).toEqual([
    ...names.map((name) => `STAT ${name}`),
    "",
    "",
  ]);
});

test("the process and its clock", async () => {
  const found = values(await answer());
  const now = Date.now() / 1000;
  expect(Number(found["pid"])).toBe(server.pid);
  expect(Math.abs(Number(found["time"]) - now)).toBeLessThan(3);
  expect(Number(found["uptime"])).toBeLessThan(120);
  expect(found["version"]).toBe(version);
  expect(found["pointer_size"]).toBe("64");
  for (const name of ["rusage_user", "rusage_system"]) expect(found[name]).toMatch(/^\d+\.\d{6}$/);
  const whole = names.filter((name) => name !== "version" && !name.startsWith("rusage"));
  for (const name of whole)
    expect([name, found[name]]).toEqual([name, expect.stringMatching(/^\d+$/)]);
  expect(Number(found["threads"])).toBeGreaterThan(0);
});

test("connections", async () => {
  const before = numbers(values(await answer()), "curr_connections", "total_connections");
  expect(before["curr_connections"]).toBe(1);
  const more = await Promise.all([server.connect(), server.connect(), server.connect()]);
  for (const each of more) await each.inStep();
  const during = numbers(
    values(await answer()),
    "curr_connections",
    "total_connections",
    "connection_structures",
  );
  expect(during["curr_connections"]).toBe(4);
  expect(during["total_connections"]).toBe((before["total_connections"] ?? 0) + 3);
  expect(during["connection_structures"]).toBeGreaterThanOrEqual(4);
  for (const each of more) {
    each.send("quit\r\n");
    await each.rest();
  }
  await untilConnected(client, 1);
  const after = numbers(values(await answer()), "total_connections");
  expect(after["total_connections"]).toBe(during["total_connections"]);
});

describe("counters", () => {
  test.each<readonly [string, string, Record<string, number>]>([
    ["a set", "set q 0 0 1\r\nx\r\n", { set_cmds: 1, set_hits: 1 }],
    ["a get that finds it", "get q\r\n", { get_cmds: 1, get_hits: 1 }],
    ["a get that finds nothing", "get q\r\n", { get_cmds: 1 }],
    ["a gets of three names", "gets q r s\r\n", { get_cmds: 3 }],
    ["a set with noreply", "set q 0 0 1 noreply\r\nx\r\n", { set_cmds: 1, set_hits: 1 }],
    ["a get of the same twice", "get q q\r\n", { get_cmds: 2, get_hits: 1 }],
    ["a body with a wrong end", "set q 0 0 1\r\nxyz", { set_cmds: 1 }],
    ["a get without a name", "get\r\n", {}],
    ["a set with too few words", "set q 0 0\r\n", {}],
    ["a delete", "delete q\r\n", {}],
    [
      "two commands in one write",
      "set q 0 0 1\r\nx\r\nget q\r\n",
      { set_cmds: 1, set_hits: 1, get_cmds: 1, get_hits: 1 },
    ],
  ])("%s", async (_title, sent, difference) => {
    const before = numbers(values(await answer()), ...counters);
    client.send(`${sent}version\r\n`);
    await client.until("VERSION ");
    await client.until("\r\n");
    const after = numbers(values(await answer()), ...counters);
    const expected = counters.map((name) => [name, (before[name] ?? 0) + (difference[name] ?? 0)]);
    expect(after).toEqual(Object.fromEntries(expected));
  });

  test("bytes read and written", async () => {
    const first = await answer();
    const sent = `${set("q", "x".repeat(1000)).toString()}get q\r\nnonsense\r\n`;
    client.send(sent);
    const got = await client.until("ERROR\r\n");
    const second = values(await answer());
    const before = values(first);
    const read = Number(second["bytes_read"]) - Number(before["bytes_read"]);
    const written = Number(second["bytes_written"]) - Number(before["bytes_written"]);
    expect(read).toBe(sent.length + "stats\r\n".length);
    expect(written).toBe(first.length + got.length);
  });
});

test("stats reset sets the general counters to zero, and no other", async () => {
  await client.put("kept", "x");
  expect(await client.take("kept")).toBe("x");
  expect(await client.ask("stats reset")).toBe("RESET");
  const found = values(await answer());
  expect(numbers(found, ...counters, "total_connections", "curr_connections")).toEqual({
    get_cmds: 0,
    get_hits: 0,
    set_cmds: 0,
    set_hits: 0,
    total_connections: 0,
    curr_connections: 1,
  });
  // What the reset itself and this command moved is the most that can be counted again.
  expect(Number(found["bytes_read"])).toBeLessThanOrEqual("stats reset\r\nstats\r\n".length);
  expect(Number(found["bytes_written"])).toBeLessThanOrEqual("RESET\r\n".length);
  expect(Number(found["pid"])).toBe(server.pid);
  client.send("stats queue\r\n");
  expect(await client.until("END\r\n")).toContain("STAT kept 1/1\r\n");
});

test("stats queue is complete and in order with 5,000 queues, after a restart too", async () => {
  const first = await start(["-N"]);
  const before = await first.connect();
  const all = Array.from(
    { length: 5000 },
    (_, n) => `queue-${(n * 7919) % 5000}-${"n".repeat(n % 50)}`,
  );
  before.send(Buffer.concat(all.map((name) => set(name, "x"))));
  await expectLines(
    before,
    all.map(() => "STORED"),
  );
  before.send(`get ${all.filter((_name, n) => n % 10 === 0).join(" ")}\r\n`);
  expect(await before.messages()).toHaveLength(500);
  const lines = [...all.map((name, n) => `STAT ${name} 1/${n % 10 === 0 ? 1 : 0}`), "END"];
  before.send("stats queue\r\n");
  await expectLines(before, lines);
  before.send("stats queue\r\nstats queue\r\n");
  await expectLines(before, [...lines, ...lines]);
  await before.inStep();
  await first.stop();

  const second = await start(["-N"], { home: first.home });
  const after = await second.connect();
  after.send("stats queue\r\n");
  await expectLines(after, lines);
  await second.stop();
});

test("stats queue, read late while queues come and go, tells of all others once, in order", async () => {
  const own = await start(["-N"]);
  const [changer, reader] = [await own.connect(), await own.connect()];
  const all = Array.from({ length: 30_000 }, (_, n) => `queue-${n}-`.padEnd(245, "n"));
  changer.send(Buffer.concat(all.map((name) => set(name, "x", 0, true))));
  await changer.inStep();
  reader.pause();
  reader.send("stats queue\r\nversion\r\n");
  await changer.inStep();
  const kept = all.slice(1000, -1000);
  const gone = [...all.slice(0, 1000), ...all.slice(-1000)];
  changer.send(gone.map((name) => `delete ${name} noreply\r\n`).join(""));
  for (let n = 0; n < 1000; n++) changer.send(set(`new-${n}`, "x", 0, true));
  await changer.inStep();
  reader.resume();
  const listed = (await reader.until("END\r\n")).split("\r\n").slice(0, -2);
  expect(await reader.line()).toStartWith("VERSION ");
  const known = new Set(kept.map((name) => `STAT ${name} 1/0`));
  expect(listed.filter((line) => known.has(line))).toEqual([...known]);
  await own.stop();
});

test("stats queue without any queue", async () => {
  const empty = await start();
  const first = await empty.connect();
  first.send("stats queue\r\n");
  expect(await first.until("END\r\n")).toBe("END\r\n");
  await empty.stop();
});

describe("stats queue with a name", () => {
  let empty: Server;
  let asker: Client;
  beforeAll(async () => {
    empty = await start();
    asker = await empty.connect();
  });

  async function detail(name: string): Promise<Statistics> {
    asker.send(`stats queue ${name}\r\n`);
    return values(await asker.until("END\r\n"));
  }

  test("an unknown queue is END alone", async () => {
    asker.send("stats queue unknown\r\n");
    expect(await asker.until("END\r\n")).toBe("END\r\n");
    await asker.inStep();
  });

  test("exactly these lines, in this order", async () => {
    await asker.put("q", "x");
    asker.send("stats queue q and more words\r\n");
    const lines = (await asker.until("END\r\n")).split("\r\n");
    expect(lines.map((line) => line.replace(/ \d+$/, ""))).toEqual([
      ...[
        "messages",
        "bytes",
        "open",
        "waiters",
        "sets",
        "gets",
        "age",
        "memory",
        "open_age",
        "paused",
        "dropped",
        "delayed",
        "expired",
        "missed",
        "duplicates",
        "once",
        "leased",
        "redelivered",
        "dead",
      ].map((name) => `STAT ${name}`),
      "END",
      "",
    ]);
    expect(await asker.ask("delete q")).toBe("DELETED");
  });

  test("messages, bytes and counters follow what is done", async () => {
    const [holder, waiter] = [await empty.connect(), await empty.connect()];
    for (const body of ["12345", "", "123"]) await asker.put("q", body);
    expect(await detail("q")).toMatchObject({
      messages: "3",
      bytes: "8",
      open: "0",
      sets: "3",
      gets: "0",
    });
    expect(await asker.take("q")).toBe("12345");
    expect(await detail("q")).toMatchObject({
      messages: "2",
      bytes: "3",
      open: "0",
      sets: "3",
      gets: "1",
    });
    expect(await holder.take("q/open")).toBe("");
    expect(await detail("q")).toMatchObject({
      messages: "2",
      bytes: "3",
      open: "1",
      sets: "3",
      gets: "1",
    });
    expect(await asker.take("q")).toBe("123");
    await waiter.inStep();
    waiter.send("get q/t=60000\r\n");
    await holder.inStep();
    expect(await detail("q")).toMatchObject({ messages: "1", bytes: "0", open: "1", waiters: "1" });
    expect(await holder.take("q/close")).toBeUndefined();
    expect(await detail("q")).toMatchObject({ messages: "0", open: "0", waiters: "1", gets: "3" });
    await asker.put("q", "for the waiter");
    expect(await waiter.messages()).toHaveLength(1);
    expect(await detail("q")).toMatchObject({
      messages: "0",
      bytes: "0",
      open: "0",
      waiters: "0",
      sets: "4",
      gets: "4",
      age: "0",
    });
  });

  test("the age is the oldest message's, in milliseconds", async () => {
    const before = Date.now();
    await asker.put("aged", "old");
    const stored = Date.now();
    await eventually("an age of 200 ms", async () =>
      Number((await detail("aged"))["age"]) >= 200 ? true : undefined,
    );
    expect(Date.now() - before).toBeGreaterThanOrEqual(200);
    await asker.put("aged", "young");
    const asked = Date.now();
    const age = Number((await detail("aged"))["age"]);
    expect(age).toBeGreaterThanOrEqual(asked - stored - 2);
    expect(age).toBeLessThanOrEqual(Date.now() - before + 2);
    expect(await asker.take("aged")).toBe("old");
    expect(Number((await detail("aged"))["age"])).toBeLessThan(Date.now() - stored + 2);
    expect(await asker.take("aged")).toBe("young");
    expect((await detail("aged"))["age"]).toBe("0");
  });

  test("the memory of a deep queue is bounded by -m", async () => {
    const small = await start(["-m", "1", "-N"]);
    const client = await small.connect();
    client.send(Buffer.concat(Array<Buffer>(5000).fill(set("deep", "b".repeat(1000)))));
    await expectLines(client, Array<string>(5000).fill("STORED"));
    client.send("stats queue deep\r\n");
    const found = values(await client.until("END\r\n"));
    expect(found).toMatchObject({ messages: "5000", bytes: "5000000", sets: "5000", gets: "0" });
    expect(Number(found["memory"])).toBeLessThanOrEqual(1024 * 1024);
    await small.stop();
  });

  test("messages and bytes are exact after a restart, and after kill -9", async () => {
    const first = await start();
    const client = await first.connect();
    for (const size of [10, 1000, 0, 500]) await client.put("q", "b".repeat(size));
    expect(await client.take("q")).toHaveLength(10);
    await first.stop();
    const second = await start([], { home: first.home });
    await (await second.connect()).put("q", "12345");
    await second.kill9();
    const third = await start([], { home: first.home });
    const reader = await third.connect();
    reader.send("stats queue q\r\n");
    const found = values(await reader.until("END\r\n"));
    expect(found).toMatchObject({ messages: "4", bytes: "1505", open: "0", sets: "5", gets: "1" });
    await third.stop();
  });
});
