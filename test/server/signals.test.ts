/** What a signal ends, and what is left. */
import { describe, expect, test } from "bun:test";

import { set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { start, suite } from "./harness.ts";

suite();

const signals = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

describe.each(signals)("%s with pipelined sets in flight", (signal) => {
  test("what was answered is there after a restart, in order", async () => {
    const first = await start();
    const clients = await Promise.all([0, 1, 2, 3].map(() => first.connect()));
    for (const [at, client] of clients.entries()) {
      const all = Array.from({ length: 5000 }, (_, n) => set(`q${at}`, `${n}`));
      client.send(Buffer.concat(all));
    }
    expect(await clients[0]?.line()).toBe("STORED");
    const exit = first.stop(signal);
    const answers = await Promise.all(clients.map((client) => client.rest()));
    expect(await exit).toMatchObject({ code: 0 });

    const second = await start([], { home: first.home });
    const reader = await second.connect();
    for (const [at, text] of answers.entries()) {
      const stored = text.split("STORED\r\n").length - 1 + (at === 0 ? 1 : 0);
      expect(text.replaceAll("STORED\r\n", "")).toBe("");
      reader.send(`get${` q${at}`.repeat(5001)}\r\n`);
      const bodies = (await reader.messages()).map(({ body }) => body);
      expect(bodies).toEqual(Array.from({ length: bodies.length }, (_, n) => `${n}`));
      // Every command that was done was answered before the connection was closed.
      expect(bodies.length).toBe(stored);
    }
    await second.stop();
  });
});

test("idle clients see the end of their connection, not a reset", async () => {
  const server = await start();
  const clients = await Promise.all([1, 2, 3].map(() => server.connect()));
  for (const client of clients) await client.inStep();
  clients[1]?.send("set q 0 0 100\r\nhalf");
  await clients[2]?.inStep();
  const exit = server.stop();
  expect(await clients[0]?.rest()).toBe("");
  expect(await clients[2]?.rest()).toBe("");
  expect(await exit).toMatchObject({ code: 0 });
});

test("a client that doesn't read can't hold up the end for ever, and a second signal ends it at once", async () => {
  const server = await start(["-N", "-B", "1048576"]);
  const client = await server.connect();
  for (let n = 0; n < 32; n++) await client.put("q", Buffer.alloc(1_048_576, `${n};`), n);
  const deaf = await server.connect();
  deaf.pause();
  deaf.send("get q\r\n".repeat(32));
  await client.inStep();
  const asked = Date.now();
  const first = server.stop("SIGTERM");
  const second = server.stop("SIGINT");
  await Promise.all([first, second]);
  expect(Date.now() - asked).toBeLessThan(5000);
});

describe.each(signals)("%s twice at the same moment", (signal) => {
  test("ends at once, and the store is whole", async () => {
    const server = await start();
    const client = await server.connect();
    await client.put("q", "kept");
    // Stopped, the process finds both signals when it goes on.
    process.kill(server.pid, "SIGSTOP");
    process.kill(server.pid, signal);
    process.kill(server.pid, signal === "SIGTERM" ? "SIGINT" : "SIGTERM");
    process.kill(server.pid, "SIGCONT");
    await server.stop(signal).catch(() => undefined);

    const next = await start([], { home: server.home });
    const after = await next.connect();
    after.send("get q q\r\n");
    expect(await after.messages()).toEqual([{ queue: "q", flags: 0, body: "kept" }]);
    await next.stop();
  });
});

test("SIGHUP and SIGPIPE don't harm a server with clients", async () => {
  const server = await start();
  const client = await server.connect();
  process.kill(server.pid, "SIGPIPE");
  await client.inStep();
  await expectLines(client, []);
  await server.stop();
});
