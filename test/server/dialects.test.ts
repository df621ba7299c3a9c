/** Three dialects, one queue behind: what one client sets in its own another takes in another. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { number, opcodes, request, set as binarySet, status } from "../protocol/binary/packet.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import { set as textSet } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, isShared, type Server, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

/** A client that does the same whatever its dialect. */
interface Speaker {
  set(queue: string, body: string, flags?: number): Promise<void>;
  /** Takes a message: its flags, its number and its body. */
  take(key: string): Promise<readonly [flags: number, number: number, body: string] | undefined>;
  drop(queue: string): Promise<boolean>;
}

async function textSpeaker(server: Server): Promise<Speaker> {
  const client = await server.connect();
  return {
    set: (queue, body, flags) => client.put(queue, body, flags),
    async take(key) {
      client.send(`gets ${key}\r\n`);
      const [message] = await client.messages();
      return message && [message.flags, message.number as number, message.body];
    },
    drop: async (queue) => (await client.ask(`delete ${queue}`)) === "DELETED",
  };
}

async function metaSpeaker(server: Server): Promise<Speaker> {
  const client = await server.connect();
  return {
    async set(queue, body, flags = 0) {
      client.send(`ms ${queue} ${body.length} F${flags}\r\n${body}\r\n`);
      await expectLines(client, ["HD"]);
    },
    async take(key) {
      client.send(`mg ${key} v f c\r\n`);
      const [code, size, flags, number] = (await client.line()).split(" ");
      if (code === "EN" || code === "HD") return undefined;
      expect(code).toBe("VA");
      const body = (await client.read(Number(size) + 2)).toString("latin1");
      expect(body).toEndWith("\r\n");
      return [Number(flags?.slice(1)), Number(number?.slice(1)), body.slice(0, -2)];
    },
    drop: async (queue) => (await client.ask(`md ${queue}`)) === "HD",
  };
}

async function binarySpeaker(server: Server): Promise<Speaker> {
  const client = await binaryClient(server);
  return {
    async set(queue, body, flags) {
      expect(await client.set(queue, body, flags)).toMatchObject({ status: 0 });
    },
    async take(key) {
      const { flags = -1, cas = -1, value = "", status: found } = await client.get(key);
      expect([status.fine, status.notFound] as number[]).toContain(found);
      return found === status.fine ? [flags, cas, value] : undefined;
    },
    drop: async (queue) => (await client.ask(opcodes.delete, { key: queue })).status === 0,
  };
}

const speakers = [
  ["text", textSpeaker],
  ["meta", metaSpeaker],
  ["binary", binarySpeaker],
] as const;
const pairs = speakers.flatMap((from) => speakers.map((to) => [from, to] as const));

const everyByte = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");

test("bodies of every byte and many sizes, from each dialect to each", async () => {
  const server = await start(["-B", "4194304", "-m", "16"]);
  // Below and above what is sent from where it lies, in the socket's room and beyond it.
  const sizes = [0, 1, 47, 48, 1024, 16_383, 16_384, 16_385, 65_536, 300_000, 4_194_304];
  const bodies = sizes.map((size) => everyByte.repeat(Math.ceil(size / 256)).slice(0, size));
  for (const [[from, openFrom], [to, openTo]] of pairs) {
    const [producer, consumer] = [await openFrom(server), await openTo(server)];
    const queue = `${from}-${to}`;
    for (const [flags, body] of bodies.entries()) await producer.set(queue, body, flags);
    for (const [flags, body] of bodies.entries()) {
      const message = await consumer.take(queue);
      expect(message?.slice(0, 2)).toEqual([flags, flags + 1]);
      expect(message?.[2] === body).toBe(true);
    }
    expect(await consumer.take(queue)).toBeUndefined();
  }
  await server.stop();
});

test("those who wait in three dialects are served in their turn", async () => {
  const server = await start();
  const waiting = await Promise.all(speakers.map(async ([_name, open]) => await open(server)));
  const producer = await server.connect();
  await producer.put("w", "none waits yet");
  await producer.take("w");
  const taken: Promise<unknown>[] = [];
  for (const speaker of waiting) {
    taken.push(speaker.take("w/t=60000"));
    await eventually("one more who waits", async () => {
      const details = await producer.ask("me w");
      return details.includes(` waiters=${taken.length} `) ? true : undefined;
    });
  }
  for (const body of ["first", "second", "third"]) await producer.put("w", body);
  expect(await Promise.all(taken)).toEqual([
    [0, 2, "first"],
    [0, 3, "second"],
    [0, 4, "third"],
  ]);
  await server.stop();
});

