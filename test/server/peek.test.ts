/** `get <queue>/peek`: what it shows, and that it changes nothing. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { expectLines, talk } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";
import { beginWaiting, waiter } from "./waiter.ts";

suite();

const MB = 1024 * 1024;

let server: Server;
let client: Client;
let other: Client;
beforeAll(async () => {
  server = await start(["-m", "1", "-B", `${2 * MB}`]);
  [client, other] = [await server.connect(), await server.connect()];
});
beforeEach(async () => {
  await client.ask("delete q");
});

async function counters(): Promise<string> {
  client.send("stats queue\r\n");
  const lines = (await client.until("END\r\n")).split("\r\n");
  return lines.find((line) => line.startsWith("STAT q "))?.slice("STAT q ".length) ?? "none";
}

test("shows the oldest message, with its flags and number, as often as it is asked", async () => {
  await talk(
    client,
    `> get q/peek
     < END
     > set q 4294967295 0 3
     > one
     > set q 2 0 3
     > two
     > get q/peek
     > gets q/peek
     > gets q/peek q q/peek q q/peek
     > get q/peek
     < STORED
     < STORED
     < VALUE q/peek 4294967295 3
     < one
     < END
     < VALUE q/peek 4294967295 3 1
     < one
     < END
     < VALUE q/peek 4294967295 3 1
     < one
     < VALUE q 4294967295 3 1
     < one
     < VALUE q/peek 2 3 2
     < two
     < VALUE q 2 3 2
     < two
     < END
     < END`,
  );
  expect(await counters()).toBe("2/2");
});

test("makes no queue, and counts for nothing in the queue's counters", async () => {
  expect(await client.take("q/peek")).toBeUndefined();
  expect(await client.take("q/t=1/peek")).toBeUndefined();
  expect(await counters()).toBe("none");
  await client.put("q", "x");
  for (let n = 0; n < 5; n++) expect(await client.take("q/peek")).toBe("x");
  expect(await counters()).toBe("1/0");
});

test("shows what was put back before what was never taken", async () => {
  for (const body of ["1", "2", "3"]) await client.put("q", body);
  expect(await other.take("q/open")).toBe("1");
  expect(await client.take("q/open")).toBe("2");
  expect(await client.take("q/peek")).toBe("3");
  expect(await client.take("q/abort")).toBeUndefined();
  expect(await client.take("q/peek")).toBe("2");
  expect(await other.take("q/abort")).toBeUndefined();
  expect(await client.take("q/peek")).toBe("1");
  client.send("get q q q\r\n");
  expect((await client.messages()).map(({ body }) => body)).toEqual(["1", "2", "3"]);
});

test("is no open message: nothing is refused, closed or put back by it", async () => {
  await client.put("q", "1");
  expect(await client.take("q/peek")).toBe("1");
  expect(await client.take("q/close")).toBeUndefined();
  expect(await client.take("q/abort")).toBeUndefined();
  expect(await client.take("q/open")).toBe("1");
  expect(await client.take("q/peek")).toBeUndefined();
  expect(await client.take("q/close")).toBeUndefined();
  expect(await counters()).toBe("1/1");
});

test.each([0, 1, 16_383, 16_384, 65_536, MB, 2 * MB])("a message of %d bytes", async (size) => {
  const body = Buffer.alloc(size, `${size};`).toString("latin1");
  await client.put("q", body, 7);
  // In memory, in the store alone, and in memory again.
  for (let n = 0; n < 2; n++) {
    for (let k = 0; k < 3; k++) expect((await client.take("q/peek")) === body).toBe(true);
    await client.put("big", Buffer.alloc(2 * MB));
    expect(await client.take("big")).toHaveLength(2 * MB);
  }
  expect((await client.take("q")) === body).toBe(true);
  expect(await client.take("q/peek")).toBeUndefined();
});

test("many peeks in one write, between sets and gets", async () => {
  const rounds = 300;
  const commands: (string | Buffer)[] = [];
  const answers: string[] = [];
  const value = (key: string, n: number) => [`VALUE ${key} ${n} ${`${n}`.length}`, `${n}`, "END"];
  for (let n = 0; n < rounds; n++) {
    commands.push(set("q", `${n}`, n), "get q/peek\r\n");
    answers.push("STORED", ...value("q/peek", Math.floor(n / 2)));
    if (n % 2 === 0) continue;
    commands.push("get q\r\n");
    answers.push(...value("q", Math.floor(n / 2)));
  }
  client.send(Buffer.concat(commands.map((command) => Buffer.from(command))));
  await expectLines(client, answers);
});

describe("waiting", () => {
  test("all who wait with a peek see the message, and it stays", async () => {
    const peeking: Client[] = [];
    for (let n = 0; n < 20; n++) peeking.push(await waiter(server, "q/t=60000/peek"));
    client.send("stats queue q\r\n");
    expect(await client.until("END\r\n")).toBe("END\r\n");
    await client.put("q", "x");
    for (const each of peeking) {
      expect((await each.messages()).map(({ body }) => body)).toEqual(["x"]);
    }
    expect(await counters()).toBe("1/0");
  });

  test("a peek does not come before who came first", async () => {
    await beginWaiting(other, "q/t=60000");
    const peeking = await waiter(server, "q/t=60000/peek");
    await client.put("q", "1");
    expect((await other.messages()).map(({ body }) => body)).toEqual(["1"]);
    await client.put("q", "2");
    expect((await peeking.messages()).map(({ body }) => body)).toEqual(["2"]);
    expect(await client.take("q")).toBe("2");
  });

  test("END after the time", async () => {
    expect(await client.take("q/peek/t=20")).toBeUndefined();
    await client.inStep();
  });
});

test("a peek shows the same after a restart", async () => {
  const first = await start();
  const before = await first.connect();
  for (const body of ["1", "2"]) await before.put("q", body);
  expect(await before.take("q/peek")).toBe("1");
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  expect(await after.take("q/peek")).toBe("1");
  expect(await after.take("q")).toBe("1");
  expect(await after.take("q/peek")).toBe("2");
  await second.stop();
});

test("a peek that finds something is a hit", async () => {
  const fresh = await start();
  const asker = await fresh.connect();
  await asker.put("q", "x");
  for (const key of ["q/peek", "q/peek/t=1", "nothing/peek"]) await asker.take(key);
  asker.send("stats\r\n");
  expect(await asker.until("END\r\n")).toContain("STAT get_cmds 3\r\nSTAT get_hits 2\r\n");
  await fresh.stop();
});
