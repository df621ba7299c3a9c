/** What a signal ends, and what is left. */
import { describe, expect, test } from "bun:test";

import { set } from "./client.ts";
import { start, suite, whileStopped } from "./harness.ts";

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

test("a client that doesn't read can't hold up a second signal", async () => {
  const server = await start(["-N", "-B", "1048576"]);
  const [client, idle, deaf] = await Promise.all([1, 2, 3].map(() => server.connect()));
  for (let n = 0; n < 32; n++) await client?.put("q", Buffer.alloc(1_048_576, `${n};`), n);
  deaf?.pause();
  deaf?.send("get q\r\n".repeat(32));
  await client?.inStep();
  const exit = server.stop("SIGTERM");
  // The end of an idle client's connection tells that the first signal has been taken up.
  await idle?.rest();
  void server.stop("SIGINT");
  // A clean stop would have waited for the client, and ended with 0.
  expect((await exit).code).not.toBe(0);

  const next = await start(["-N"], { home: server.home });
  const after = await next.connect();
  after.send("get q\r\n");
  const [message] = await after.messages();
  expect(message?.body).toStartWith(`${message?.flags};`);
  await next.stop();
});

describe.each(signals)("%s twice at the same moment", (signal) => {
  test("ends at once, and the store is whole", async () => {
    const server = await start();
    const client = await server.connect();
    await client.put("q", "kept");
    // Stopped, the process finds both signals when it goes on.
    await whileStopped(server.pid, () => {
      process.kill(server.pid, signal);
      process.kill(server.pid, signal === "SIGTERM" ? "SIGINT" : "SIGTERM");
    });
    await server.exit();

    const next = await start([], { home: server.home });
    const after = await next.connect();
    after.send("get q q\r\n");
    expect(await after.messages()).toEqual([{ queue: "q", flags: 0, body: "kept" }]);
    await next.stop();
  });
});

test("SIGPIPE does no harm", async () => {
  const server = await start();
  const client = await server.connect();
  await client.inStep();
  process.kill(server.pid, "SIGPIPE");
  await client.inStep();
  expect(await server.stop()).toMatchObject({ code: 0 });
});
