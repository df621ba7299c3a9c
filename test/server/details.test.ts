/** `stats queue` and `stats queue <name>` beside everything that can happen at the same moment. */
import { Database } from "bun:sqlite";
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, type Server, start, suite } from "./harness.ts";
import { beginWaiting, waiter } from "./waiter.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
});
beforeEach(async () => {
  client = await server.connect();
  await client.ask("delete q");
});

type Details = Record<string, number>;

async function readDetails(of: Client): Promise<Details> {
  const found: Details = {};
  for (let line = await of.line(); line !== "END"; line = await of.line()) {
    const [word, name = "", value] = line.split(" ");
    if (word !== "STAT") throw new Error(`STAT expected, not ${line}`);
    found[name] = Number(value);
  }
  return found;
}

function details(of: Client, queue: string): Promise<Details> {
  of.send(`stats queue ${queue}\r\n`);
  return readDetails(of);
}

test("in the middle of one write", async () => {
  const ask = Buffer.from("stats queue q\r\n");
  const commands = [
    ask,
    set("q", "12345"),
    ask,
    set("q", "123"),
    Buffer.from("get q/open\r\n"),
    ask,
    Buffer.from("get q\r\n"),
    ask,
    Buffer.from("get q/abort\r\n"),
    ask,
    Buffer.from("get q/open\r\nget q/close\r\n"),
    ask,
    Buffer.from("delete q\r\n"),
    ask,
  ];
  client.send(Buffer.concat(commands));
  const expected = (messages: number, bytes: number, open: number, sets: number, gets: number) =>
    expect.objectContaining({ messages, bytes, open, waiters: 0, sets, gets });
  expect(await readDetails(client)).toEqual({});
  await expectLines(client, ["STORED"]);
  expect(await readDetails(client)).toEqual(expected(1, 5, 0, 1, 0));
  await expectLines(client, ["STORED", "VALUE q/open 0 5", "12345", "END"]);
  expect(await readDetails(client)).toEqual(expected(2, 8, 1, 2, 0));
  await expectLines(client, ["VALUE q 0 3", "123", "END"]);
  expect(await readDetails(client)).toEqual(expected(1, 5, 1, 2, 1));
  await expectLines(client, ["END"]);
  expect(await readDetails(client)).toEqual(expected(1, 5, 0, 2, 1));
  await expectLines(client, ["VALUE q/open 0 5", "12345", "END", "END"]);
  expect(await readDetails(client)).toEqual(expected(0, 0, 0, 2, 2));
  await expectLines(client, ["DELETED"]);
  expect(await readDetails(client)).toEqual({});
});

test("of a queue that somebody sets into who has just been woken", async () => {
  for (let n = 0; n < 5; n++) {
    const woken = await server.connect();
    await beginWaiting(woken, "q/t=60000", set(`fresh${n}`, "x").toString());
    client.send(Buffer.concat([set("q", "1"), Buffer.from(`stats queue fresh${n}\r\n`)]));
    await expectLines(client, ["STORED"]);
    // The set may come before or after, but the answer is right.
    const found = await readDetails(client);
    expect([undefined, 1]).toContain(found["messages"]);
    await expectLines(woken, ["VALUE q/t=60000 0 1", "1", "END", "STORED"]);
    expect(await details(client, `fresh${n}`)).toMatchObject({ messages: 1, sets: 1, gets: 0 });
  }
});

test("the age is that of an open message, too, and of one that came back", async () => {
  const holder = await server.connect();
  const before = Date.now();
  await client.put("q", "old");
  const stored = Date.now();
  await eventually("a message that is older", () => (Date.now() - stored > 50 ? true : undefined));
  await client.put("q", "young");
  const expectAge = async (of: Client) => {
    const asked = Date.now();
    const { age = 0 } = await details(of, "q");
    expect(age).toBeGreaterThanOrEqual(asked - stored - 2);
    expect(age).toBeLessThanOrEqual(Date.now() - before + 2);
  };
  await expectAge(client);
  expect(await holder.take("q/open")).toBe("old");
  await expectAge(client);
  expect(await client.take("q")).toBe("young");
  await expectAge(client);
  expect(await holder.take("q/abort")).toBeUndefined();
  await expectAge(client);
  await client.put("q", "younger");
  expect(await client.take("q")).toBe("old");
  expect((await details(client, "q"))["age"]).toBeLessThan(Date.now() - stored);
});

