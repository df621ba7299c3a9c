/** Sizes of messages, and the numbers on a command line. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { start, suite } from "./harness.ts";

suite();

const tooLarge = "SERVER_ERROR object too large for cache";
const badFormat = "CLIENT_ERROR bad command line format";

/** Bytes of every value, among them CR LF and END, that depend on their place. */
function content(size: number): Buffer {
  const block = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  const odd = Buffer.concat([block, Buffer.from("\r\nEND\r\nVALUE x 0 1\r\n")]);
  return Buffer.alloc(size, odd);
}

describe.each([1, 1000, 1024, 65_535, 1_048_576])("-B %d", (limit) => {
  test("0, 1, one less and exactly the limit are stored; one more is swallowed", async () => {
    const server = await start(["-B", `${limit}`]);
    const client = await server.connect();
    const fitting = [0, 1, limit - 1, limit];
    for (const size of fitting) await client.put("q", content(size), size);
    for (const size of [limit + 1, limit * 3 + 1]) {
      client.send(set("q", content(size)));
      expect(await client.line()).toBe(tooLarge);
      await client.inStep();
    }
    for (const size of fitting) {
      client.send("get q\r\n");
      const body = content(size).toString("latin1");
      expect(await client.messages()).toEqual([{ queue: "q", flags: size, body }]);
    }
    expect(await client.take("q")).toBeUndefined();
    await server.stop();
  });
});

test("one message of the largest size that -B can allow", async () => {
  const limit = 64 * 1024 * 1024;
  const server = await start(["-B", `${limit}`]);
  const client = await server.connect();
  const body = content(limit);
  await client.put("q", body);
  client.send("get q\r\n");
  expect(await client.line()).toBe(`VALUE q 0 ${limit}`);
  expect((await client.read(limit)).equals(body)).toBe(true);
  expect(await client.until("END\r\n")).toBe("\r\nEND\r\n");
  await client.inStep();
  await server.stop();
});

describe("numbers", () => {
  let client: Client;
  beforeAll(async () => {
    client = await (await start()).connect();
  });

  test.each(["0", "1", "2147483647", "2147483648", "4294967295", "007"])(
    "flags %s come back",
    async (flags) => {
      client.send(`set flags ${flags} 0 1\r\nx\r\nget flags\r\n`);
      expect(await client.line()).toBe("STORED");
      expect(await client.messages()).toEqual([
        { queue: "flags", flags: Number(flags), body: "x" },
      ]);
    },
  );

  const noNumbers = ["x", "1x", "x1", "0x10", "1.0", "1e3", "+1", "--1", "-", "1,000", "½", "\0"];

  test.each(["-1", "4294967296", "18446744073709551616", ...noNumbers])(
    "flags %j are refused, the body swallowed",
    async (flags) => {
      client.send(`set bad ${flags} 0 8\r\nquit\r\n\r\n\r\n`);
      expect(await client.line()).toBe(badFormat);
      await client.inStep();
      expect(await client.take("bad")).toBeUndefined();
    },
  );

  test.each(["0", "-1", "1", "-2147483648", "4294967295", "99999999999"])(
    "exptime %s is accepted",
    async (exptime) => {
      client.send(`set times 0 ${exptime} 1\r\nx\r\n`);
      expect(await client.line()).toBe("STORED");
      expect(await client.take("times")).toBe("x");
    },
  );

  test.each(noNumbers)("exptime %j is refused, the body swallowed", async (exptime) => {
    client.send(`set bad 0 ${exptime} 8\r\nquit\r\n\r\n\r\n`);
    expect(await client.line()).toBe(badFormat);
    await client.inStep();
    expect(await client.take("bad")).toBeUndefined();
  });

  test.each(["-1", "2147483646", "4294967297", "18446744073709551616", ...noNumbers])(
    "a size of %j is refused, the next line is a command",
    async (size) => {
      client.send(`set bad 0 0 ${size}\r\n`);
      expect(await client.line()).toBe(badFormat);
      await client.inStep();
    },
  );

  test("a size of 05 is five", async () => {
    client.send("set zero 0 0 05\r\nHello\r\n");
    expect(await client.line()).toBe("STORED");
    expect(await client.take("zero")).toBe("Hello");
  });

  test.each(noNumbers)("a delete with the time %j is refused", async (time) => {
    expect(await client.ask(`delete times ${time}`)).toBe(badFormat);
  });

  test.each(noNumbers)("verbosity %j is refused", async (level) => {
    expect(await client.ask(`verbosity ${level}`)).toBe(badFormat);
  });
});

test("the largest size that is a number is answered as too large, and waits for its body", async () => {
  const server = await start();
  const [client, other] = [await server.connect(), await server.connect()];
  await other.put("jobs", "safe");
  client.send("set q 0 0 2147483645\r\n");
  for (let n = 0; n < 200; n++) client.send("delete jobs\r\n".repeat(500));
  client.shutdown();
  expect(["", `${tooLarge}\r\n`]).toContain(await client.rest());
  expect(await other.take("jobs")).toBe("safe");
  await server.stop();
});
