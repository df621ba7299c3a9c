/** What is logged with `-v` and `-vv`, and what is not. */
import { describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";

import { connect, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, freePort, launch, scratch, start, suite, user } from "./harness.ts";

suite();

describe("-vv", () => {
  test("shows every command and its reply, no body", async () => {
    const server = await start(["-v"]);
    const client = await server.connect();
    await client.put("jobs", "secret body", 5);
    await client.put("jobs", "secret too", 6);
    client.send("get jobs\r\ngets jobs unknown\r\nset jobs 0 0 3\r\nsecret\r\n");
    expect(await client.messages()).toHaveLength(1);
    expect(await client.messages()).toHaveLength(1);
    await expectLines(client, ["CLIENT_ERROR bad data chunk", "ERROR"]);
    client.send("stats queue\r\nadd jobs 0 0 6\r\nsecret\r\ndelete jobs\r\nnonsense\r\n");
    await client.until("DELETED\r\nERROR\r\n");
    await client.inStep();
    const { stderr } = await server.stop();
    for (const shown of [
      "set jobs 5 0 11",
      "set jobs 6 0 10",
      "STORED",
      "get jobs",
      "VALUE jobs 5 11",
      "gets jobs unknown",
      "VALUE jobs 6 10 2",
      "END",
      "CLIENT_ERROR bad data chunk",
      "stats queue",
      "STAT jobs 2/2",
      "add jobs 0 0 6",
      "CLIENT_ERROR add has no meaning for a queue, use set",
      "delete jobs",
      "DELETED",
      "nonsense",
      "ERROR",
      "VERSION ",
    ]) {
      expect(stderr).toContain(shown);
    }
    expect(stderr).not.toContain("secret");
  });

  test("a body sent in pieces, swallowed or cut off, is not shown either", async () => {
    const server = await start(["-v"]);
    const [client, barrier] = [await server.connect(), await server.connect()];
    await client.inStep();
    for (const piece of ["set q 0 0 20\r\nsecret", "secret", "secret12\r\n"]) {
      client.send(piece);
      await barrier.inStep();
    }
    expect(await client.line()).toBe("STORED");
    client.send(set("q", "secret".repeat(1000)));
    expect(await client.line()).toBe("SERVER_ERROR object too large for cache");
    client.send("set q 0 0 20\r\nsecret");
    await barrier.inStep();
    await client.end();
    const { stderr } = await server.stop();
    expect(stderr).toContain("set q 0 0 20");
    expect(stderr).not.toContain("secret");
  });

  test("bytes of a name or a command can't forge a line or reach a terminal", async () => {
    const server = await start(["-v"]);
    const client = await server.connect();
    const forged = "2026-01-01 error: forged";
    const names = [
      `a\r${forged.replaceAll(" ", "_")}`,
      "\x1b[31mred\x1b[0m",
      "\x1b]0;title\x07",
      "\x9b31mred",
      "\b\b\b\b",
      "\0",
      "\x7f",
      "\v\f",
      "\x85next",
      Buffer.from("\u2028line\u202e").toString("latin1"),
    ];
    for (const name of names) {
      await client.put(name, "x");
      expect(await client.take(name)).toBe("x");
      expect(await client.ask(`delete ${name}`)).toBe("DELETED");
      expect(await client.ask(`${name} nonsense`)).toBe("ERROR");
    }
    const { stderr } = await server.stop();
    expect(stderr).toContain("nonsense");
    // LF ends the log's own lines; nothing else below a space, no C1 control, no line or direction mark of Unicode.
    expect(stderr).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]/);
    for (const line of stderr.split("\n")) expect(line).not.toStartWith(forged.slice(0, 10));
  });

  test("a line of 65,536 bytes doesn't make the log useless", async () => {
    const server = await start(["-v"]);
    const client = await server.connect();
    client.send(`${"x".repeat(65_534)}\r\n`);
    expect(await client.line()).toBe("ERROR");
    await client.inStep();
    const { stderr } = await server.stop();
    expect(stderr).toContain("xxx");
  });
});

test("-v shows no commands", async () => {
  const server = await start();
  const client = await server.connect();
  await client.put("jobs", "secret");
  expect(await client.take("jobs")).toBe("secret");
  const { stderr } = await server.stop();
  expect(stderr).not.toMatch(/jobs 0 0|STORED|VALUE|secret/);
});

test("verbosity changes what is shown from then on", async () => {
  const server = await start();
  const client = await server.connect();
  expect(await client.ask("get before")).toBe("END");
  expect(await client.ask("verbosity 2")).toBe("OK");
  expect(await client.ask("get during")).toBe("END");
  expect(await client.ask("verbosity 1")).toBe("OK");
  expect(await client.ask("get after")).toBe("END");
  expect(await client.ask("verbosity 7")).toBe("OK");
  expect(await client.ask("get again")).toBe("END");
  expect(await client.ask("verbosity 0")).toBe("OK");
  const { stderr } = await server.stop();
  expect(stderr).not.toContain("get before");
  expect(stderr).toContain("get during");
  expect(stderr).not.toContain("get after");
  expect(stderr).toContain("get again");
});

test("-S logs the queues' counters with -v", async () => {
  const server = await start(["-S", "1"]);
  const client = await server.connect();
  await client.put("counted", "x");
  await client.put("counted", "x");
  expect(await client.take("counted")).toBe("x");
  await server.logged(/counted.*2\/1/);
  await server.stop();
});

test("a log that nobody reads stops nobody; what is missing in it is told", async () => {
  const directory = scratch();
  const pipe = join(directory, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const port = freePort();
  const flags = ["-u", user, "-H", join(directory, "home"), "-p", `${port}`, "-l", "127.0.0.1"];
  const server = launch(flags, { shell: `exec 2>'${pipe}'` });
  const address = { hostname: "127.0.0.1", port };
  const client = await eventually("a server", () => connect(address).catch(() => undefined));
  const rounds = 10_000;
  expect(await client.ask("verbosity 2")).toBe("OK");
  client.send("get nothing\r\n".repeat(rounds));
  const answers = await client.read(rounds * "END\r\n".length);
  expect(answers.toString() === "END\r\n".repeat(rounds)).toBe(true);

  const block = Buffer.alloc(65_536);
  let log = "";
  await eventually("the rest of the log", () => {
    try {
      log += block.toString("latin1", 0, readSync(reader, block));
    } catch {
      return / lines were dropped here/.test(log) ? true : undefined;
    }
    return undefined;
  });
  const [, dropped] = /^\S+ error (\d+) lines were dropped here/m.exec(log) ?? [];
  const shown = log.split("get nothing\n").length + log.split("> END\n").length - 2;
  // The first of them may be the answer to the verbosity.
  expect(Number(dropped) + shown).toBe(2 * rounds);
  for (const line of log.split("\n").slice(0, -1))
    expect(line).toMatch(/^\S{24} (info|warn|error|trace) /);
  server.kill("SIGTERM");
  expect(await server.exit()).toMatchObject({ code: 0 });
  closeSync(reader);
});