test("the age goes on over a restart, with the message open before it", async () => {
  const first = await start();
  const one = await first.connect();
  await one.put("q", "x");
  const stored = Date.now();
  expect(await one.take("q/open")).toBe("x");
  await first.kill9();
  const second = await start([], { home: first.home });
  const other = await second.connect();
  const asked = Date.now();
  const found = await details(other, "q");
  expect(found).toMatchObject({ messages: 1, bytes: 1, open: 0, sets: 1, gets: 0 });
  expect(found["age"]).toBeGreaterThanOrEqual(asked - stored - 2);
  await second.stop();
});

test("those who wait, with whatever option, until they are served, leave or give up", async () => {
  const waiting: Client[] = [];
  for (const option of ["t=60000", "t=60000/open", "t=60000/peek", "t=60000", "t=30"]) {
    waiting.push(await waiter(server, `q/${option}`));
  }
  // There is no queue yet, and nothing to be told of it.
  expect(await details(client, "q")).toEqual({});
  const [taker, opener, peeker, leaver, brief] = waiting as [
    Client,
    Client,
    Client,
    Client,
    Client,
  ];
  expect(await brief.messages()).toEqual([]);
  await client.put("q", "1");
  expect(await taker.messages()).toHaveLength(1);
  expect(await details(client, "q")).toMatchObject({ messages: 0, open: 0, waiters: 3 });
  await client.put("q", "2");
  expect(await opener.messages()).toHaveLength(1);
  expect(await details(client, "q")).toMatchObject({ messages: 1, open: 1, waiters: 2 });
  leaver.reset();
  await eventually("it to be gone", async () =>
    (await details(client, "q"))["waiters"] === 1 ? true : undefined,
  );
  await client.put("q", "3");
  expect(await peeker.messages()).toHaveLength(1);
  const all = { messages: 2, open: 1, waiters: 0, sets: 3, gets: 1 };
  expect(await details(client, "q")).toMatchObject(all);
});

test("no message is in memory when there is none", async () => {
  expect((await details(client, "q"))["memory"]).toBeUndefined();
  for (const size of [1, 1000]) {
    await client.put("q", "b".repeat(size));
    expect((await details(client, "q"))["memory"]).toBeGreaterThanOrEqual(size);
    expect(await client.take("q")).toHaveLength(size);
    expect((await details(client, "q"))["memory"]).toBe(0);
  }
});

describe("a name", () => {
  test("of any bytes, of 250 bytes", async () => {
    for (const name of ["\x80\xff\x01", "queue", "n".repeat(250), "reset"]) {
      await client.put(name, "x");
      expect(await details(client, name)).toMatchObject({ messages: 1, sets: 1 });
      expect(await details(client, `${name}  and more`)).toMatchObject({ messages: 1 });
      expect(await client.ask(`delete ${name}`)).toBe("DELETED");
    }
  });

  test("that is not allowed", async () => {
    for (const name of ["n".repeat(251), "q/peek", "/"]) {
      expect(await client.ask(`stats queue ${name}`)).toStartWith("CLIENT_ERROR ");
    }
    await client.inStep();
  });
});

async function counters(of: Client): Promise<string[]> {
  of.send("stats queue\r\n");
  return (await of.until("END\r\n")).split("\r\n").slice(0, -2).sort();
}

test("a delete that fails leaves the queues as they were", async () => {
  const busy = await start(["-D", "0"]);
  const asker = await busy.connect();
  for (const queue of ["a", "b", "c"]) await asker.put(queue, "x");
  const lock = new Database(join(busy.home, "memcacheq.db"));
  lock.run("BEGIN IMMEDIATE");
  expect(await asker.ask("delete b")).toStartWith("SERVER_ERROR ");
  expect(await asker.ask("delete a")).toStartWith("SERVER_ERROR ");
  lock.run("ROLLBACK");
  lock.close();
  expect(await counters(asker)).toEqual(["STAT a 1/0", "STAT b 1/0", "STAT c 1/0"]);
  expect(await details(asker, "a")).toMatchObject({ messages: 1, bytes: 1, sets: 1, gets: 0 });
  asker.send("gets a b c\r\n");
  expect((await asker.messages()).map(({ number }) => number)).toEqual([1, 1, 1]);
  await busy.stop();
});

test("a delete and a new set in one write: a new queue, counted from 0", async () => {
  const fresh = await start();
  const asker = await fresh.connect();
  for (const body of ["1", "2"]) await asker.put("a", body);
  asker.send(Buffer.concat([Buffer.from("delete a\r\n"), set("a", "3")]));
  await expectLines(asker, ["DELETED", "STORED"]);
  expect(await counters(asker)).toEqual(["STAT a 1/0"]);
  await fresh.kill9();
  const again = await start([], { home: fresh.home });
  const after = await again.connect();
  expect(await counters(after)).toEqual(["STAT a 1/0"]);
  expect(await after.take("a")).toBe("3");
  await again.stop();
});
