/** Reliable reads: `open`, `close`, `abort`, and what becomes of a message whose consumer fails. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";

import { type Client } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
let other: Client;
beforeAll(async () => {
  server = await start();
  [client, other] = [await server.connect(), await server.connect()];
});
beforeEach(async () => {
  client.send("get q/abort\r\ndelete q noreply\r\n");
  other.send("get q/abort\r\ndelete q noreply\r\n");
  expect([await client.messages(), await other.messages()]).toEqual([[], []]);
  await client.inStep();
  await other.inStep();
});

async function fill(...bodies: string[]): Promise<void> {
  for (const body of bodies) await client.put("q", body);
}

async function expectCounters(counters: string): Promise<void> {
  client.send("stats queue\r\n");
  await expectLines(client, [`STAT q ${counters}`, "END"]);
}

test("an open message is nobody else's, and is gone for good once it is closed", async () => {
  await fill("1", "2", "3");
  expect(await client.take("q/open")).toBe("1");
  expect(await other.take("q")).toBe("2");
  await expectCounters("3/1");
  expect(await client.take("q/close")).toBeUndefined();
  await expectCounters("3/2");
  expect(await client.take("q")).toBe("3");
  await expectCounters("3/3");
});

test("a plain get beside an open message takes another one", async () => {
  await fill("1", "2");
  expect(await client.take("q/open")).toBe("1");
  expect(await client.take("q")).toBe("2");
  expect(await client.take("q")).toBeUndefined();
  expect(await client.take("q/abort")).toBeUndefined();
  expect(await client.take("q")).toBe("1");
});

test("one message of a queue is open at most, of each queue", async () => {
  const refusal = "CLIENT_ERROR a message of q is open already";
  await fill("1", "2");
  await client.put("r", "3");
  expect(await client.take("q/open")).toBe("1");
  expect(await client.ask("get q/open")).toBe(refusal);
  expect(await client.ask("get q/open/t=1000")).toBe(refusal);
  expect(await client.ask("get r q/open")).toBe(refusal);
  expect(await client.take("r/open")).toBe("3");
  expect(await other.take("q/open")).toBe("2");
  client.send("get q/close r/close\r\n");
  expect(await client.messages()).toEqual([]);
  expect(await other.take("q/close")).toBeUndefined();
  await expectLines(client, []);
  client.send("stats queue\r\n");
  await expectLines(client, ["STAT q 2/2", "STAT r 1/1", "END"]);
  expect(await client.ask("delete r")).toBe("DELETED");
});

test("aborted messages go back before all younger ones, in whatever order", async () => {
  await fill("1", "2", "3", "4", "5");
  const holders = await Promise.all([1, 2, 3].map(() => server.connect()));
  for (const [n, holder] of holders.entries()) expect(await holder.take("q/open")).toBe(`${n + 1}`);
  for (const at of [1, 2, 0]) expect(await holders[at]?.take("q/abort")).toBeUndefined();
  client.send("gets q q q q q q\r\n");
  const found = (await client.messages()).map(({ body, number }) => [body, number]);
  expect(found).toEqual([1, 2, 3, 4, 5].map((n) => [`${n}`, n]));
});

test("flags and number stay with a message that comes back", async () => {
  await client.put("q", "x", 4_294_967_295);
  for (const key of ["q/open", "q/close/open"]) {
    other.send(`gets ${key}\r\nget q/abort\r\n`);
    expect(await other.messages()).toEqual([
      { queue: key, flags: 4_294_967_295, body: "x", number: 1 },
    ]);
    expect(await other.messages()).toEqual([]);
  }
});

test("close and open in one, the order of the options means nothing", async () => {
  await fill("1", "2", "3", "4");
  expect(await client.take("q/close/open")).toBe("1");
  expect(await client.take("q/close/open")).toBe("2");
  expect(await client.take("q/open/close")).toBe("3");
  expect(await client.take("q/t=0/open/close")).toBe("4");
  expect(await client.take("q/close/t=10/open")).toBeUndefined();
  await expectCounters("4/4");
});

test("close/open closes before it waits", async () => {
  await fill("1");
  expect(await client.take("q/open")).toBe("1");
  client.send("get q/close/open/t=100000\r\n");
  await other.inStep();
  other.send("stats queue\r\n");
  await expectLines(other, ["STAT q 1/1", "END"]);
  await other.put("q", "2");
  client.send("get q/abort\r\n");
  const [message] = await client.messages();
  expect(message).toEqual({ queue: "q/close/open/t=100000", flags: 0, body: "2" });
  expect(await client.messages()).toEqual([]);
  expect(await other.take("q")).toBe("2");
});

test("close and abort without an open message do nothing", async () => {
  await fill("1");
  expect(await client.take("q/close")).toBeUndefined();
  expect(await client.take("q/abort")).toBeUndefined();
  expect(await client.take("unknown/close")).toBeUndefined();
  expect(await other.take("q/open")).toBe("1");
  expect(await client.take("q/close")).toBeUndefined();
  expect(await client.take("q/abort")).toBeUndefined();
  await expectCounters("1/0");
  expect(await other.take("q/close")).toBeUndefined();
  await expectCounters("1/1");
});

test("a peek sees what can be taken, not what is open", async () => {
  await fill("1", "2");
  expect(await other.take("q/open")).toBe("1");
  expect(await client.take("q/peek")).toBe("2");
  expect(await other.take("q/peek")).toBe("2");
  expect(await other.take("q/abort")).toBeUndefined();
  expect(await client.take("q/peek")).toBe("1");
});

describe("a connection that ends gives its message back", () => {
  test.each(["quit", "end", "reset", "shutdown"] as const)("%s", async (how) => {
    await fill("1", "2");
    const holder = await server.connect();
    expect(await holder.take("q/open")).toBe("1");
    expect(await client.take("q/peek")).toBe("2");
    if (how === "quit") holder.send("quit\r\n");
    else await holder[how]();
    if (how === "quit" || how === "shutdown") expect(await holder.rest()).toBe("");
    await eventually("the message", async () => {
      client.send("stats queue q\r\n");
      return (await client.until("END\r\n")).includes("STAT open 0\r\n") ? true : undefined;
    });
    expect(await client.take("q")).toBe("1");
    expect(await client.take("q")).toBe("2");
  });

  test("to who waits for it", async () => {
    await fill("1");
    const holder = await server.connect();
    expect(await holder.take("q/open")).toBe("1");
    client.send("get q/t=100000\r\n");
    await other.inStep();
    holder.reset();
    expect((await client.messages())[0]?.body).toBe("1");
  });

  test("an abort too", async () => {
    await fill("1");
    expect(await other.take("q/open")).toBe("1");
    client.send("get q/open/t=100000\r\n");
    await (await server.connect()).inStep();
    expect(await other.take("q/abort")).toBeUndefined();
    expect((await client.messages())[0]?.body).toBe("1");
  });
});

describe.each(["stop", "kill9"] as const)("%s of the server", (how) => {
  test("gives back what is open, keeps closed what is closed", async () => {
    const first = await start();
    const [one, two] = [await first.connect(), await first.connect()];
    for (const body of ["1", "2", "3", "4"]) await one.put("q", body, Number(body));
    expect(await one.take("q/open")).toBe("1");
    expect(await two.take("q/open")).toBe("2");
    expect(await one.take("q/close")).toBeUndefined();
    expect(await one.take("q/open")).toBe("3");
    await first[how]();

    const second = await start([], { home: first.home });
    const reader = await second.connect();
    reader.send("stats queue\r\n");
    await expectLines(reader, ["STAT q 4/1", "END"]);
    reader.send("gets q q q q\r\n");
    expect(
      (await reader.messages()).map(({ flags, body, number }) => [flags, body, number]),
    ).toEqual([
      [2, "2", 2],
      [3, "3", 3],
      [4, "4", 4],
    ]);
    await second.stop();
  });
});

describe("a queue that goes under an open message", () => {
  test("deleted: the message doesn't come back, into a new queue neither", async () => {
    for (const last of ["q/abort", "q/close"]) {
      await fill("old", "older");
      expect(await other.take("q/open")).toBe("old");
      expect(await client.ask("delete q")).toBe("DELETED");
      expect(await client.take("q")).toBeUndefined();
      await fill("new");
      expect(await other.take(last)).toBeUndefined();
      await expectCounters("1/0");
      expect(await client.take("q")).toBe("new");
      expect(await client.take("q")).toBeUndefined();
      expect(await client.ask("delete q")).toBe("DELETED");
    }
  });

  test("flushed: the message stays open, and can come back", async () => {
    await fill("1", "2", "3");
    expect(await other.take("q/open")).toBe("1");
    expect(await client.ask("flush q")).toBe("END");
    await expectCounters("3/2");
    expect(await client.take("q")).toBeUndefined();
    expect(await other.take("q/abort")).toBeUndefined();
    expect(await client.take("q")).toBe("1");
    await expectCounters("3/3");
  });
});

describe("refused, and nothing changes", () => {
  test.each([
    ["open/peek", "peek"],
    ["peek/close", "peek"],
    ["abort/open", "abort"],
    ["abort/close", "abort"],
    ["abort/peek", "abort"],
    ["wait", "wait"],
    ["abort/t=5/open", "abort"],
    ["close/t=", "t="],
    ["OPEN", "OPEN"],
    ["open=1", "open=1"],
  ])("q/%s", async (options, named) => {
    await fill("1");
    const answer = await client.ask(`get q/${options}`);
    expect(answer).toStartWith("CLIENT_ERROR ");
    expect(answer).toContain(named);
    expect(await client.ask(`get q q/${options}`)).toBe(answer);
    expect(await client.ask("get /open")).toStartWith("CLIENT_ERROR ");
    await expectCounters("1/0");
    expect(await client.take("q")).toBe("1");
  });
});

test("many consumers that fail at random lose and repeat nothing that was closed", async () => {
  const total = 600;
  const reliable = await start();
  const producer = await reliable.connect();
  for (let n = 0; n < total; n++) await producer.put("work", `${n}`);
  const closed: number[] = [];

  /** Works until nothing comes any more; breaks off, aborts or closes by turns. */
  async function consumer(seed: number): Promise<void> {
    for (let n = seed, worker = await reliable.connect(); ; n++) {
      const body = await worker.take("work/open/t=300");
      if (body === undefined) return worker.end();
      if (n % 5 === 0) {
        worker.reset();
        worker = await reliable.connect();
      } else if (n % 5 === 1) await worker.take("work/abort");
      else {
        expect(await worker.take("work/close")).toBeUndefined();
        closed.push(Number(body));
      }
    }
  }
  await Promise.all([0, 1, 2, 3, 4, 5].map(consumer));
  expect(closed.toSorted((one, two) => one - two)).toEqual(
    Array.from({ length: total }, (_, n) => n),
  );
  producer.send("stats queue\r\n");
  await expectLines(producer, [`STAT work ${total}/${total}`, "END"]);
  await reliable.stop();
});
