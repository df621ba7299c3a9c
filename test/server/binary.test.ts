/** The binary dialect over real sockets. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { version } from "../../package.json";
import { number, opcodes, request, set, status } from "../protocol/binary/packet.ts";
import { freePort, scratch, type Server, start, type StartOptions, suite } from "./harness.ts";
import { type BinaryClient, binaryClient } from "./packets.ts";

suite();

const fine = { status: status.fine };
const missed = { status: status.notFound, value: "Not found" };
const noop = request(opcodes.noop, { opaque: 77 });
const alive = { opcode: opcodes.noop, status: 0, opaque: 77 };

const sockets: readonly (readonly [kind: string, options: () => StartOptions])[] = [
  ["TCP", () => ({})],
  ["a Unix socket, compiled", () => ({ socket: join(scratch(), "socket"), build: "compiled" })],
];

describe.each(sockets)("%s", (_kind, options) => {
  let server: Server;
  let client: BinaryClient;

  beforeAll(async () => {
    server = await start([], options());
    client = await binaryClient(server);
  });
  afterAll(async () => {
    expect(await server.stop()).toMatchObject({ code: 0, stdout: "" });
  });

  test("set and get, first in, first out, with flags and the messages' numbers", async () => {
    expect(await client.set("q", "Hello", 7)).toEqual({ ...fine, cas: 1 });
    expect(await client.set("q", "World", 4294967295)).toEqual({ ...fine, cas: 2 });
    expect(await client.set("q", "")).toEqual({ ...fine, cas: 3 });
    expect(await client.get("q")).toEqual({ ...fine, flags: 7, value: "Hello", cas: 1 });
    const second = await client.ask(opcodes.getk, { key: "q" });
    expect(second).toEqual({ ...fine, flags: 4294967295, key: "q", value: "World", cas: 2 });
    expect(await client.get("q")).toEqual({ ...fine, flags: 0, cas: 3 });
    expect(await client.get("q")).toEqual(missed);
    const missedKey = await client.ask(opcodes.getk, { key: "q" });
    expect(missedKey).toEqual({ status: status.notFound, key: "q" });
    expect(await client.ask(opcodes.delete, { key: "q" })).toEqual(fine);
    expect(await client.ask(opcodes.delete, { key: "q" })).toEqual(missed);
  });

  test("quiet gets answer what there is, and say nothing of what there is not", async () => {
    await client.set("b", "two");
    client.send(
      Buffer.concat([
        request(opcodes.getkq, { key: "a", opaque: 1 }),
        request(opcodes.getkq, { key: "b", opaque: 2 }),
        request(opcodes.getq, { key: "b", opaque: 3 }),
        request(opcodes.getkq, { key: "b/peek", opaque: 4 }),
        noop,
      ]),
    );
    const hit = { opcode: opcodes.getkq, opaque: 2, status: 0, flags: 0, key: "b", value: "two" };
    expect(await client.answer()).toEqual({ ...hit, cas: 1 });
    expect(await client.answer()).toEqual(alive);
    await client.ask(opcodes.delete, { key: "b" });
  });

  test("a thousand quiet sets, and as many quiet gets", async () => {
    const names = Array.from({ length: 1000 }, (_, n) => `${n}`);
    const sets = names.map((value) => set("many", value).fill(opcodes.setq, 1, 2));
    client.send(Buffer.concat([...sets, noop]));
    expect(await client.answer()).toEqual(alive);
    const gets = names.map((_, opaque) => request(opcodes.getq, { key: "many", opaque }));
    client.send(Buffer.concat([...gets, ...gets, noop]));
    for (const [opaque, value] of names.entries()) {
      expect(await client.answer()).toMatchObject({ opaque, value, cas: opaque + 1 });
    }
    expect(await client.answer()).toEqual(alive);
    client.send(Buffer.concat([request(opcodes.deleteq, { key: "many" }), noop]));
    expect(await client.answer()).toEqual(alive);
  });

  test("a quiet delete of what there is not is told", async () => {
    const answer = await client.ask(opcodes.deleteq, { key: "unknown" });
    expect(answer).toEqual(missed);
  });

  test("flush keeps the queues", async () => {
    await client.set("f", "1");
    expect(await client.ask(opcodes.flush)).toEqual(fine);
    expect(await client.get("f")).toEqual(missed);
    await client.set("f", "2");
    client.send(Buffer.concat([request(opcodes.flushq, { extras: number(0) }), noop]));
    expect(await client.answer()).toEqual(alive);
    expect(await client.stat("queue")).toEqual([["f", "2/2"]]);
    await client.ask(opcodes.delete, { key: "f" });
  });

  test("version, verbosity and no-op", async () => {
    expect(await client.ask(opcodes.version)).toEqual({ ...fine, value: version });
    expect(await client.ask(opcodes.verbosity, { extras: number(1) })).toEqual(fine);
    expect(await client.ask(opcodes.noop)).toEqual(fine);
  });

  test("stat is stats", async () => {
    const text = await server.connect();
    await client.set("a", "12345");
    await client.set("b", "1");
    await client.get("b");
    expect(await client.stat("queue")).toEqual([
      ["a", "1/0"],
      ["b", "1/1"],
    ]);
    text.send("stats queue a\r\n");
    const details = (await text.until("END\r\n")).split("\r\n").slice(0, -2);
    const names = (await client.stat("queue a")).map(([name, value]) => `STAT ${name} ${value}`);
    const ageless = (line: string) => !line.startsWith("STAT age");
    expect(names.filter(ageless)).toEqual(details.filter(ageless));
    text.send("stats\r\n");
    const general = (await text.until("END\r\n")).split("\r\n").slice(0, -2);
    const rows = await client.stat("");
    expect(rows.map(([name]) => name)).toEqual(general.map((line) => line.split(" ")[1] as string));
    expect(new Map(rows).get("pid")).toBe(`${server.pid}`);
    expect(await client.stat("queue unknown")).toEqual([]);
    expect(await client.ask(opcodes.stat, { key: "settings" })).toEqual(missed);
    expect(await client.ask(opcodes.stat, { key: "reset" })).toEqual(fine);
    for (const key of ["a", "b"]) await client.ask(opcodes.delete, { key });
    await text.end();
  });

  test("what a queue has no meaning for, and what nobody knows, leaves the connection in step", async () => {
    for (const opcode of [0x02, 0x03, 0x05, 0x0e, 0x12, 0x30, 0x3a, 0x20, 0x21, 0x22, 0x55, 0xff]) {
      const parts = { key: "q", extras: "12345678", value: noop.toString("latin1") };
      const answer = await client.ask(opcode, parts);
      expect(answer).toEqual({ status: status.unknown, value: "Unknown command" });
    }
    await client.alive();
    expect(await client.stat("queue")).toEqual([]);
  });

  test("values too large are swallowed, of quiet sets too", async () => {
    for (const opcode of [opcodes.set, opcodes.setq]) {
      const parts = { key: "q", extras: "12345678", value: noop.toString("latin1").repeat(5000) };
      const answer = await client.ask(opcode, parts);
      expect(answer).toEqual({ status: status.tooLarge, value: "object too large for cache" });
    }
    await client.alive();
  });

  test("the options of a key", async () => {
    const other = await binaryClient(server);
    await client.set("work", "one");
    await client.set("work", "two");
    expect(await client.get("work/open")).toMatchObject({ value: "one", cas: 1 });
    expect(await client.get("work/open")).toEqual({
      status: status.invalid,
      value: "a message of work is open already",
    });
    expect(await client.get("work/abort")).toEqual(missed);
    expect(await client.get("work/open")).toMatchObject({ value: "one", cas: 1 });
    expect(await other.get("work/peek")).toMatchObject({ value: "two", cas: 2 });
    expect(await client.get("work/close/t=5000/open")).toMatchObject({ value: "two", cas: 2 });
    await client.end();
    expect(await other.get("work/t=5000")).toMatchObject({ value: "two", cas: 2 });
    expect(await other.get("work/t=0")).toEqual(missed);
    await other.ask(opcodes.delete, { key: "work" });
    await other.end();
    client = await binaryClient(server);
  });

  test("waiting, for a message that comes and for one that doesn't", async () => {
    const producer = await server.connect();
    client.send(Buffer.concat([request(opcodes.getkq, { key: "w/t=60000", opaque: 5 }), noop]));
    await producer.inStep();
    await producer.put("w", "now");
    expect(await client.answer()).toMatchObject({ opaque: 5, key: "w/t=60000", value: "now" });
    expect(await client.answer()).toEqual(alive);
    expect(await client.get("w/t=20")).toEqual(missed);
    client.send(Buffer.concat([request(opcodes.getkq, { key: "w/t=20" }), noop]));
    expect(await client.answer()).toEqual(alive);
    await client.ask(opcodes.delete, { key: "w" });
    await producer.end();
  });

  test("quit is answered, a quiet one is not, and both end the connection", async () => {
    const leaving = await binaryClient(server);
    expect(await leaving.ask(opcodes.quit)).toEqual(fine);
    expect(await leaving.rest()).toBe("");
    const silent = await binaryClient(server);
    silent.send(Buffer.concat([request(opcodes.quitq), noop]));
    expect(await silent.rest()).toBe("");
  });
});

describe("what is out of step for good is told and ends the connection", () => {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });

  test.each([
    ["extras and key beyond the end", request(opcodes.get, { key: "q", length: 0, opaque: 9 })],
    ["a header alone, that says so", request(opcodes.get, { keyLength: 9, length: 1, opaque: 9 })],
    ["more than can be", request(opcodes.set, { length: 2 ** 32 - 1, opaque: 9 })],
  ])("%s", async (_title, bytes) => {
    const client = await binaryClient(server);
    client.send(Buffer.concat([noop, bytes, noop]));
    expect(await client.answer()).toEqual(alive);
    const value = "the lengths in the header do not agree";
    expect(await client.answer()).toMatchObject({ status: status.invalid, opaque: 9, value });
    expect(await client.rest()).toBe("");
  });

  test("a wrong magic, whatever follows", async () => {
    for (const byte of [0x00, 0x0a, 0x67, 0x7f, 0x81, 0xff]) {
      const client = await binaryClient(server);
      client.send(Buffer.concat([noop, Buffer.from([byte])]));
      expect(await client.answer()).toEqual(alive);
      const value = "a request starts with 0x80";
      expect(await client.answer()).toMatchObject({ status: status.invalid, opaque: 0, value });
      expect(await client.rest()).toBe("");
    }
  });

  test("a client that leaves in the middle of a request is not answered, and hurts nobody", async () => {
    const whole = set("half", "value");
    for (const end of [1, 23, 24, 30, whole.length - 1]) {
      const client = await server.connect();
      client.send(whole.subarray(0, end));
      client.shutdown();
      expect(await client.rest()).toBe("");
    }
    const reader = await server.connect();
    expect(await reader.take("half")).toBeUndefined();
  });
});

test("requests that arrive a few bytes at a time", async () => {
  const server = await start();
  const [client, barrier] = [await binaryClient(server), await server.connect()];
  const bytes = Buffer.concat([set("queue", "value", 3), request(opcodes.get, { key: "queue" })]);
  for (let at = 0; at < bytes.length; at += 5) {
    client.send(bytes.subarray(at, at + 5));
    // What was sent before another's request is read before it, or with it.
    await barrier.inStep();
  }
  expect(await client.answer()).toMatchObject({ status: 0, cas: 1 });
  expect(await client.answer()).toMatchObject({ status: 0, value: "value", flags: 3 });
  await server.stop();
});

test("limits", async () => {
  const server = await start(["--max-messages", "1"]);
  const client = await binaryClient(server);
  await client.set("q", "1");
  expect(await client.set("q", "2")).toEqual({ status: status.notStored, value: "Not stored" });
  const quiet = { key: "q", value: "3", extras: "12345678" };
  expect(await client.ask(opcodes.setq, quiet)).toMatchObject({ status: status.notStored });
  expect(await client.stat("queue")).toEqual([["q", "1/0"]]);
  await server.stop();
});

test("the log shows every request and its answer, and no value", async () => {
  const server = await start(["-v"]);
  const client = await binaryClient(server);
  await client.set("jobs", "secret");
  await client.get("jobs");
  await client.set("jobs", "secret".repeat(5000));
  client.send(Buffer.concat([request(opcodes.getkq, { key: "none" }), noop]));
  await client.answer();
  await client.ask(0x55);
  const { stderr } = await server.stop();
  for (const shown of [
    "< set jobs",
    "> set status 0",
    "< get jobs",
    "> get status 0",
    "> set status 3",
    "< getkq none",
    "> noop status 0",
    "< 0x55",
    "> 0x55 status 129",
  ]) {
    expect(stderr).toContain(shown);
  }
  expect(stderr).not.toContain("secret");
  expect(stderr).not.toContain("> getkq");
});

test("over UDP there is text only: a datagram in binary is dropped", async () => {
  const port = freePort();
  const server = await start(["-U", `${port}`]);
  await server.logged(/listening on udp/);
  const answer = Promise.withResolvers<Buffer>();
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: { data: (_socket, data) => answer.resolve(Buffer.from(data)) },
  });
  const datagram = (id: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0, id, 0, 0, 0, 1, 0, 0]), content]);
  socket.send(datagram(1, request(opcodes.version)));
  socket.send(datagram(2, Buffer.from("version\r\n")));
  const first = await answer.promise;
  expect([first[1], first.toString("latin1", 8)]).toEqual([2, `VERSION ${version}\r\n`]);
  socket.close();
  await server.stop();
});
