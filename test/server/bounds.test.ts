/** What one client asks for is bounded in memory and in the time of others, however it is asked. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { memoryOf, type Server, start, suite, whileStopped } from "./harness.ts";

suite();

const MB = 1024 * 1024;

/** The largest that the server's memory has been, bytes. */
const peak = (server: Server) => memoryOf(server.pid, "VmHWM");

test("empty messages that were stored one by one are read a part at a time", async () => {
  const stored = 2000;
  const count = 300_000;
  const first = await start(["-m", "1", "-N"]);
  const producer = await first.connect();
  for (let n = 1; n <= stored; n++) await producer.put("q", "", n);
  await first.stop();
  // The others would take long to be set; they look just like these.
  const database = new Database(join(first.home, "memcacheq.db"));
  database.run(`
    WITH RECURSIVE more (n) AS (SELECT ${stored + 1} UNION ALL SELECT n + 1 FROM more WHERE n < ${count})
    INSERT INTO segment SELECT key - 1 + n, arrived, count, n, body
      FROM more CROSS JOIN (SELECT * FROM segment ORDER BY key LIMIT 1)`);
  database.run(`UPDATE queue SET tail = ${count + 1}`);
  database.close();

  const server = await start(["-m", "1", "-N"], { home: first.home });
  const client = await server.connect();
  await client.inStep();
  const before = peak(server);
  client.send(`get${" q".repeat(20_000)}\r\n`.repeat(count / 20_000));
  for (let n = 1; n <= count;) {
    const head = await client.line();
    if (head === "END") continue;
    if (head !== `VALUE q ${n} 0`) expect(head).toBe(`VALUE q ${n} 0`);
    expect(await client.line()).toBe("");
    n++;
  }
  await expectLines(client, ["END"]);
  expect(peak(server) - before).toBeLessThan(120 * MB);
  await server.stop();
});

test("one who flushes very many queues very often lets others in between", async () => {
  const server = await start(["-N"]);
  const [flushing, other] = [await server.connect(), await server.connect()];
  const sets = Array.from({ length: 20_000 }, (_, n) => set(`queue${n}`, "x", 0, true));
  flushing.send(Buffer.concat(sets));
  expect(await flushing.ask("flush_all")).toBe("OK");
  await other.inStep();
  const begin = performance.now();
  const both: Promise<number>[] = [];
  await whileStopped(server.pid, () => {
    flushing.send("flush_all noreply\r\n".repeat(300));
    for (const client of [flushing, other]) {
      both.push(client.inStep().then(() => performance.now() - begin));
    }
  });
  const [whole = 0, between = 0] = await Promise.all(both);
  expect(between).toBeLessThan(whole / 2);
  await server.stop();
});

test("one who opens messages of queues that are then deleted does not collect them", async () => {
  const [rounds, each] = [200, 250];
  const server = await start(["-N"]);
  const client = await server.connect();
  const opens = Buffer.concat([set("q", "x"), Buffer.from("get q/open\r\n")]);
  const names = Array.from({ length: each }, (_, n) => `queue${n}`);
  const together = Buffer.concat(
    Array<Buffer>(each).fill(Buffer.concat([opens, Buffer.from("delete q\r\n")])),
  );
  const separate = [
    names.map((name) => `${set(name, "x").toString()}get ${name}/open\r\n`).join(""),
    names.map((name) => `delete ${name}\r\n`).join(""),
  ];
  async function round(): Promise<void> {
    for (const request of [together, ...separate]) {
      client.send(request);
      client.send("version\r\n");
      await client.until("VERSION");
      await client.line();
    }
  }
  for (let n = 0; n < 20; n++) await round();
  const before = memoryOf(server.pid);
  for (let n = 0; n < rounds; n++) await round();
  expect(memoryOf(server.pid) - before).toBeLessThan(50 * MB);
  await server.stop();
});

describe("a client that sends more than it reads, and shuts down its writing side", () => {
  test("gets every answer, and the end", async () => {
    const server = await start(["-N", "-B", `${MB}`]);
    const client = await server.connect();
    const version = await client.ask("version");
    const body = "b".repeat(MB);
    await client.put("q", body);
    const large = `VALUE q/peek 0 ${MB}\r\n${body}\r\nEND\r\n`;
    const answers = `${version}\r\n`.repeat(20_000) + large.repeat(3);
    for (let n = 0; n < 20; n++) {
      const sender = await server.connect();
      sender.pause();
      sender.send(`${"version\r\n".repeat(20_000)}${"get q/peek\r\n".repeat(3)}`);
      sender.shutdown();
      await client.inStep();
      sender.resume();
      expect((await sender.rest()) === answers).toBe(true);
      await sender.end();
    }
    await server.stop();
  });

  test.each([
    ["behind a wait", "get nothing/t=100000\r\n", "END\r\n"],
    ["behind a large get", `get${" q/peek".repeat(20)}\r\n`, undefined],
    ["behind other large sets", set("r", "r".repeat(60_000)).toString().repeat(20), undefined],
  ])("when the last command is a large one, %s", async (_title, before, answer) => {
    const server = await start(["-N", "-B", "65535"]);
    const client = await server.connect();
    await client.put("q", "b".repeat(60_000));
    const value = `VALUE q/peek 0 60000\r\n${"b".repeat(60_000)}\r\n`;
    const first =
      answer ?? (before.startsWith("get") ? `${value.repeat(20)}END\r\n` : "STORED\r\n".repeat(20));
    for (let n = 0; n < 20; n++) {
      const sender = await server.connect();
      sender.send(`${before}${set("last", "x".repeat(60_000)).toString()}`);
      sender.shutdown();
      expect((await sender.rest()) === `${first}STORED\r\n`).toBe(true);
      await sender.end();
    }
    await server.stop();
  });
});
