/** Clients that don't read, that stop in the middle, and that shut down their writing side. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { type Client, set } from "./client.ts";
import { eventually, memoryOf, type Server, start, suite, whileStopped } from "./harness.ts";

suite();

const MB = 1024 * 1024;
const count = 96;

let server: Server;
let other: Client;
beforeAll(async () => {
  server = await start(["-N", "-B", `${MB}`, "-m", "8"]);
  other = await server.connect();
});

/** A megabyte that depends on its number. */
const body = (n: number) => Buffer.alloc(MB, `${n};`);

async function fill(queue: string): Promise<void> {
  for (let n = 0; n < count; n++) await other.put(queue, body(n), n);
}

async function taken(queue: string): Promise<number> {
  other.send("stats queue\r\n");
  const lines = (await other.until("END\r\n")).split("\r\n");
  const line = lines.find((each) => each.startsWith(`STAT ${queue} `));
  return Number(line?.split("/").at(-1));
}

async function expectMessage(client: Client, queue: string, n: number): Promise<void> {
  expect(await client.line()).toBe(`VALUE ${queue} ${n} ${MB}`);
  if (!(await client.read(MB)).equals(body(n))) throw new Error(`message ${n} has another body`);
  expect(await client.until("\r\n")).toBe("\r\n");
}

async function expectMessages(client: Client, queue: string, to: number): Promise<void> {
  for (let n = 0; n < to; n++) {
    await expectMessage(client, queue, n);
    expect(await client.line()).toBe("END");
  }
}

describe("a client that sends gets without reading", () => {
  test.each([
    [
      "in one write",
      (client: Client, queue: string) => client.send(`get ${queue}\r\n`.repeat(count)),
    ],
    [
      "one by one",
      (client: Client, queue: string) => {
        for (let n = 0; n < count; n++) client.send(`get ${queue}\r\n`);
      },
    ],
  ])(
    "%s: memory is bounded, others are served, and it gets everything when it reads",
    async (title, sendAll) => {
      const queue = title.replaceAll(" ", "-");
      await fill(queue);
      const before = memoryOf(server.pid);
      const greedy = await server.connect();
      greedy.pause();
      sendAll(greedy, queue);
      for (let n = 0; n < 200; n++) {
        await other.put("small", `${n}`);
        expect(await other.take("small")).toBe(`${n}`);
        expect(memoryOf(server.pid) - before).toBeLessThan(48 * MB);
      }
      expect(await taken(queue)).toBeLessThan(count / 2);
      greedy.resume();
      await expectMessages(greedy, queue, count);
      await greedy.inStep();
      expect(await taken(queue)).toBe(count);
      await greedy.end();
    },
  );

  test("in one get of many keys: the same", async () => {
    await fill("many");
    const before = memoryOf(server.pid);
    const greedy = await server.connect();
    greedy.pause();
    greedy.send(`get ${"many ".repeat(count)}\r\nversion\r\n`);
    for (let n = 0; n < 200; n++) {
      await other.inStep();
      expect(memoryOf(server.pid) - before).toBeLessThan(48 * MB);
    }
    expect(await taken("many")).toBeLessThan(count / 2);
    greedy.resume();
    for (let n = 0; n < count; n++) await expectMessage(greedy, "many", n);
    expect(await greedy.line()).toBe("END");
    expect(await greedy.line()).toStartWith("VERSION ");
    await greedy.end();
  });

  test("and is gone: what it was not sent is still there, the server goes on", async () => {
    await fill("left");
    const greedy = await server.connect();
    greedy.pause();
    greedy.send("get left\r\n".repeat(count));
    await other.inStep();
    greedy.reset();
    await other.inStep();
    const gone = await eventually("the connection's end", async () => {
      const [first, second] = [await taken("left"), await taken("left")];
      return first === second ? first : undefined;
    });
    expect(gone).toBeLessThan(count / 2);
    other.send("get left\r\n");
    await expectMessage(other, "left", gone);
    expect(await other.line()).toBe("END");
    expect(await other.ask("delete left")).toBe("DELETED");
  });
});

