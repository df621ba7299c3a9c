/** Command lines: their ends, and how long they may be. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client, type Message, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

const longest = 65_536;
const tooLong = "CLIENT_ERROR line too long\r\n";

/** A `get` of unknown queues whose line is `length` bytes long, its end included. */
function longGet(length: number, end: string): string {
  const names = ` ${"n".repeat(249)}`.repeat(Math.floor(length / 250) - 1);
  return `get${names}`.padEnd(length - end.length - 2) + ` n${end}`;
}

test("a line may end in LF alone, a body not", async () => {
  client.send("set q 0 0 5\nHello\r\nget q\nversion\n");
  expect(await client.line()).toBe("STORED");
  expect(await client.messages()).toEqual([{ queue: "q", flags: 0, body: "Hello" }]);
  expect(await client.line()).toStartWith("VERSION ");
  client.send("set q 0 0 5\r\nHello\n\n");
  expect(await client.line()).toBe("CLIENT_ERROR bad data chunk");
  await client.inStep();
});

test("an empty line is an error, with LF alone too", async () => {
  client.send("\n\r\n   \n");
  await expectLines(client, ["ERROR", "ERROR", "ERROR"]);
  await client.inStep();
});

test("spaces separate words; at the start or the end of a line they mean nothing", async () => {
  client.send("  set   q  5   0  3  \r\nabc\r\n   get   q   q   \r\n  delete  q  \r\n");
  expect(await client.line()).toBe("STORED");
  expect(await client.messages()).toEqual([{ queue: "q", flags: 5, body: "abc" }]);
  expect(await client.line()).toBe("DELETED");
  expect(await client.ask(" version ")).toStartWith("VERSION ");
});

/** What a web page can make a browser send to a server on the same machine. */
test.each(["GET /", "POST / ", "PUT /a/b"])("%s of HTTP ends the connection", async (start) => {
  const browser = await server.connect();
  browser.send(`${start} HTTP/1.1\r\nHost: here\r\n\r\n`);
  browser.send("set browser 0 0 1\r\nx\r\n");
  expect(await browser.rest()).toBe("ERROR\r\n");
  expect(await client.take("browser")).toBeUndefined();
});

test.each(["\t", "\v", "\f", "\0", "\xa0"])("%j separates no words", async (byte) => {
  expect(await client.ask(`get${byte}q`)).toBe("ERROR");
  await client.put(`a${byte}b`, "x");
  expect(await client.take("a")).toBeUndefined();
  expect(await client.take(`a${byte}b`)).toBe("x");
});

test("100 names of 250 bytes in one get", async () => {
  const names = Array.from({ length: 100 }, (_, n) => `${n}-`.padEnd(250, "n"));
  client.send(Buffer.concat(names.map((name, n) => set(name, `${n}`, n))));
  await expectLines(
    client,
    names.map(() => "STORED"),
  );
  client.send(`get ${names.join(" ")}\r\n`);
  const expected = names.map((queue, n) => ({ queue, flags: n, body: `${n}` }));
  expect(await client.messages()).toEqual(expected);
});

test("a get of 5,000 names, with large messages between, is answered whole and in order", async () => {
  const names = Array.from({ length: 5000 }, (_, n) => `many-${n}`);
  const expected: Message[] = [];
  for (const [n, queue] of names.entries()) {
    if (n % 70 > 0) continue;
    const body = `${n};`.repeat(n % 700 === 0 ? 100_000 : 3);
    expected.push({ queue, flags: n, body });
  }
  const other = await (await start(["-N", "-B", "1000000"])).connect();
  other.send(Buffer.concat(expected.map(({ queue, body, flags }) => set(queue, body, flags))));
  await expectLines(
    other,
    expected.map(() => "STORED"),
  );
  other.pause();
  other.send(`get ${names.join(" ")}\r\nversion\r\n`);
  await client.inStep();
  other.resume();
  const found = await other.messages();
  expect(found.map(({ queue }) => queue)).toEqual(expected.map(({ queue }) => queue));
  expect(Bun.deepEquals(found, expected)).toBe(true);
  expect(await other.line()).toStartWith("VERSION ");
});

describe.each([
  ["CR LF", "\r\n"],
  ["LF", "\n"],
])("ending in %s", (_title, end) => {
  test("a line of 65,536 bytes is answered", async () => {
    const line = longGet(longest, end);
    expect(line.length).toBe(longest);
    client.send(line + line);
    await expectLines(client, ["END", "END"]);
    client.send(`${"x".repeat(longest - end.length)}${end}`);
    expect(await client.line()).toBe("ERROR");
    await client.inStep();
  });

  test("a line of 65,537 bytes is refused, and the connection closed", async () => {
    const other = await server.connect();
    other.send(longGet(longest + 1, end));
    expect(await other.rest()).toBe(tooLong);
    await client.inStep();
  });
});

test.each([longest + 1, 200_000, 5_000_000])(
  "a line without an end is refused after %d bytes, and the connection closed",
  async (length) => {
    const other = await server.connect();
    other.send("x".repeat(length));
    expect(await other.rest()).toBe(tooLong);
    await client.inStep();
  },
);

test.each([
  ["a set with noreply", "set before 0 0 1 noreply\r\nx\r\n"],
  ["a quiet meta command", "ms before 1 q\r\nx\r\n"],
])("a line that is too long is refused after %s, too", async (_title, before) => {
  const other = await server.connect();
  other.send(`${before}${"x".repeat(longest + 1)}`);
  expect(await other.rest()).toBe(tooLong);
  expect(await client.take("before")).toBe("x");
});

test("what came before a line that is too long is done, what comes after is not", async () => {
  const other = await server.connect();
  other.send(`set before 0 0 1\r\nx\r\n${"x".repeat(longest + 1)}\r\nset after 0 0 1\r\ny\r\n`);
  expect(await other.rest()).toBe(`STORED\r\n${tooLong}`);
  expect(await client.take("before")).toBe("x");
  expect(await client.take("after")).toBeUndefined();
});