// It is about the file.
if (!isShared) {
  describe("what cannot be committed is told in the client's dialect", () => {
    /** Runs `action` while nothing can be written. */
    async function whileLocked(server: Server, action: () => Promise<void>): Promise<void> {
      const other = new Database(join(server.home, "memcacheq.db"));
      other.run("BEGIN IMMEDIATE");
      await action();
      other.run("ROLLBACK");
      other.close();
    }

    const failed = { status: status.failed, value: "database is locked" };
    const noop = request(opcodes.noop, { opaque: 99 });
    const alive = { opcode: opcodes.noop, status: 0, opaque: 99 };

    test("binary, each with its request's number, quiet ones too", async () => {
      const server = await start(["-D", "0"]);
      const client = await binaryClient(server);
      await client.set("q", "one");
      const value = "two";
      const extras = number(0) + number(0);
      await whileLocked(server, async () => {
        client.send(
          Buffer.concat([
            request(opcodes.version, { opaque: 1 }),
            request(opcodes.setq, { key: "q", value, extras, opaque: 2 }),
            request(opcodes.set, { key: "q", value, extras, opaque: 3 }),
            request(opcodes.getkq, { key: "q", opaque: 4 }),
            request(opcodes.getkq, { key: "none", opaque: 5 }),
            request(opcodes.deleteq, { key: "q", opaque: 6 }),
            noop,
          ]),
        );
        expect(await client.answer()).toMatchObject({
          opcode: opcodes.version,
          opaque: 1,
          status: 0,
        });
        expect(await client.answer()).toEqual({ opcode: opcodes.setq, opaque: 2, ...failed });
        expect(await client.answer()).toEqual({ opcode: opcodes.set, opaque: 3, ...failed });
        expect(await client.answer()).toEqual({ opcode: opcodes.getkq, opaque: 4, ...failed });
        expect(await client.answer()).toEqual({ opcode: opcodes.deleteq, opaque: 6, ...failed });
        expect(await client.answer()).toEqual(alive);
        expect(await client.ask(opcodes.flushq)).toEqual(failed);
      });
      expect(await client.stat("queue")).toEqual([["q", "1/0"]]);
      expect(await client.get("q")).toMatchObject({ value: "one", cas: 1 });
      await server.stop();
    });

    test("binary, with the connection's end behind it", async () => {
      const server = await start(["-D", "0"]);
      await (await server.connect()).put("q", "one");
      await whileLocked(server, async () => {
        const quitting = await binaryClient(server);
        const last = request(opcodes.quit, { opaque: 2 });
        quitting.send(Buffer.concat([request(opcodes.get, { key: "q", opaque: 1 }), last]));
        expect(await quitting.answer()).toEqual({ opcode: opcodes.get, opaque: 1, ...failed });
        expect(await quitting.answer()).toEqual({ opcode: opcodes.quit, status: 0, opaque: 2 });
        expect(await quitting.rest()).toBe("");
        const leaving = await binaryClient(server);
        leaving.send(request(opcodes.get, { key: "q", opaque: 1 }));
        leaving.shutdown();
        expect(await leaving.answer()).toEqual({ opcode: opcodes.get, opaque: 1, ...failed });
        expect(await leaving.rest()).toBe("");
      });
      await server.stop();
    });

    test("binary, a large message and a close", async () => {
      const server = await start(["-D", "0", "-B", "100000"]);
      const client = await binaryClient(server);
      const large = everyByte.repeat(200);
      await client.set("q", large);
      await client.set("q", "small");
      await whileLocked(server, async () => {
        expect(await client.get("q")).toEqual(failed);
        expect(await client.get("q/open")).toMatchObject({ cas: 1 });
        const close = { key: "q/close", opaque: 7 };
        client.send(Buffer.concat([request(opcodes.getq, close), noop]));
        expect(await client.answer()).toEqual({ opcode: opcodes.getq, opaque: 7, ...failed });
        expect(await client.answer()).toEqual(alive);
      });
      expect((await client.get("q")).value === large).toBe(true);
      expect(await client.get("q")).toMatchObject({ value: "small" });
      await server.stop();
    });

    test("meta, quiet ones too", async () => {
      const server = await start(["-D", "0"]);
      const client = await server.connect();
      await client.put("q", "one");
      await whileLocked(server, async () => {
        client.send(
          "ms q 3 q\r\ntwo\r\nms q 3 k\r\ntwo\r\nmg q v q\r\nmg none q\r\nmd q q\r\nmn\r\n",
        );
        const error = "SERVER_ERROR database is locked";
        await expectLines(client, [error, error, error, error, "MN"]);
      });
      client.send("mg q v c k\r\nmg q v\r\n");
      await expectLines(client, ["VA 3 c1 kq", "one", "EN"]);
      await server.stop();
    });

    test("with noreply nothing is told, as ever", async () => {
      const server = await start(["-D", "0"]);
      const client = await server.connect();
      await whileLocked(server, async () => {
        client.send(Buffer.concat([textSet("q", "x", 0, true), Buffer.from("version\r\n")]));
        expect(await client.line()).toStartWith("VERSION ");
      });
      await server.stop();
    });
  });
}