test("a client that sends sets without reading the answers is answered when it reads", async () => {
  const rounds = 200_000;
  const sender = await server.connect();
  sender.pause();
  sender.send(
    Buffer.alloc(rounds * 22, "set s 0 0 5\r\nHello\r\n\r\n".slice(0, 20)).subarray(0, rounds * 20),
  );
  for (let n = 0; n < 50; n++) await other.inStep();
  sender.resume();
  const answers = (await sender.read(rounds * 8)).toString("latin1");
  expect(answers === "STORED\r\n".repeat(rounds)).toBe(true);
  await sender.inStep();
  expect(await other.ask("delete s")).toBe("DELETED");
  await sender.end();
});

describe("half-close: a client that shuts down its writing side still gets every answer, then the end", () => {
  test("one get", async () => {
    await other.put("q", "Hello", 3);
    const client = await server.connect();
    client.send("get q\r\n");
    client.shutdown();
    expect(await client.rest()).toBe("VALUE q 3 5\r\nHello\r\nEND\r\n");
  });

  test("a set", async () => {
    const client = await server.connect();
    client.send(set("q", "last words"));
    client.shutdown();
    expect(await client.rest()).toBe("STORED\r\n");
    expect(await other.take("q")).toBe("last words");
  });

  test("nothing at all", async () => {
    const client = await server.connect();
    client.shutdown();
    expect(await client.rest()).toBe("");
  });

  test("half a command after a whole one", async () => {
    const client = await server.connect();
    client.send(`${set("q", "x").toString()}get q`);
    client.shutdown();
    expect(await client.rest()).toBe("STORED\r\n");
    expect(await other.take("q")).toBe("x");
  });

  test("more answers than fit into the sockets", async () => {
    await fill("big");
    const client = await server.connect();
    client.pause();
    client.send("get big\r\n".repeat(count));
    client.shutdown();
    await other.inStep();
    client.resume();
    await expectMessages(client, "big", count);
    expect(await client.rest()).toBe("");
  });
});

describe("a client that disconnects in the middle of a body leaves nothing", () => {
  test.each(["end", "reset"] as const)("%s", async (how) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
    for (const [n, client] of clients.entries()) {
      client.send(`set half 0 0 1000\r\n${"h".repeat(n * 50)}`);
    }
    await other.inStep();
    for (const client of clients) await client[how]();
    await other.inStep();
    expect(await other.take("half")).toBeUndefined();
  });

  test("or in the middle of a body that is swallowed", async () => {
    const client = await server.connect();
    client.send(`set half 0 0 100000000\r\n${"h".repeat(100_000)}`);
    await other.inStep();
    client.reset();
    await other.inStep();
    expect(await other.take("half")).toBeUndefined();
  });
});

/** How many connections the system has for the server, established or ended by the client: not one that was reset. */
function connectionsOf({ port }: Server): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "latin1").trim().split("\n").slice(1);
  return rows.filter((row) => {
    const [, address = "", , state = ""] = row.trim().split(/ +/);
    return address.endsWith(local) && ["01", "08"].includes(state);
  }).length;
}

describe("a client that is gone before the server could answer", () => {
  test("leaves the message in its queue", async () => {
    await other.put("precious", "message");
    for (let n = 0; n < 20; n++) {
      const client = await server.connect();
      await client.inStep();
      // Stopped, the server finds the command and the reset together.
      await whileStopped(server.pid, async () => {
        const before = connectionsOf(server);
        client.send("get precious\r\n");
        client.reset();
        await eventually("the reset to arrive", () =>
          connectionsOf(server) < before ? true : undefined,
        );
      });
      await other.inStep();
    }
    expect(await other.take("precious")).toBe("message");
  });
});
