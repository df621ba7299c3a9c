/** A store that can't commit: `SERVER_ERROR`, nothing stored, nothing lost, and it goes on when it can again. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, scratch, start, suite } from "./harness.ts";

suite();

const reason = /^SERVER_ERROR \S.*$/;

describe.each(["0", "50"])("another process's lock on the file, -D %s", (wait) => {
  test("sets, gets and deletes fail until it is released", async () => {
    const server = await start(["-D", wait]);
    const client = await server.connect();
    await client.put("q", "first", 1);

    const other = new Database(join(server.home, "memcacheq.db"));
    other.run("BEGIN IMMEDIATE");
    client.send(set("q", "never"));
    expect(await client.line()).toMatch(reason);
    client.send(set("new", "never"));
    expect(await client.line()).toMatch(reason);
    expect(await client.ask("get q")).toMatch(reason);
    expect(await client.ask("get q nothing q")).toMatch(reason);
    expect(await client.ask("delete q")).toMatch(reason);
    // Nothing has to be committed for these.
    expect(await client.ask("get nothing")).toBe("END");
    await client.inStep();
    client.send("set q 0 0 5 noreply\r\nnever\r\n");
    await client.inStep();
    other.run("ROLLBACK");
    other.close();

    client.send("stats queue\r\n");
    await expectLines(client, ["STAT q 1/0", "END"]);
    await client.put("q", "second", 2);
    client.send("gets q q q new\r\n");
    expect(await client.messages()).toEqual([
      { queue: "q", flags: 1, body: "first", number: 1 },
      { queue: "q", flags: 2, body: "second", number: 2 },
    ]);
    await server.stop();
  });
});

test("a close that can't be committed gives the message back", async () => {
  const server = await start(["-D", "0"]);
  const [client, next] = [await server.connect(), await server.connect()];
  await client.put("q", "first");
  await client.put("q", "second");
  expect(await client.take("q/open")).toBe("first");
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  expect(await client.ask("get q/close")).toMatch(reason);
  // Opening and looking write nothing; giving back counts the delivery.
  expect(await next.take("q/peek")).toBe("first");
  expect(await next.take("q/open")).toBe("first");
  expect(await next.ask("get q/abort")).toMatch(reason);
  expect(await next.take("q/open")).toBe("first");
  expect(await next.ask("get q/abort")).toMatch(reason);
  expect(await next.ask("flush q")).toMatch(reason);
  expect(await next.ask("flush_all")).toMatch(reason);
  other.run("ROLLBACK");
  other.close();
  expect(await client.take("q/close")).toBeUndefined();
  next.send("stats queue\r\n");
  await expectLines(next, ["STAT q 2/0", "END"]);
  next.send("gets q q q\r\n");
  expect((await next.messages()).map(({ body, number }) => [body, number])).toEqual([
    ["first", 1],
    ["second", 2],
  ]);
  await server.stop();
});

test("a set that can't be committed reaches nobody who waits", async () => {
  const server = await start(["-D", "0"]);
  const [client, waiting] = [await server.connect(), await server.connect()];
  await waiting.inStep();
  waiting.send("get q/t=100000\r\n");
  await client.inStep();
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  client.send(set("q", "never"));
  expect(await client.line()).toMatch(reason);
  other.run("ROLLBACK");
  other.close();
  await client.put("q", "stored");
  // Its wait may have been part of the transaction that failed.
  const answer = await waiting.line();
  if (answer !== "VALUE q/t=100000 0 6") {
    expect(answer).toMatch(reason);
    waiting.send("get q\r\n");
    expect(await waiting.line()).toBe("VALUE q 0 6");
  }
  await expectLines(waiting, ["stored", "END"]);
  await server.stop();
});

test("a lock that is released in time is waited for", async () => {
  const server = await start(["-D", "20000"]);
  const client = await server.connect();
  await client.put("q", "first");
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  client.send(set("q", "second"));
  // The server now waits; nothing tells when it began to.
  await Bun.sleep(50);
  other.run("ROLLBACK");
  other.close();
  expect(await client.line()).toBe("STORED");
  await server.stop();
});

/** No file may grow past this; the signal that would end the process is ignored. */
const smallDisk = (kilobytes: number) => `trap '' XFSZ; ulimit -f ${kilobytes * 2}`;

