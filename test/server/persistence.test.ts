/** What was answered is there after a restart, whether the server was stopped or killed. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

const modes: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["durable", []],
  ["-N", ["-N"]],
];

/** Empties a queue, and returns its messages' bodies. */
async function drain(client: Client, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    client.send(`get${` ${queue}`.repeat(500)}\r\n`);
    const messages = await client.messages();
    bodies.push(...messages.map(({ body }) => body));
    if (messages.length < 500) return bodies;
  }
}

async function queueStatistics(client: Client): Promise<Record<string, string>> {
  client.send("stats queue\r\n");
  const lines = (await client.until("END\r\n")).split("\r\n").slice(0, -2);
  return Object.fromEntries(lines.map((line) => line.split(" ").slice(1)));
}

const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, n) => `${from + n}`);

describe.each(modes)("%s", (_name, flags) => {
  describe.each(["SIGTERM", "SIGINT", "SIGQUIT"] as const)("stopped with %s", (signal) => {
    test("leaves with 0 and no log file; order, flags, numbers and counters are kept", async () => {
      const first = await start(flags);
      const before = await first.connect();
      for (let n = 0; n < 300; n++) before.send(set(`q${n % 3}`, `body ${n}`, n));
      await expectLines(before, Array<string>(300).fill("STORED"));
      expect(await before.take("q1")).toBe("body 1");
      expect(await first.stop(signal)).toMatchObject({ code: 0, stdout: "" });
      expect(existsSync(join(first.home, "memcacheq.db"))).toBe(true);
      expect(existsSync(join(first.home, "memcacheq.db-wal"))).toBe(false);

      const second = await start(flags, { home: first.home });
      const after = await second.connect();
      expect(await queueStatistics(after)).toEqual({ q0: "100/0", q1: "100/1", q2: "100/0" });
      for (const queue of [0, 1, 2]) {
        after.send(`gets${` q${queue}`.repeat(101)}\r\n`);
        const taken = queue === 1 ? 1 : 0;
        expect(await after.messages()).toEqual(
          Array.from({ length: 100 - taken }, (_, at) => {
            const n = (at + taken) * 3 + queue;
            return { queue: `q${queue}`, flags: n, body: `body ${n}`, number: at + taken + 1 };
          }),
        );
      }
      await after.put("q1", "next");
      after.send("gets q1\r\n");
      expect((await after.messages())[0]?.number).toBe(101);
      expect(await second.stop(signal)).toMatchObject({ code: 0 });
    });
  });

  test("the backlog of a queue outlives many restarts while it is written and read", async () => {
    let home: string | undefined;
    for (let round = 0; round < 5; round++) {
      const server = await start(flags, home === undefined ? {} : { home });
      const client = await server.connect();
      client.send(Buffer.concat(range(round * 100, round * 100 + 100).map((n) => set("q", n))));
      await expectLines(client, Array<string>(100).fill("STORED"));
      for (const n of range(round * 40, round * 40 + 40)) expect(await client.take("q")).toBe(n);
      expect(await queueStatistics(client)).toEqual({
        q: `${round * 100 + 100}/${round * 40 + 40}`,
      });
      if (round % 2) await server.stop();
      else await server.kill9();
      home = server.home;
    }
    const server = await start(flags, home === undefined ? {} : { home });
    const client = await server.connect();
    expect(await drain(client, "q")).toEqual(range(200, 500));
    expect(await queueStatistics(client)).toEqual({ q: "500/500" });
    await server.stop();
  });
});

