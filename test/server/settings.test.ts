/** `--queue` and `--queues-file`: what holds for single queues. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { run, scratch, start, suite, user } from "./harness.ts";

suite();

async function put(client: Client, queue: string, body = "x"): Promise<string> {
  client.send(set(queue, body));
  return client.line();
}

function fileWith(content: string): string {
  const path = join(scratch(), "queues");
  writeFileSync(path, content);
  return path;
}

test("the first rule that matches counts, of the command line before the file", async () => {
  const file = fileWith("# ours\nb*:max-messages=1\n*:max-messages=2\n");
  const flags = ["--queue", "ab:max-messages=3", "--queues-file", file, "--max-messages", "9"];
  const server = await start([...flags, "--queue", "ab*:once=5"]);
  const client = await server.connect();
  for (const [queue, most] of [
    ["ab", 3],
    ["b1", 1],
    ["c", 2],
    ["abc", 9],
  ] as const) {
    for (let n = 0; n < most; n++) expect(await put(client, queue)).toBe("STORED");
    expect(await put(client, queue)).toBe("NOT_STORED");
  }
  await server.stop();
});

test("stats settings shows what holds, in all dialects", async () => {
  const server = await start(["--queue", "a*:max-messages=3,retry=1..9,copy-to=x+y"]);
  const client = await server.connect();
  client.send("stats settings a%\r\n");
  await expectLines(client, [
    "STAT rule a*",
    "STAT max-messages 3",
    "STAT max-bytes none",
    "STAT drop-oldest no",
    "STAT max-age none",
    "STAT expiry none",
    "STAT deliveries none",
    "STAT retry 1..9",
    "STAT dead a%25.dead",
    "STAT once 600000",
    "STAT copy-to x+y",
    "END",
  ]);
  client.send("stats settings b\r\n");
  expect(await client.line()).toBe("STAT rule none");
  expect(await client.line()).toBe("STAT max-messages none");
  await client.until("END\r\n");
  expect(await client.ask("stats settings")).toBe("ERROR");
  expect(await client.ask("stats settings a/b")).toStartWith("CLIENT_ERROR a slash");
  await server.stop();
});

test("SIGHUP has the file read again; when something is wrong in it, all stays as it was", async () => {
  const file = fileWith("q:max-messages=1\n");
  const server = await start(["--queues-file", file, "--queue", "r:max-messages=1"]);
  const client = await server.connect();
  expect([await put(client, "q"), await put(client, "q")]).toEqual(["STORED", "NOT_STORED"]);
  writeFileSync(file, "q:max-messages=2\nr:max-messages=2\n");
  server.kill("SIGHUP");
  await server.logged(/read again: the file of queue settings /);
  expect([await put(client, "q"), await put(client, "q")]).toEqual(["STORED", "NOT_STORED"]);
  expect([await put(client, "r"), await put(client, "r")]).toEqual(["STORED", "NOT_STORED"]);
  writeFileSync(file, "q:max-messages=3\nr:max=2\n");
  server.kill("SIGHUP");
  await server.logged(/is as before: --queues-file \S+: line 2: "max=2" is no setting/);
  expect(await put(client, "q")).toBe("NOT_STORED");
  writeFileSync(file, "");
  server.kill("SIGHUP");
  await server.logged(/read again: the file of queue settings .*(.|\n)*read again: the file of/);
  expect(await put(client, "q")).toBe("STORED");
  await server.stop();
});

describe("the server does not start", () => {
  test.each([
    ["a:most=1", '"most=1" is no setting with a value'],
    ["a", "settings of queues are <pattern>:<setting>=<value>"],
  ])("with --queue %s", async (rule, problem) => {
    const { code, stderr } = await run(["--queue", rule]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`--queue ${rule}: ${problem}`)]);
  });

  test("with a wrong line in the file", async () => {
    const file = fileWith("a:once=1\n\nb:once=0\n");
    const { code, stderr } = await run([
      "-u",
      user,
      "-H",
      scratch(),
      "-p",
      "0",
      "--queues-file",
      file,
    ]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`--queues-file ${file}: line 3: once=0: once is milliseconds`),
    ]);
  });

  test("without the file", async () => {
    const file = join(scratch(), "none");
    const { code, stderr } = await run([
      "-u",
      user,
      "-H",
      scratch(),
      "-p",
      "0",
      "--queues-file",
      file,
    ]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`--queues-file ${file}: there is no such file`),
    ]);
  });
});