describe.each([
  ["durable", []],
  ["-N", ["-N"]],
])("a full disk, %s", (_name, flags) => {
  test("what was answered STORED is there, the rest was refused, and the server goes on", async () => {
    const first = await start(["-B", "10000", "-m", "1", ...flags], { shell: smallDisk(2000) });
    const client = await first.connect();
    const body = (n: number) => `${n};`.repeat(2000).slice(0, 9000);
    const stored: string[] = [];
    for (let refused = 0, n = 0; refused < 20; n++) {
      client.send(set("q", body(n)));
      const answer = await client.line();
      if (answer === "STORED") stored.push(body(n));
      else {
        expect(answer).toMatch(reason);
        refused++;
      }
      expect(n).toBeLessThan(5000);
    }
    expect(stored.length).toBeGreaterThan(50);
    await client.inStep();

    // A get is a commit too: each either gives the next message or fails and leaves it.
    const taken: string[] = [];
    for (let n = 0; n < 10; n++) {
      client.send("get q\r\n");
      const head = await client.line();
      if (head.startsWith("SERVER_ERROR ")) continue;
      const { length } = stored[taken.length] ?? "";
      expect(head).toBe(`VALUE q 0 ${length}`);
      taken.push((await client.read(length)).toString("latin1"));
      expect(await client.until("END\r\n")).toBe("\r\nEND\r\n");
    }
    expect(taken).toEqual(stored.slice(0, taken.length));
    client.send("stats queue\r\n");
    await expectLines(client, [`STAT q ${stored.length}/${taken.length}`, "END"]);
    await first.stop();

    const second = await start(["-B", "10000", ...flags], { home: first.home });
    const after = await second.connect();
    after.send("stats queue\r\n");
    await expectLines(after, [`STAT q ${stored.length}/${taken.length}`, "END"]);
    after.send(`get${" q".repeat(stored.length + 1)}\r\n`);
    const left = (await after.messages()).map((message) => message.body);
    expect(left).toEqual(stored.slice(taken.length));
    await second.stop();
  });
});

describe("the file", () => {
  const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

  async function fill(client: Client, messages: number): Promise<void> {
    client.send(Buffer.concat(Array<Buffer>(messages).fill(set("q", "b".repeat(1000)))));
    await expectLines(client, Array<string>(messages).fill("STORED"));
  }

  test.each(["db_checkpoint", "db_archive"])(
    "holds everything after %s, without its log",
    async (command) => {
      const server = await start(["-C", "0", "-T", "0"]);
      const client = await server.connect();
      await fill(client, 100);
      expect(await client.take("q")).toBe("b".repeat(1000));
      expect(await client.ask(command)).toBe("OK");
      const log = join(server.home, "memcacheq.db-wal");
      if (command === "db_archive") expect(sizeOf(log)).toBe(0);

      const home = join(scratch(), "home");
      mkdirSync(home);
      copyFileSync(join(server.home, "memcacheq.db"), join(home, "memcacheq.db"));
      const copy = await start([], { home });
      const reader = await copy.connect();
      reader.send("stats queue\r\n");
      await expectLines(reader, ["STAT q 100/1", "END"]);
      reader.send(`get${" q".repeat(100)}\r\n`);
      expect(await reader.messages()).toHaveLength(99);
      await copy.stop();
      expect(await client.take("q")).toBe("b".repeat(1000));
      await server.stop();
    },
  );

  function pageSizeIn(home: string): number {
    const size = readFileSync(join(home, "memcacheq.db")).readUInt16BE(16);
    // The format writes 65,536 as 1.
    return size === 1 ? 65_536 : size;
  }

  test.each([
    [[], 4096],
    [["-B", "16383"], 4096],
    [["-B", "16384"], 16_384],
    [["-B", "1048576", "-A", "4096"], 4096],
  ])("with %j has pages of %d bytes, which stay", async (flags, size) => {
    const server = await start(flags);
    const client = await server.connect();
    await client.put("q", "x");
    await server.stop();
    expect(pageSizeIn(server.home)).toBe(size);
    const again = await start(["-B", size === 4096 ? "1048576" : "1024"], { home: server.home });
    expect(await (await again.connect()).take("q")).toBe("x");
    await again.stop();
    expect(pageSizeIn(server.home)).toBe(size);
  });

  test.each([512, 8192, 65_536])("has pages of -A %d bytes", async (size) => {
    const server = await start(["-A", `${size}`]);
    const client = await server.connect();
    await client.put("q", "x");
    await server.stop();
    expect(pageSizeIn(server.home)).toBe(size);
    const again = await start(["-A", "4096"], { home: server.home });
    expect(await (await again.connect()).take("q")).toBe("x");
    await again.stop();
  });

  test("shrinks when its messages are consumed, with -E", async () => {
    const server = await start(["-E", "100", "-C", "1", "-T", "1", "-N"]);
    const client = await server.connect();
    const file = join(server.home, "memcacheq.db");
    for (let n = 0; n < 10; n++) await fill(client, 1000);
    expect(await client.ask("db_checkpoint")).toBe("OK");
    const full = sizeOf(file);
    expect(full).toBeGreaterThan(9_000_000);
    client.send(`get${" q".repeat(10_000)}\r\n`);
    expect(await client.messages()).toHaveLength(10_000);
    await eventually("a smaller file", async () => {
      expect(await client.ask("db_checkpoint")).toBe("OK");
      return sizeOf(file) < full / 4 ? true : undefined;
    });
    await server.stop();
  });
});
