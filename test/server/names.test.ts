/** A queue's name: 1 to 250 bytes of any value but space, slash, LF and, at the end of a line, CR. */
import { beforeAll, describe, expect, test } from "bun:test";

import { bytes, type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});

/** UTF-8 as the one-character-a-byte strings that the client speaks. */
const utf8 = (text: string) => Buffer.from(text, "utf8").toString("latin1");

const tooLong = "CLIENT_ERROR bad command line format";
const everyByte = Array.from({ length: 256 }, (_, value) => value).filter(
  (value) => ![0x20, 0x2f, 0x0a].includes(value),
);

test("every byte but space, slash and LF, each a name of its own, after a restart too", async () => {
  const other = await start();
  const before = await other.connect();
  const names = everyByte.map((value) => `<${String.fromCharCode(value)}>`);
  before.send(Buffer.concat(names.map((name, at) => set(name, `body ${at}`))));
  await expectLines(
    before,
    names.map(() => "STORED"),
  );
  await other.stop();

  const again = await start([], { home: other.home });
  const after = await again.connect();
  after.send("stats queue\r\n");
  await expectLines(after, [...names.map((name) => `STAT ${name} 1/0`), "END"]);
  after.send(`get ${names.join(" ")}\r\n`);
  const expected = names.map((queue, at) => ({ queue, flags: 0, body: `body ${at}` }));
  expect(await after.messages()).toEqual(expected);
  after.send(names.map((name) => `delete ${name}\r\n`).join(""));
  await expectLines(
    after,
    names.map(() => "DELETED"),
  );
  await again.stop();
});

test("every byte but space, slash, LF and CR as a whole name", async () => {
  const names = everyByte
    .filter((value) => value !== 0x0d)
    .map((value) => String.fromCharCode(value));
  client.send(Buffer.concat(names.map((name) => set(name, name))));
  await expectLines(
    client,
    names.map(() => "STORED"),
  );
  client.send(`get ${names.join(" ")}\r\n`);
  expect(await client.messages()).toEqual(names.map((queue) => ({ queue, flags: 0, body: queue })));
  for (const name of names) expect(await client.ask(`delete ${name}`)).toBe("DELETED");
});

test.each([
  ["250 bytes", "n".repeat(250)],
  ["250 bytes of UTF-8", utf8("é".repeat(125))],
  ["a path", "..\\.."],
  ["SQL", "';DROP\tTABLE\tsegment;--"],
  ["what are options after a slash", "open"],
  ["a flag", "-H"],
  ["a command", "get"],
  ["NUL bytes", "\0\0\0"],
  ["UTF-8", utf8("größe→大")],
  ["bytes that are no UTF-8", "\xff\xfe\xc3\x28"],
  ["a CR inside", "a\rb"],
  ["a tab", "a\tb"],
  ["a format directive", "%s%n"],
  ["a property of every object", "__proto__"],
  ["another one", "constructor"],
  ["a number", "007"],
])("a name like any other: %s", async (_title, name) => {
  await client.put(name, "first", 1);
  await client.put(name, "second", 2);
  client.send(`gets ${name} ${name} ${name}\r\n`);
  expect(await client.messages()).toEqual([
    { queue: name, flags: 1, body: "first", number: 1 },
    { queue: name, flags: 2, body: "second", number: 2 },
  ]);
  expect(await client.ask(`delete ${name}`)).toBe("DELETED");
  expect(await client.ask(`delete ${name}`)).toBe("NOT_FOUND");
});

test("names that differ in one byte are different queues", async () => {
  const names = ["\xff", "\xfe", "\xef\xbf\xbd", "a", "A", "a\0", "a\0b", "7", "07", "7.0"];
  for (const name of names) await client.put(name, name);
  for (const name of names.toReversed()) expect(await client.take(name)).toBe(name);
  for (const name of names) expect(await client.take(name)).toBeUndefined();
});

describe("a name of 251 bytes", () => {
  test.each([
    ["ASCII", "n".repeat(251)],
    ["UTF-8", utf8("é".repeat(125)) + "n"],
  ])("%s", async (_title, name) => {
    expect(bytes(name).length).toBe(251);
    for (const command of ["get", "gets", "delete"]) {
      expect(await client.ask(`${command} ${name}`)).toBe(tooLong);
    }
    client.send(set(name, "delete x"));
    expect(await client.line()).toBe(tooLong);
    await client.inStep();
  });
});

describe("a name with a slash", () => {
  const refusal =
    "CLIENT_ERROR a slash has no place in the name here, it begins the options of a get";
  const noMessage =
    "CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told";

  test.each(["a/b", "/", "a/", "/a", "a/open", "../../etc/passwd", `${"n".repeat(200)}/open`])(
    "%s",
    async (name) => {
      client.send(set(name, "delete x"));
      expect(await client.line()).toBe(refusal);
      await client.inStep();
      // Without a queue there is no message, either.
      const told = name.startsWith("/") ? "CLIENT_ERROR bad command line format" : noMessage;
      expect(await client.ask(`delete ${name}`)).toBe(told);
      expect(await client.ask(`flush ${name}`)).toBe(refusal);
    },
  );

  test("a set with noreply is silent", async () => {
    client.send(set("a/b", "delete x", 0, true));
    await client.inStep();
  });

  test("the options don't count as the name's length", async () => {
    const name = "k".repeat(250);
    await client.put(name, "x", 4);
    client.send(`get ${name}/peek/t=0\r\n`);
    expect(await client.messages()).toEqual([{ queue: `${name}/peek/t=0`, flags: 4, body: "x" }]);
    expect(await client.ask(`get ${name}n/peek`)).toBe(tooLong);
    expect(await client.take(name)).toBe("x");
  });
});
