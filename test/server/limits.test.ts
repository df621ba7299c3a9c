/** `--max-messages` and `--max-bytes`: a set beyond them is answered NOT_STORED, and changes nothing. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { run, scratch, start, suite, user } from "./harness.ts";

suite();

async function offer(client: Client, queue: string, size: number): Promise<string> {
  client.send(set(queue, "b".repeat(size)));
  return client.line();
}

async function expectQueues(client: Client, ...lines: string[]): Promise<void> {
  client.send("stats queue\r\n");
  await expectLines(client, [...lines.map((line) => `STAT ${line}`), "END"]);
}

test("--max-messages is for each queue, and a get makes room", async () => {
  const first = await start(["--max-messages", "3"]);
  const client = await first.connect();
  for (let n = 0; n < 3; n++) expect(await offer(client, "q", n)).toBe("STORED");
  for (let n = 0; n < 3; n++) expect(await offer(client, "q", n)).toBe("NOT_STORED");
  expect(await offer(client, "r", 1)).toBe("STORED");
  await expectQueues(client, "q 3/0", "r 1/0");
  expect(await client.take("q")).toBe("");
  expect(await offer(client, "q", 1)).toBe("STORED");
  expect(await offer(client, "q", 1)).toBe("NOT_STORED");
  await first.stop();

  const second = await start(["--max-messages", "3"], { home: first.home });
  const after = await second.connect();
  expect(await offer(after, "q", 1)).toBe("NOT_STORED");
  expect(await after.ask("flush q")).toBe("END");
  expect(await offer(after, "q", 1)).toBe("STORED");
  expect(await after.ask("delete q")).toBe("DELETED");
  for (let n = 0; n < 3; n++) expect(await offer(after, "q", n)).toBe("STORED");
  await second.stop();
});

test("--max-bytes is for all queues together, exactly", async () => {
  const first = await start(["--max-bytes", "1k"]);
  const client = await first.connect();
  expect(await offer(client, "a", 1000)).toBe("STORED");
  expect(await offer(client, "b", 25)).toBe("NOT_STORED");
  expect(await offer(client, "b", 24)).toBe("STORED");
  expect(await offer(client, "c", 1)).toBe("NOT_STORED");
  await expectQueues(client, "a 1/0", "b 1/0");
  expect(await client.take("b")).toHaveLength(24);
  expect(await offer(client, "c", 24)).toBe("STORED");
  await first.stop();

  const second = await start(["--max-bytes", "1k"], { home: first.home });
  const after = await second.connect();
  expect(await offer(after, "c", 1)).toBe("NOT_STORED");
  expect(await after.ask("delete a")).toBe("DELETED");
  expect(await offer(after, "c", 1000)).toBe("STORED");
  expect(await offer(after, "c", 1)).toBe("NOT_STORED");
  expect(await after.ask("flush_all")).toBe("OK");
  expect(await offer(after, "c", 1024)).toBe("STORED");
  await second.stop();
});

test("a NOT_STORED set leaves the connection in step, and counts as tried", async () => {
  const server = await start(["--max-messages", "1"]);
  const client = await server.connect();
  const commands = [
    set("q", "one"),
    set("q", "delete q"),
    set("q", "delete q", 0, true),
    "get q\r\n",
  ];
  for (const command of commands) client.send(command);
  await expectLines(client, ["STORED", "NOT_STORED", "VALUE q 0 3", "one", "END"]);
  await client.inStep();
  client.send("stats\r\n");
  const statistics = await client.until("END\r\n");
  expect(statistics).toContain("STAT set_cmds 3\r\nSTAT set_hits 1\r\n");
  await server.stop();
});

test("room that one write makes and takes", async () => {
  const server = await start(["--max-messages", "2"]);
  const client = await server.connect();
  for (let n = 0; n < 500; n++)
    client.send(Buffer.concat([set("q", `${n}`), Buffer.from("get q\r\n")]));
  const answers = Array.from({ length: 500 }, (_, n) => [
    "STORED",
    `VALUE q 0 ${`${n}`.length}`,
    `${n}`,
    "END",
  ]);
  await expectLines(client, answers.flat());
  await server.stop();
});

describe("a wrong value: a message that names the flag, exit 1", () => {
  test.each([
    ["--max-messages", "0"],
    ["--max-messages", "x"],
    ["--max-messages", "-1"],
    ["--max-bytes", "x"],
    ["--max-bytes", "1t"],
    ["--max-bytes", "-1"],
    ["--max-bytes", "k"],
  ])("%s %s", async (flag, value) => {
    const exit = await run([flag, value, "-u", user, "-H", join(scratch(), "home")]);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(flag);
  });

  test.each(["--max-messages", "--max-bytes"])("%s without one", async (flag) => {
    const exit = await run(["-u", user, "-H", join(scratch(), "home"), flag]);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(flag);
  });
});
