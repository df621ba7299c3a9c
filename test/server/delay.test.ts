/** `set <queue>/delay=<ms>`: messages that are delivered later. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { details } from "./connected.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";
import { waiter } from "./waiter.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

/** Longer than any test. */
const LONG = 1_000_000;

test("a delayed message is not there before its time, and a client that waits gets it then", async () => {
  const waiting = await waiter(server, `soon/t=${LONG}`);
  const before = performance.now();
  client.send(set("soon/delay=300", "later"));
  await expectLines(client, ["STORED"]);
  expect(await client.take("soon")).toBeUndefined();
  expect(await details(client, "soon")).toMatchObject({ messages: "1", delayed: "1", open: "0" });
  expect((await waiting.messages())[0]?.body).toBe("later");
  expect(performance.now() - before).toBeGreaterThanOrEqual(298);
  expect(await details(client, "soon")).toMatchObject({ messages: "0", delayed: "0", gets: "1" });
});

test("what can be delivered goes in the order of the numbers, delayed or not", async () => {
  client.send(Buffer.concat([set("order/delay=50", "1"), set("order", "2"), set("order", "3")]));
  await expectLines(client, Array<string>(3).fill("STORED"));
  expect(await client.take("order")).toBe("2");
  client.send(`get order/peek\r\n`);
  expect((await client.messages())[0]?.body).toBe("3");
  while ((await details(client, "order"))["delayed"] !== "0") await Bun.sleep(5);
  expect(await client.take("order")).toBe("1");
  expect(await client.take("order")).toBe("3");
});

test("a delay of 0 is none", async () => {
  client.send(set("none/delay=0", "now"));
  await expectLines(client, ["STORED"]);
  expect(await client.take("none")).toBe("now");
});

test("in meta and binary, too", async () => {
  client.send("ms meta/delay=40 5 c\r\nHello\r\n");
  expect(await client.line()).toBe("HD c1");
  expect(await client.take("meta")).toBeUndefined();
  client.send("mg meta/t=10000 v\r\n");
  expect(await client.line()).toBe("VA 5");
  expect(await client.line()).toBe("Hello");
  const key = Buffer.from(`bmV0YS9kZWxheT01`, "latin1").toString();
  client.send(`ms ${key} 1 b\r\nx\r\n`);
  expect(await client.line()).toBe("HD");
  client.send("get neta/t=10000\r\n");
  expect((await client.messages())[0]?.body).toBe("x");
});

describe("refused, and the body swallowed", () => {
  test.each([
    ["q/delay=", "bad value in delay=, milliseconds from 0 to 2147483647 are accepted"],
    ["q/delay=-1", "bad value in delay=-1, milliseconds from 0 to 2147483647 are accepted"],
    [
      "q/delay=2147483648",
      "bad value in delay=2147483648, milliseconds from 0 to 2147483647 are accepted",
    ],
    ["q/t=5", "unknown option t=5 of a set, known are delay=<ms>, id=<token>"],
    ["q/open", "a slash has no place in the name here, it begins the options of a get"],
    ["q/delay=5/", "a slash has no place in the name here, it begins the options of a get"],
    ["/delay=5", "bad command line format"],
  ])("%s", async (key, problem) => {
    client.send(set(key, "delete q"));
    expect(await client.line()).toStartWith(`CLIENT_ERROR ${problem}`);
    await client.inStep();
  });
});

test("flush drops delayed messages, many of them in parts, and keeps what is open", async () => {
  const consumer = await server.connect();
  await client.put("flushed", "open");
  expect(await consumer.take("flushed/open")).toBe("open");
  const sets = Array.from({ length: 1000 }, (_, n) => set(`flushed/delay=${LONG}`, `${n}`));
  client.send(Buffer.concat([...sets, set("flushed", "plain")]));
  await expectLines(client, Array<string>(1001).fill("STORED"));
  expect(await details(client, "flushed")).toMatchObject({ messages: "1002", delayed: "1000" });
  client.send("flush flushed\r\nversion\r\n");
  expect(await client.line()).toBe("END");
  expect(await client.line()).toStartWith("VERSION");
  expect(await details(client, "flushed")).toMatchObject({
    messages: "1",
    delayed: "0",
    bytes: "4",
  });
  await consumer.end();
});

test("flush_all drops them, too, and delete the queue with them", async () => {
  const other = await start();
  const user = await other.connect();
  for (const queue of ["a", "b"]) {
    user.send(Buffer.concat(Array.from({ length: 600 }, () => set(`${queue}/delay=${LONG}`, "x"))));
    await expectLines(user, Array<string>(600).fill("STORED"));
  }
  user.send("flush_all\r\n");
  expect(await user.line()).toBe("OK");
  for (const queue of ["a", "b"]) {
    expect(await details(user, queue)).toMatchObject({ messages: "0", bytes: "0", delayed: "0" });
  }
  user.send(set(`a/delay=${LONG}`, "x"));
  await expectLines(user, ["STORED"]);
  user.send("delete a\r\n");
  expect(await user.line()).toBe("DELETED");
  user.send("stats queue a\r\n");
  expect(await user.until("END\r\n")).toBe("END\r\n");
});

test("a delay outlives kill -9, and its time goes on", async () => {
  const first = await start();
  const before = await first.connect();
  before.send(Buffer.concat([set("q/delay=400", "soon"), set(`q/delay=${LONG}`, "late")]));
  await expectLines(before, ["STORED", "STORED"]);
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  expect(await details(after, "q")).toMatchObject({ messages: "2" });
  expect(await after.take(`q/t=20000`)).toBe("soon");
  expect(await details(after, "q")).toMatchObject({ messages: "1", delayed: "1" });
});

test("limits count delayed messages", async () => {
  const small = await start(["--max-messages", "1"]);
  const user = await small.connect();
  user.send(Buffer.concat([set(`q/delay=${LONG}`, "1"), set("q", "2")]));
  await expectLines(user, ["STORED", "NOT_STORED"]);
});
