/** What accounts may do: refused requests are answered in step, in each dialect, and lists tell only what may be seen. */
import { describe, expect, test } from "bun:test";

import { number, opcodes, set as binarySet, status } from "../protocol/binary/packet.ts";
import { authFile, login } from "./accounts.ts";
import { talk } from "./conversation.ts";
import { start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

const REFUSED = "CLIENT_ERROR not allowed";
const file = authFile(
  "root:x",
  "producer:x:set=jobs*",
  "consumer:x:get=jobs*,get=mail",
  "viewer:x:peek=jobs*",
  "cleaner:x:delete=jobs*",
  "chief:x:admin",
);
const server = await start(["--auth-file", file]);

async function as(name: string) {
  const client = await server.connect();
  client.send(login(name, "x"));
  expect(await client.line()).toBe("STORED");
  return client;
}

/** What each account is refused, of these. */
const COMMANDS = {
  set: "set jobs1 0 0 1\r\nx",
  ms: "ms jobs1 1\r\nx",
  get: "get jobs1",
  gets: "gets jobs1",
  wait: "get jobs1/t=1",
  open: "get jobs1/open",
  close: "get jobs1/close",
  abort: "get jobs1/abort",
  mg: "mg jobs1 v",
  peek: "get jobs1/peek",
  "mg peek": "mg jobs1/peek v",
  delete: "delete nothing",
  "delete jobs": "delete jobs9",
  md: "md jobs9",
  flush: "flush jobs9",
  pause: "pause jobs9 1",
  resume: "resume jobs9",
  "get pause": "get jobs9/pause=1",
  "stats queue": "stats queue jobs1",
  me: "me jobs1",
  "stats of another": "stats queue other",
  "flush_all 1": "flush_all 1",
  flush_all: "flush_all",
  verbosity: "verbosity 1",
  "stats reset": "stats reset",
  db_checkpoint: "db_checkpoint",
  db_archive: "db_archive",
  stats: "stats",
  version: "version",
  mn: "mn",
};
type Command = keyof typeof COMMANDS;
const TAKING: Command[] = ["get", "gets", "wait", "open", "close", "abort", "mg"];
const ADMIN: Command[] = ["flush_all", "verbosity", "stats reset", "db_checkpoint", "db_archive"];
const ALWAYS: Command[] = ["stats", "version", "mn", "flush_all 1"];
const SIGHT: Command[] = ["stats queue", "me"];

test.each([
  ["root", Object.keys(COMMANDS) as Command[]],
  ["producer", ["set", "ms", ...SIGHT, ...ALWAYS]],
  ["consumer", [...TAKING, ...SIGHT, ...ALWAYS]],
  ["viewer", ["peek", "mg peek", ...SIGHT, ...ALWAYS]],
  ["cleaner", ["delete jobs", "md", "flush", "pause", "resume", "get pause", ...SIGHT, ...ALWAYS]],
  ["chief", [...ADMIN, ...SIGHT, "stats of another", ...ALWAYS]],
] as [string, Command[]][])(
  "%s may do what its rights say, and nothing else",
  async (name, allowed) => {
    const client = await as(name);
    const refused: string[] = [];
    for (const [command, line] of Object.entries(COMMANDS)) {
      client.send(`${line}\r\nversion\r\n`);
      const reply = await client.until("VERSION ");
      await client.line();
      if (reply.startsWith(REFUSED)) {
        expect(reply).toBe(`${REFUSED}\r\nVERSION `);
        refused.push(command);
      }
    }
    const expected = Object.keys(COMMANDS).filter(
      (command) => !allowed.includes(command as Command),
    );
    expect(refused).toEqual(expected);
    await client.end();
  },
);

test("a refused request changes nothing, and its body is swallowed", async () => {
  const [root, client] = [await as("root"), await as("consumer")];
  client.send(
    `set other 0 0 ${"get jobs1\r\n".length}\r\nget jobs1\r\n\r\nset other 0 0 1 noreply\r\nx\r\n`,
  );
  expect(await client.line()).toBe(REFUSED);
  await client.inStep();
  await root.put("other", "theirs");
  for (const keys of ["mail other", "other mail", "mail/or=other", "mail/t=1 other/t=1"]) {
    expect(await client.ask(`get ${keys}`)).toBe(REFUSED);
  }
  expect(await root.take("other")).toBe("theirs");
  await root.end();
  await client.end();
});

test("many keys are all looked at", async () => {
  const client = await as("consumer");
  const keys = Array.from({ length: 100 }, (_, i) => `jobs${i}`);
  client.send(`get ${keys.join(" ")}\r\n`);
  await client.messages();
  expect(await client.ask(`get ${keys.join(" ")} other`)).toBe(REFUSED);
  await client.end();
});

test("lists tell of what may be seen", async () => {
  const root = await as("root");
  for (const queue of ["jobs1", "jobs2", "mail", "secret"]) await root.put(queue, "x");
  for (const [name, seen] of [
    ["producer", ["jobs1", "jobs2"]],
    ["consumer", ["jobs1", "jobs2", "mail"]],
    ["chief", ["jobs1", "jobs2", "mail", "secret"]],
  ] as const) {
    const client = await as(name);
    client.send("stats queue\r\n");
    const listed =
      (await client.until("END\r\n")).match(/(?<=STAT )(?:jobs[12]|mail|secret)(?= )/g) ?? [];
    expect(listed.toSorted()).toEqual([...seen]);
    client.send("stats\r\n");
    const plain = (await client.until("END\r\n")).matchAll(
      /^STAT queue_(jobs[12]|mail|secret)_age /gm,
    );
    expect([...plain].map(([, queue]) => queue as string).toSorted()).toEqual([...seen]);
    await client.end();
  }
  await root.end();
});

describe("binary", () => {
  test("the status is 0x24, in step", async () => {
    const client = await binaryClient(server);
    await client.ask(opcodes.saslAuth, { key: "PLAIN", value: "\0consumer\0x" });
    const refused = { status: status.notAllowed, value: "not allowed" };
    expect(await client.set("other", "a body")).toEqual(refused);
    expect(await client.get("other")).toEqual(refused);
    expect(await client.get("jobs1/peek")).toEqual(refused);
    expect(await client.ask(opcodes.delete, { key: "jobs1" })).toEqual(refused);
    expect(await client.ask(opcodes.flush, { extras: number(0) })).toEqual(refused);
    expect(await client.ask(opcodes.stat, { key: "queue other" })).toEqual(refused);
    client.send(binarySet("other", "quiet", 0, {}));
    expect(await client.answer()).toMatchObject(refused);
    await client.alive();
    await client.end();
  });
});

test("the words of the description", async () => {
  const client = await as("producer");
  await talk(
    client,
    `> set jobs 0 0 1
     > x
     < STORED
     > get jobs
     < CLIENT_ERROR not allowed
     > set mail 0 0 1
     > x
     < CLIENT_ERROR not allowed`,
  );
  await client.end();
});

const movers = authFile(
  "root:x",
  "taker:x:get=jobs",
  "mover:x:get=jobs,set=next",
  "finisher:x:get=jobs,set=results",
  "setter:x:set=next",
);
const movingServer = await start(["--auth-file", movers]);

describe("what concerns two queues needs the rights of both", () => {
  /** @returns the first lines of the answers to these, each of which is followed by a version */
  async function answersTo(name: string, lines: readonly string[]): Promise<string[]> {
    const client = await movingServer.connect();
    client.send(login(name, "x"));
    expect(await client.line()).toBe("STORED");
    const found: string[] = [];
    for (const line of lines) {
      client.send(`${line}\r\nversion\r\n`);
      const [first = ""] = (await client.until("VERSION ")).split("\r\n");
      await client.line();
      found.push(first === REFUSED ? "refused" : "done");
    }
    await client.end();
    return found;
  }

  test.each([
    [
      "taker",
      ["refused", "refused", "refused", "refused", "done", "done", "done", "done", "refused"],
    ],
    ["mover", ["done", "done", "refused", "refused", "done", "done", "done", "done", "refused"]],
    ["finisher", ["refused", "refused", "done", "done", "done", "done", "done", "done", "refused"]],
    [
      "setter",
      [
        "refused",
        "refused",
        "refused",
        "refused",
        "refused",
        "refused",
        "refused",
        "refused",
        "refused",
      ],
    ],
    ["root", ["done", "done", "done", "done", "done", "done", "done", "done", "done"]],
  ])("%s", async (name, expected) => {
    const lines = [
      "get jobs/to=next",
      "get jobs/all/to=next",
      "set results/close=jobs 0 0 1\r\nx",
      "set results/done=jobs:1 0 0 1\r\nx",
      "get jobs/lease=1000",
      "touch jobs/1 10",
      "delete jobs/1",
      "gat 10 jobs",
      "get jobs/or=other",
    ];
    expect(await answersTo(name, lines)).toEqual(expected);
  });
});

test("the statistics of all queues leave out those that may not be seen", async () => {
  const [root, client] = [await as("root"), await as("viewer")];
  for (const queue of ["jobs1", "hidden"]) await root.put(queue, "x");
  for (const command of ["stats", "dump_stats"]) {
    client.send(`${command}\r\n`);
    const text = await client.until("END\r\n");
    expect(text).toContain("jobs1");
    expect(text).not.toContain("hidden");
  }
  expect(await client.ask("dump_stats hidden")).toBe(REFUSED);
  await root.end();
  await client.end();
});
