/** `get <queue>/lease=<ms>`: messages that are taken for a time, bound to no connection. */
import { beforeAll, describe, expect, test } from "bun:test";

import { number, opcodes } from "../protocol/binary/packet.ts";
import { type Client } from "./client.ts";
import { details } from "./connected.ts";
import { type Server, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";
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
const NUMBERS = 2 ** 43;

/** @returns the body and the number of the lease */
async function lease(key: string, from = client): Promise<[string, number] | undefined> {
  from.send(`gets ${key}\r\n`);
  const [message] = await from.messages();
  return message && [message.body, message.number ?? 0];
}

test("taken, worked on, and acknowledged once, from another connection", async () => {
  const worker = await server.connect();
  await client.put("once", "work");
  expect(await lease(`once/lease=${LONG}`, worker)).toEqual(["work", 1]);
  await worker.end();
  expect(await client.take("once")).toBeUndefined();
  expect(await details(client, "once")).toMatchObject({ messages: "1", leased: "1", open: "0" });
  expect(await client.ask("delete once/1")).toBe("DELETED");
  expect(await client.ask("delete once/1")).toBe("NOT_FOUND");
  expect(await details(client, "once")).toMatchObject({
    messages: "0",
    leased: "0",
    gets: "1",
    bytes: "0",
  });
});

test("a lease that runs out gives the message to a client that waits, with a new number", async () => {
  await client.put("over", "work");
  expect(await lease("over/lease=200")).toEqual(["work", 1]);
  const waiting = await waiter(server, `over/t=${LONG}/lease=${LONG}`);
  expect((await waiting.messages())[0]?.body).toBe("work");
  // The one whose lease has run out touches nothing.
  expect(await client.ask("delete over/1")).toBe("NOT_FOUND");
  expect(await client.ask("touch over/1 100")).toBe("NOT_FOUND");
  expect(await details(client, "over")).toMatchObject({ leased: "1", redelivered: "1" });
  expect(await client.ask(`delete over/${NUMBERS + 1}`)).toBe("DELETED");
});

test("touch gives more time, or gives the message back", async () => {
  await client.put("touched", "work");
  expect(await lease("touched/lease=300")).toEqual(["work", 1]);
  expect(await client.ask("touch touched/1 1000")).toBe("TOUCHED");
  expect(await client.take("touched/t=600")).toBeUndefined();
  expect(await client.ask("touch touched/1 0")).toBe("TOUCHED");
  expect(await client.ask("touch touched/1 0")).toBe("NOT_FOUND");
  expect(await lease(`touched/lease=${LONG}`)).toEqual(["work", NUMBERS + 1]);
  expect(await client.ask(`touch touched/${NUMBERS + 1} -1`)).toBe("TOUCHED");
  expect(await details(client, "touched")).toMatchObject({ messages: "0", dead: "1" });
  expect(await client.take("touched.dead")).toBe("work");
  client.send("touch touched/1 5 noreply\r\n");
  await client.inStep();
});

test("a message that came back goes first", async () => {
  for (const body of ["1", "2", "3"]) await client.put("first", body);
  expect(await lease(`first/lease=${LONG}`)).toEqual(["1", 1]);
  expect(await lease(`first/lease=${LONG}`)).toEqual(["2", 2]);
  expect(await client.ask("touch first/2 0")).toBe("TOUCHED");
  expect(await client.ask("touch first/1 0")).toBe("TOUCHED");
  for (const body of ["1", "2", "3"]) expect(await client.take("first")).toBe(body);
});

test("close and lease in one get, several leases in one get", async () => {
  for (const body of ["1", "2", "3"]) await client.put("both", body);
  expect(await client.take("both/open")).toBe("1");
  expect(await lease(`both/close/lease=${LONG}`)).toEqual(["2", 2]);
  expect(await details(client, "both")).toMatchObject({ open: "0", leased: "1", messages: "2" });
  await client.put("else", "x");
  client.send(`gets both/lease=${LONG} else/lease=${LONG}\r\n`);
  expect((await client.messages()).map(({ number }) => number)).toEqual([3, 1]);
});

test("gat and gats", async () => {
  for (const body of ["1", "2"]) await client.put("gat", body);
  client.send("gat 100 gat\r\n");
  expect(await client.messages()).toEqual([{ queue: "gat", flags: 0, body: "1" }]);
  client.send("gats 100 gat\r\n");
  expect(await client.messages()).toEqual([{ queue: "gat", flags: 0, body: "2", number: 2 }]);
  expect(await client.ask("delete gat/1 0")).toBe("DELETED");
  expect(await client.ask("gats 100 gat")).toBe("END");
  const seconds = "CLIENT_ERROR a lease lasts from 1 to 2592000 seconds";
  for (const wrong of ["gat 0 gat", "gat 2592001 gat", "gat -1 gat", "gat x gat"]) {
    expect(await client.ask(wrong)).toBe(seconds);
  }
  expect(await client.ask("gat 5 gat/open")).toBe("CLIENT_ERROR a lease does not go with open");
  expect(await client.ask("gat 5")).toBe("ERROR");
});

test("in meta", async () => {
  for (const body of ["1", "2", "3"]) await client.put("meta", body);
  client.send("mg meta v h c T100\r\n");
  expect([await client.line(), await client.line()]).toEqual(["VA 1 h1 c1", "1"]);
  expect(await client.ask("mg meta T100 q")).toBe("HD c2");
  client.send("mg meta/lease=5000 k v\r\n");
  expect([await client.line(), await client.line()]).toEqual(["VA 1 kmeta/lease=5000 c3", "3"]);
  expect(await client.ask("md meta C1")).toBe("HD");
  expect(await client.ask("md meta C1 q")).toBe("NF");
  expect(await client.ask("md meta/2 q\r\nmn")).toBe("MN");
  expect(await client.ask("touch meta/3 0")).toBe("TOUCHED");
  client.send("mg meta/peek v h\r\n");
  expect([await client.line(), await client.line()]).toEqual(["VA 1 h1", "3"]);
  expect(await client.ask("mg meta T100 h c")).toBe(`HD h2 c${NUMBERS + 3}`);
  expect(await client.ask("mg meta T0")).toBe(
    "CLIENT_ERROR a lease lasts from 1 to 2592000 seconds",
  );
});

test("in binary", async () => {
  const binary = await binaryClient(server);
  for (const body of ["1", "2", "3"]) await client.put("binary", body);
  const seconds = number(100);
  const hit = { status: 0, flags: 0, value: "1", cas: 1 };
  expect(await binary.ask(opcodes.gat, { key: "binary", extras: seconds })).toEqual(hit);
  expect(await binary.ask(opcodes.gatk, { key: "binary", extras: seconds })).toEqual({
    ...hit,
    key: "binary",
    value: "2",
    cas: 2,
  });
  expect(await binary.ask(opcodes.delete, { key: "binary", cas: 1n })).toEqual({ status: 0 });
  const missed = { status: 1, value: "Not found" };
  expect(await binary.ask(opcodes.delete, { key: "binary", cas: 1n })).toEqual(missed);
  expect(await binary.ask(opcodes.delete, { key: "binary/2" })).toEqual({ status: 0 });
  expect(await binary.ask(opcodes.get, { key: "binary/lease=5000" })).toMatchObject({ cas: 3 });
  const again = { key: "binary", cas: 3n, extras: number(5) };
  expect(await binary.ask(opcodes.touch, again)).toEqual({ status: 0 });
  const back = { key: "binary/3", extras: number(0) };
  expect(await binary.ask(opcodes.touch, back)).toEqual({ status: 0 });
  expect(await binary.ask(opcodes.touch, back)).toEqual(missed);
  expect(await binary.ask(opcodes.gat, { key: "binary", extras: number(0) })).toMatchObject({
    status: 4,
  });
  expect(await client.take("binary")).toBe("3");
  await binary.alive();
});

test("what does not name a message is refused, and never the queue", async () => {
  await client.put("kept", "x");
  const named =
    "CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told";
  for (const name of [
    "kept/",
    "kept/x",
    "kept/0",
    "kept/-1",
    "kept/1.5",
    "kept/9007199254740992",
  ]) {
    expect(await client.ask(`delete ${name}`)).toBe(named);
    expect(await client.ask(`touch ${name} 5`)).toBe(named);
    expect(await client.ask(`md ${name}`)).toBe(named);
  }
  expect(await client.ask("touch kept 5")).toBe(named);
  expect(await client.ask("delete kept/1")).toBe("NOT_FOUND");
  expect(await client.ask("touch kept/1")).toBe("ERROR");
  expect(await client.ask("touch kept/1 x")).toBe("CLIENT_ERROR bad command line format");
  expect(await client.ask("touch kept/1 2592001")).toStartWith("CLIENT_ERROR seconds from 1");
  for (const [key, problem] of [
    ["kept/lease=0", "bad value in lease=0, milliseconds from 1 to 2147483647 are accepted"],
    ["kept/lease=5/open", "option lease= does not go with open"],
    ["kept/peek/lease=5", "option peek does not go with lease="],
    ["kept/abort/lease=5", "option abort does not go with lease="],
    ["kept/delay=5", "option delay= of a get goes with abort only"],
  ]) {
    expect(await client.ask(`get ${key}`)).toBe(`CLIENT_ERROR ${problem}`);
  }
  expect(await client.take("kept/open")).toBe("x");
  expect(await client.ask("delete kept/1")).toBe("NOT_FOUND");
  expect(await client.take("kept/close")).toBeUndefined();
});

test("flush keeps what is leased, delete drops it", async () => {
  for (const body of ["1", "22"]) await client.put("flushed", body);
  expect(await lease(`flushed/lease=${LONG}`)).toEqual(["1", 1]);
  expect(await client.ask("flush flushed")).toBe("END");
  expect(await details(client, "flushed")).toMatchObject({
    messages: "1",
    leased: "1",
    bytes: "1",
  });
  expect(await client.ask("delete flushed/1")).toBe("DELETED");
  await client.put("flushed", "3");
  expect(await lease(`flushed/lease=${LONG}`)).toEqual(["3", 3]);
  expect(await client.ask("delete flushed")).toBe("DELETED");
  expect(await client.ask("delete flushed/3")).toBe("NOT_FOUND");
});

test("a lease outlives kill -9, and ends by its time", async () => {
  const first = await start();
  const before = await first.connect();
  for (const body of ["1", "2"]) await before.put("q", body);
  expect(await lease("q/lease=1500", before)).toEqual(["1", 1]);
  expect(await lease(`q/lease=${LONG}`, before)).toEqual(["2", 2]);
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  expect(await details(after, "q")).toMatchObject({ messages: "2", bytes: "2" });
  expect(await after.ask("delete q/2")).toBe("DELETED");
  expect(await lease("q/t=20000/lease=60000", after)).toEqual(["1", NUMBERS + 1]);
  expect(await after.ask("delete q/1")).toBe("NOT_FOUND");
  expect(await after.ask(`delete q/${NUMBERS + 1}`)).toBe("DELETED");
  expect(await details(after, "q")).toMatchObject({ messages: "0", bytes: "0" });
});

describe("messages that come back", () => {
  let strict: Server;
  let worker: Client;
  beforeAll(async () => {
    strict = await start(["--queue", "work:deliveries=2", "--queue", "slow*:retry=300..500"]);
    worker = await strict.connect();
  });

  test("are delivered so often, and then are dead letters, whatever ended them", async () => {
    for (const body of ["1", "2", "3"]) await worker.put("work", body);
    // By abort and by touch, by the end of a connection and of a lease.
    expect(await worker.take("work/open")).toBe("1");
    expect(await worker.take("work/abort")).toBeUndefined();
    expect(await lease(`work/lease=${LONG}`, worker)).toEqual(["1", NUMBERS + 1]);
    expect(await worker.ask(`touch work/${NUMBERS + 1} 0`)).toBe("TOUCHED");
    expect(await worker.take("work.dead/peek")).toBe("1");
    const gone = await strict.connect();
    expect(await gone.take("work/open")).toBe("2");
    await gone.end();
    while ((await details(worker, "work"))["open"] !== "0") await Bun.sleep(5);
    expect(await lease("work/t=20000/lease=50", worker)).toEqual(["2", NUMBERS + 2]);
    while ((await details(worker, "work"))["dead"] !== "2") await Bun.sleep(5);
    expect(await worker.take("work")).toBe("3");
    expect(await details(worker, "work.dead")).toMatchObject({ messages: "2", sets: "2" });
  });

  test("a dead letter is never dead-lettered again", async () => {
    const own = await start(["--queue", "*:deliveries=1,dead=letters"]);
    const user = await own.connect();
    await user.put("q", "x");
    for (const queue of ["q", "letters", "letters"]) {
      expect(await user.take(`${queue}/open`)).toBe("x");
      expect(await user.take(`${queue}/abort`)).toBeUndefined();
    }
    expect(await details(user, "letters")).toMatchObject({ messages: "1" });
  });

  test("a stop of the server counts for nothing", async () => {
    const own = await start(["--queue", "*:deliveries=1"]);
    const user = await own.connect();
    await user.put("q", "x");
    expect(await user.take("q/open")).toBe("x");
    expect((await own.stop()).code).toBe(0);
    const again = await start(["--queue", "*:deliveries=1"], { home: own.home });
    expect(await (await again.connect()).take("q")).toBe("x");
  });

  test("wait before they are delivered again, each time longer, or as long as abort says", async () => {
    await worker.put("slow", "x");
    const pauses: number[] = [];
    for (let n = 0; n < 3; n++) {
      expect(await worker.take("slow/t=20000/open")).toBe("x");
      const before = performance.now();
      expect(await worker.take("slow/abort")).toBeUndefined();
      expect(await details(worker, "slow")).toMatchObject({ delayed: "1", messages: "1" });
      expect(await worker.take("slow/t=20000/peek")).toBe("x");
      pauses.push(performance.now() - before);
    }
    for (const [n, least] of [300, 500, 500].entries()) {
      expect(pauses[n]).toBeGreaterThanOrEqual(least - 2);
    }
    expect(await worker.take("slow/open")).toBe("x");
    expect(await worker.take("slow/abort/delay=0")).toBeUndefined();
    expect(await worker.take("slow")).toBe("x");
  });

  test("dead sends the open message there at once, with its flags", async () => {
    await worker.put("poison", "x", 7);
    expect(await worker.take("poison/open")).toBe("x");
    expect(await worker.take("poison/dead")).toBeUndefined();
    expect(await details(worker, "poison")).toMatchObject({ messages: "0", open: "0", dead: "1" });
    worker.send("get poison.dead\r\n");
    expect(await worker.messages()).toEqual([{ queue: "poison.dead", flags: 7, body: "x" }]);
  });
});