describe.each(modes)("killed in the middle of load, %s", (_name, flags) => {
  /** Commands that a client may have sent without having read their answers. */
  const ahead = 50;

  /** Does `send` and `receive` over and over, `ahead` sends in front, until the connection breaks. */
  async function keepOn(
    server: Server,
    send: (client: Client) => void,
    receive: (client: Client) => Promise<void>,
  ): Promise<void> {
    const client = await server.connect();
    for (let n = 0; n < ahead; n++) send(client);
    try {
      for (;;) {
        await receive(client);
        send(client);
      }
    } catch (error) {
      expect(`${error}`).toContain("connection closed");
    }
  }

  /** Appends 0, 1, 2 ... and counts the answers. */
  function producer(server: Server, queue: string, count: { stored: number }): Promise<void> {
    let next = 0;
    return keepOn(
      server,
      (client) => client.send(set(queue, `${next}`, next++)),
      async (client) => {
        expect(await client.line()).toBe("STORED");
        count.stored++;
      },
    );
  }

  /** Takes messages, and keeps those that it read to the end. */
  function consumer(server: Server, queue: string, taken: string[]): Promise<void> {
    return keepOn(
      server,
      (client) => client.send(`get ${queue}\r\n`),
      async (client) => {
        for (const message of await client.messages()) taken.push(message.body);
      },
    );
  }

  test.each([300, 3000])("after %d answers", async (enough) => {
    const first = await start([...flags, "-L", "4"]);
    const filler = await first.connect();
    const filled = 20_000;
    filler.send(Buffer.concat(range(0, filled).map((n) => set("read", n))));
    await expectLines(filler, Array<string>(filled).fill("STORED"));

    const written = { stored: 0 };
    const passed = { stored: 0 };
    const read: string[] = [];
    const passedOn: string[] = [];
    const load = [
      producer(first, "written", written),
      consumer(first, "read", read),
      producer(first, "both", passed),
      consumer(first, "both", passedOn),
    ];
    const watcher = await first.connect();
    const done = () => Math.min(written.stored, passed.stored, read.length, passedOn.length);
    while (done() < enough) await watcher.inStep();
    await first.kill9();
    await Promise.all(load);

    const second = await start(flags, { home: first.home });
    const client = await second.connect();
    const statistics = await queueStatistics(client);

    // Only written: every STORED that was read stands for a message.
    const kept = await drain(client, "written");
    expect(kept).toEqual(range(0, kept.length));
    expect(kept.length).toBeGreaterThanOrEqual(written.stored);
    expect(kept.length).toBeLessThanOrEqual(written.stored + ahead);
    expect(statistics["written"]).toBe(`${kept.length}/0`);

    // Only read: no VALUE that was read comes back; what is missing had been sent.
    const left = await drain(client, "read");
    expect(read).toEqual(range(0, read.length));
    const lost = filled - left.length - read.length;
    expect(left).toEqual(range(read.length + lost, filled));
    expect(lost).toBeGreaterThanOrEqual(0);
    expect(lost).toBeLessThanOrEqual(ahead);
    expect(statistics["read"]).toBe(`${filled}/${filled - left.length}`);

    // Both at once.
    const rest = await drain(client, "both");
    const gone = Number(rest[0] ?? passedOn.length) - passedOn.length;
    expect(passedOn).toEqual(range(0, passedOn.length));
    if (rest.length > 0) {
      expect(gone).toBeGreaterThanOrEqual(0);
      expect(gone).toBeLessThanOrEqual(ahead);
      expect(rest).toEqual(range(passedOn.length + gone, passedOn.length + gone + rest.length));
    }
    const [sets = 0, gets = 0] = (statistics["both"] ?? "").split("/").map(Number);
    expect(sets).toBeGreaterThanOrEqual(passed.stored);
    expect(sets).toBeLessThanOrEqual(passed.stored + ahead);
    expect(gets).toBeGreaterThanOrEqual(passedOn.length);
    expect(gets).toBeLessThanOrEqual(passedOn.length + ahead);
    expect(sets - gets).toBe(rest.length);

    // The next messages go behind, with the next numbers.
    await client.put("both", "next");
    client.send("gets both\r\n");
    expect(await client.messages()).toEqual([
      { queue: "both", flags: 0, body: "next", number: sets + 1 },
    ]);
    await second.stop();
  });
});

test("a client that is gone with half a message leaves nothing, after kill -9 too", async () => {
  const first = await start();
  const client = await first.connect();
  await client.put("q", "whole");
  client.send("set q 0 0 1000\r\nhalf of the body");
  await (await first.connect()).inStep();
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  expect(await queueStatistics(after)).toEqual({ q: "1/0" });
  expect(await drain(after, "q")).toEqual(["whole"]);
  await second.stop();
});
