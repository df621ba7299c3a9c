/** `get <queue>/t=<ms>`: waiting for a message. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { untilConnected } from "./connected.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";
import { waiter as waiterOf } from "./waiter.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

/** Longer than any test: who waits for so long is served or the test fails. */
const long = 100_000;

const waiter = (key: string) => waiterOf(server, key);

const value = (queue: string, body: string) => [{ queue, flags: 0, body }];

test("a message that is there is answered at once", async () => {
  await client.put("q", "x");
  client.send(`get q/t=${long}\r\n`);
  expect(await client.messages()).toEqual(value(`q/t=${long}`, "x"));
});

test("END after that time, not before", async () => {
  for (const time of [1, 50, 200]) {
    const before = performance.now();
    expect(await client.take(`q/t=${time}`)).toBeUndefined();
    expect(performance.now() - before).toBeGreaterThanOrEqual(time - 2);
  }
});

test("a set wakes who waits, for a queue that does not exist yet too", async () => {
  const waiting = await waiter(`fresh/t=${long}`);
  await client.put("fresh", "for you");
  expect(await waiting.messages()).toEqual(value(`fresh/t=${long}`, "for you"));
  expect(await client.take("fresh")).toBeUndefined();
  await waiting.inStep();
});

test("those who wait are served in the order in which they came, one message each", async () => {
  const key = `order/t=${long}`;
  const waiting: Client[] = [];
  for (let n = 0; n < 30; n++) waiting.push(await waiter(key));
  client.send(Buffer.concat(Array.from({ length: 20 }, (_, n) => set("order", `${n}`))));
  await expectLines(client, Array<string>(20).fill("STORED"));
  for (let n = 20; n < 30; n++) await client.put("order", `${n}`);
  for (const [n, each] of waiting.entries()) {
    expect(await each.messages()).toEqual(value(key, `${n}`));
    await each.end();
  }
  expect(await client.take("order")).toBeUndefined();
});

test("who waits comes before a get that is sent with the set", async () => {
  const waiting = await waiter(`q/t=${long}`);
  client.send(`${set("q", "x").toString()}get q\r\n`);
  await expectLines(client, ["STORED", "END"]);
  expect(await waiting.messages()).toEqual(value(`q/t=${long}`, "x"));
});

test("the connection's later commands wait too", async () => {
  const waiting = await waiter(`q/t=${long}\r\nset r 0 0 1\r\ny\r\nversion`);
  expect(await client.take("r")).toBeUndefined();
  await client.put("q", "x");
  expect(await waiting.messages()).toEqual(value(`q/t=${long}`, "x"));
  await expectLines(waiting, ["STORED", await client.ask("version")]);
  expect(await client.take("r")).toBe("y");
});

test("later commands are answered after END too", async () => {
  client.send("get q/t=30\r\nget q/t=30\r\nversion\r\n");
  await expectLines(client, ["END", "END"]);
  expect(await client.line()).toStartWith("VERSION ");
});

test("a connection that sends more than a megabyte while it waits is not kept waiting", async () => {
  const waiting = await waiter(`q/t=${long}`);
  for (let n = 0; n < 200; n++) waiting.send("get nothing\r\n".repeat(1000));
  expect(await waiting.messages()).toEqual([]);
  const answers = (await waiting.read(200_000 * 5)).toString("latin1");
  expect(answers === "END\r\n".repeat(200_000)).toBe(true);
});

test("a peek that waits leaves the message for the next", async () => {
  const [peeking, again, taking] = [
    await waiter(`q/peek/t=${long}`),
    await waiter(`q/t=${long}/peek`),
    await waiter(`q/t=${long}`),
  ];
  await client.put("q", "x");
  expect(await peeking.messages()).toEqual(value(`q/peek/t=${long}`, "x"));
  expect(await again.messages()).toEqual(value(`q/t=${long}/peek`, "x"));
  expect(await taking.messages()).toEqual(value(`q/t=${long}`, "x"));
  expect(await client.take("q")).toBeUndefined();
});

describe("who is gone takes nothing", () => {
  test.each(["reset", "end"] as const)("%s", async (how) => {
    const other = await start();
    const gone = await waiterOf(other, `q/t=${long}`);
    const next = await waiterOf(other, `q/t=${long}`);
    const producer = await other.connect();
    await gone[how]();
    await untilConnected(producer, 2);
    await producer.put("q", "x");
    expect(await next.messages()).toEqual(value(`q/t=${long}`, "x"));
    await other.stop();
  });

  test("who has waited long enough neither", async () => {
    const early = await waiter("q/t=20");
    const next = await waiter(`q/t=${long}`);
    expect(await early.messages()).toEqual([]);
    await client.put("q", "x");
    expect(await next.messages()).toEqual(value(`q/t=${long}`, "x"));
    await early.inStep();
  });
});

test("who shuts down the writing side gets END at once, and the end", async () => {
  const waiting = await waiter(`q/t=${long}`);
  waiting.shutdown();
  expect(await waiting.rest()).toBe("END\r\n");
  const other = await server.connect();
  await other.inStep();
  other.send(`get q/t=${long}\r\nversion\r\n`);
  other.shutdown();
  expect(await other.rest()).toBe(`END\r\n${await client.ask("version")}\r\n`);
});

test.each([
  ["delete q", "DELETED"],
  ["flush q", "END"],
  ["flush_all", "OK"],
])("%s leaves those who wait", async (command, answer) => {
  await client.put("q", "x");
  expect(await client.take("q")).toBe("x");
  const waiting = await waiter(`q/t=${long}`);
  expect(await client.ask(command)).toBe(answer);
  await client.put("q", "y");
  expect(await waiting.messages()).toEqual(value(`q/t=${long}`, "y"));
});

test("a clean stop answers END to those who wait, and does not wait itself", async () => {
  const other = await start();
  const waiting = await Promise.all(Array.from({ length: 10 }, () => other.connect()));
  for (const each of waiting) each.send(`get q/t=${long}\r\n`);
  await (await other.connect()).inStep();
  const exit = other.stop();
  for (const each of waiting) expect(await each.rest()).toBe("END\r\n");
  expect(await exit).toMatchObject({ code: 0 });
});

describe("refused", () => {
  test.each(["t=", "t=x", "t=-1", "t=1.5", "t=2147483648", "t=99999999999", "T=1", "t"])(
    "%s",
    async (option) => {
      const answer = await client.ask(`get q/${option}`);
      expect(answer).toStartWith("CLIENT_ERROR ");
      expect(answer).toContain(option);
      await client.inStep();
    },
  );

  test("with several keys, unless all have the same, and then nothing is taken", async () => {
    await client.put("q", "x");
    for (const keys of ["q/t=1 r", "q r/t=1", "q/t=1 r/t=2", "q q/t=0"]) {
      expect(await client.ask(`get ${keys}`)).toStartWith("CLIENT_ERROR ");
    }
    await client.inStep();
    expect(await client.take("q")).toBe("x");
  });
});

test("the longest time is accepted", async () => {
  // When they come in between two milliseconds, the end of some is behind the longest time of a timer.
  const all = [];
  for (let n = 0; n < 20; n++) all.push(await waiter("q/t=2147483647"));
  for (const waiting of all) {
    await client.put("q", "x");
    expect(await waiting.messages()).toEqual(value("q/t=2147483647", "x"));
  }
});
