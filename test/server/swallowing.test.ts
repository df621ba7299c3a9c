/** Whatever is wrong with a command, its body is never taken for commands when its size is known. */
import { beforeAll, describe, expect, test } from "bun:test";

import { type Client } from "./client.ts";
import { start, suite } from "./harness.ts";

suite();

let client: Client;
beforeAll(async () => {
  client = await (await start()).connect();
});

const tooLarge = "SERVER_ERROR object too large for cache";
const badFormat = "CLIENT_ERROR bad command line format";
const meaningless = (command: string) =>
  `CLIENT_ERROR ${command} has no meaning for a queue, use set`;

/** What a body would do if it were read as commands. */
const dangerous = "delete jobs\r\n";

/** `#` stands for the number of bytes of the body. */
const refused: readonly (readonly [command: string, answer: string])[] = [
  ["add x 0 0 #", meaningless("add")],
  ["replace x 0 0 #", meaningless("replace")],
  ["append x 0 0 #", meaningless("append")],
  ["prepend x 0 0 #", meaningless("prepend")],
  ["cas x 0 0 # 17", meaningless("cas")],
  ["set x red 0 #", badFormat],
  ["set x -1 0 #", badFormat],
  ["set x 4294967296 0 #", badFormat],
  ["set x 0 soon #", badFormat],
  [`set ${"n".repeat(251)} 0 0 #`, badFormat],
  ["set x 0 0 # more", "ERROR"],
  ["set x 0 0 # noreply more", "ERROR"],
  ["SET x 0 0 # more", "ERROR"],
  ["ADD x 0 0 #", meaningless("add")],
  ["sett x 0 0 #", "ERROR"],
  ["PUT x 0 -1 # more words", "ERROR"],
  ["set\tx\t0\t0\t#", "ERROR"],
  ["Set x 0\t0 #", "ERROR"],
  ["set x 0 0 #\t", "ERROR"],
  ["sett\tx 0 0 #", "ERROR"],
  ["ms\tx\t#", "ERROR"],
  ["MS x\t# T0", "ERROR"],
];

describe.each([
  ["one command", dangerous],
  ["a thousand bytes of commands", dangerous.repeat(77)],
])("a body of %s", (_title, body) => {
  test.each(refused)("%s", async (command, answer) => {
    await client.put("jobs", "safe");
    client.send(`${command.replace("#", `${body.length}`)}\r\n${body}\r\n`);
    expect(await client.line()).toBe(answer);
    await client.inStep();
    expect(await client.take("jobs")).toBe("safe");
  });
});

test.each([1025, 65_536, 70_000, 3_000_000])("too large: %d bytes", async (size) => {
  await client.put("jobs", "safe");
  const body = dangerous.repeat(Math.ceil(size / dangerous.length)).slice(0, size);
  client.send(`set x 0 0 ${size}\r\n${body}\r\n`);
  expect(await client.line()).toBe(tooLarge);
  await client.inStep();
  expect(await client.take("jobs")).toBe("safe");
});

test.each(["add", "replace", "append", "prepend"])(
  "%s with a body above the limit",
  async (command) => {
    await client.put("jobs", "safe");
    client.send(`${command} x 0 0 ${dangerous.length * 100}\r\n${dangerous.repeat(100)}\r\n`);
    expect(await client.line()).toBe(meaningless(command));
    await client.inStep();
    expect(await client.take("jobs")).toBe("safe");
  },
);

test("a body with a wrong end: its bytes and two more are taken", async () => {
  await client.put("jobs", "safe");
  client.send(`set x 0 0 9\r\n${dangerous}`);
  expect(await client.line()).toBe("CLIENT_ERROR bad data chunk");
  expect(await client.line()).toBe("ERROR");
  client.send("set x 0 0 5\r\nHello\nget x\r\n");
  expect(await client.line()).toBe("CLIENT_ERROR bad data chunk");
  // "Hello", LF and "g" were taken.
  expect(await client.line()).toBe("ERROR");
  await client.inStep();
  expect(await client.take("jobs")).toBe("safe");
});

test("a body that looks like commands is stored and returned as it is", async () => {
  await client.put("jobs", "safe");
  await client.put("x", dangerous.repeat(50));
  expect(await client.take("x")).toBe(dangerous.repeat(50));
  expect(await client.take("jobs")).toBe("safe");
});

test("many in one write", async () => {
  await client.put("jobs", "safe");
  const all = refused.map(
    ([command]) => `${command.replace("#", `${dangerous.length}`)}\r\n${dangerous}\r\n`,
  );
  client.send(all.join("").repeat(20));
  for (let round = 0; round < 20; round++) {
    for (const [, answer] of refused) expect(await client.line()).toBe(answer);
  }
  await client.inStep();
  expect(await client.take("jobs")).toBe("safe");
});