test("a client of binary does not read, and is sent all when it does", async () => {
  const server = await start(["-B", "1048576", "-m", "64"]);
  const [producer, client] = [await server.connect(), await binaryClient(server)];
  const bodies = Array.from({ length: 24 }, (_, n) =>
    String.fromCharCode(97 + n).repeat(1_000_000),
  );
  for (const body of bodies) await producer.put("q", body);
  client.pause();
  const gets = bodies.map((_, opaque) => request(opcodes.getkq, { key: "q", opaque }));
  client.send(Buffer.concat([...gets, request(opcodes.noop)]));
  await producer.inStep();
  client.resume();
  for (const [opaque, body] of bodies.entries()) {
    const { value, ...rest } = await client.answer();
    expect(rest).toMatchObject({ opaque, key: "q", cas: opaque + 1 });
    expect(value === body).toBe(true);
  }
  expect(await client.answer()).toMatchObject({ opcode: opcodes.noop });
  await server.stop();
});

test.each(seeds)("random requests in three dialects, beside a model, seed %d", async (seed) => {
  const server = await start(["-B", "40000", "-m", "1"]);
  const clients = await Promise.all(speakers.map(async ([_name, open]) => await open(server)));
  const random = newRandom(seed);
  const queues = new Map<
    string,
    { next: number; messages: (readonly [number, number, string])[] }
  >();
  for (let round = 0; round < 600; round++) {
    const client = random.pick(clients);
    const name = random.pick(["a", "b", "\xff\x80"]);
    const queue = queues.get(name);
    const choice = random.below(20);
    if (choice < 9) {
      const size = random.pick([0, 1, 10, 100, 1000, 16_384, 40_000]);
      const body = random.bytes(random.between(0, size)).toString("latin1");
      const flags = random.below(2 ** 32);
      await client.set(name, body, flags);
      const { next, messages } = queue ?? { next: 1, messages: [] };
      queues.set(name, { next: next + 1, messages: [...messages, [flags, next, body]] });
    } else if (choice < 16) {
      expect(await client.take(name)).toEqual(queue?.messages.shift());
    } else if (choice < 18) {
      expect(await client.take(`${name}/peek`)).toEqual(queue?.messages[0]);
    } else if (choice < 19) {
      expect(await client.take(`${name}/open`)).toEqual(queue?.messages[0]);
      expect(await client.take(`${name}/${random.pick(["abort", "close"])}`)).toBeUndefined();
      const left = await client.take(`${name}/peek`);
      if (queue && left?.[1] !== queue.messages[0]?.[1]) queue.messages.shift();
      expect(left).toEqual(queue?.messages[0]);
    } else {
      expect(await client.drop(name)).toBe(queues.delete(name));
    }
  }
  for (const [name, { messages }] of queues) {
    for (const message of messages) expect(await random.pick(clients).take(name)).toEqual(message);
  }
  expect(await server.stop()).toMatchObject({ code: 0 });
});

test("bytes of any kind end no server and stop no other client", async () => {
  const server = await start();
  const other = await server.connect();
  const random = newRandom(Math.floor(Math.random() * 2 ** 32));
  for (let round = 0; round < 200; round++) {
    const client = await server.connect();
    const headers = Array.from({ length: random.between(1, 5) }, () => {
      const packet = binarySet("fuzz", random.bytes(random.below(50)).toString("latin1"));
      for (let n = random.below(4); n > 0; n--) packet[random.below(24)] = random.below(256);
      return packet;
    });
    const lines = Buffer.from(`ms fuzz ${random.below(9)} F${random.below(9)}\r\nmg fuzz v k\r\n`);
    client.send(
      random.pick([Buffer.concat(headers), Buffer.concat([lines, ...headers]), random.bytes(100)]),
    );
    client.shutdown();
    await client.rest();
    await other.inStep();
  }
  const { stderr } = await server.stop();
  expect(stderr).not.toContain("internal error");
});
