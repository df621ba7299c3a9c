/** `noreply`: nothing is answered, whatever happens, and the connection stays in step. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { start, suite } from "./harness.ts";

suite();

let client: Client;
beforeAll(async () => {
  client = await (await start()).connect();
});

const body = "delete jobs";
const silent: readonly (readonly [title: string, text: string])[] = [
  ["a set", `set gone 0 0 11 noreply\r\n${body}\r\n`],
  ["a set with a wrong end", `set gone 0 0 9 noreply\r\n${body}`],
  ["a set that is too large", `set gone 0 0 2000 noreply\r\n${"x".repeat(2000)}\r\n`],
  ["a set with bad flags", `set gone red 0 11 noreply\r\n${body}\r\n`],
  ["a set with a bad exptime", `set gone 0 soon 11 noreply\r\n${body}\r\n`],
  ["a set with a bad size", "set gone 0 0 many noreply\r\n"],
  ["a set with a negative size", "set gone 0 0 -1 noreply\r\n"],
  ["a set with a long name", `set ${"n".repeat(251)} 0 0 11 noreply\r\n${body}\r\n`],
  ["a set with a word too many", `set gone 0 0 11 more noreply\r\n${body}\r\n`],
  ["delete of a queue", "delete gone noreply\r\n"],
  ["delete of a queue with a time", "delete gone 0 noreply\r\n"],
  ["delete of an unknown queue", "delete never noreply\r\n"],
  ["verbosity", "verbosity 1 noreply\r\n"],
  ["verbosity without a level", "verbosity noreply\r\n"],
  ["incr", "incr gone 1 noreply\r\n"],
  ["decr", "decr gone 1 noreply\r\n"],
  ["touch", "touch gone 0 noreply\r\n"],
  ["add", `add gone 0 0 11 noreply\r\n${body}\r\n`],
  ["replace", `replace gone 0 0 11 noreply\r\n${body}\r\n`],
  ["append", `append gone 0 0 11 noreply\r\n${body}\r\n`],
  ["prepend", `prepend gone 0 0 11 noreply\r\n${body}\r\n`],
  ["cas", `cas gone 0 0 11 1 noreply\r\n${body}\r\n`],
];

describe("silent", () => {
  test.each(silent)("%s", async (_title, text) => {
    await client.put("jobs", "safe");
    client.send(text);
    await client.inStep();
    expect(await client.take("jobs")).toBe("safe");
  });
});

test("messages set with noreply are all there, in order, between answered ones", async () => {
  for (let n = 0; n < 100; n++) client.send(set("mixed", `${n}`, n, n % 3 !== 0));
  await expectLines(client, Array<string>(34).fill("STORED"));
  client.send(`get${" mixed".repeat(101)}\r\n`);
  const expected = Array.from({ length: 100 }, (_, n) => ({
    queue: "mixed",
    flags: n,
    body: `${n}`,
  }));
  expect(await client.messages()).toEqual(expected);
});

test("a delete with noreply deletes", async () => {
  await client.put("doomed", "x");
  client.send("delete doomed noreply\r\n");
  expect(await client.ask("delete doomed")).toBe("NOT_FOUND");
});

test("get has no noreply: it is a queue's name there", async () => {
  await client.put("noreply", "yes");
  client.send("get noreply\r\n");
  expect(await client.messages()).toEqual([{ queue: "noreply", flags: 0, body: "yes" }]);
});
