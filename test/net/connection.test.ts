/** Connections at moments that a client cannot choose: the server runs in this process, behind real sockets. */
import { dlopen } from "bun:ffi";
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { newEngine } from "../../src/engine/open.ts";
import { type Clients, type Connection, newClients } from "../../src/net/clients.ts";
import { closeConnection, receiveChunk } from "../../src/net/connection.ts";
import { listenTcp } from "../../src/net/tcp.ts";
import { openLocal } from "../../src/queues/local/local.ts";
import { openStore } from "../../src/store/sqlite.ts";
import { type Client, connect, set } from "../server/client.ts";
import { eventually } from "../server/harness.ts";

const MB = 1024 * 1024;
let stop = () => {};
afterEach(() => stop());

interface Hosted {
  clients: Clients;
  /** Begins to serve. */
  serve(): void;
  connect(): Promise<Client>;
  join(): Promise<{ client: Client; connection: Connection }>;
}

const runtime = {
  monotonic: () => performance.now(),
  calendar: () => Date.now(),
  soon: (work: () => void) => void setImmediate(work),
  after(milliseconds: number, work: () => void) {
    const timer = setTimeout(work, milliseconds);
    return () => clearTimeout(timer);
  },
  process: () => ({ pid: process.pid, ...process.cpuUsage() }),
};

function host(): Hosted {
  const hosted = newHost();
  hosted.serve();
  return hosted;
}

/** One that does not serve yet. */
function newHost(): Hosted {
  const directory = mkdtempSync(join(tmpdir(), "memcacheq-"));
  const store = openStore({
    directory,
    pageSize: 4096,
    cache: MB,
    sync: false,
    shrinkLog: false,
    lockWait: 0,
    extentPages: 0,
  });
  const settings = {
    maxBody: MB,
    waitsForDisk: false,
    logBuffer: 32 * 1024,
    version: "0",
    statsQueues: 1000,
  };
  const engine = newEngine(settings, runtime, (watcher) =>
    openLocal(store, watcher, {
      cacheLimit: 16 * MB,
      limits: { messages: Infinity, bytes: Infinity },
      tricklePercent: 0,
      clock: runtime,
      warn: () => undefined,
    }),
  );
  const clients = newClients(engine, 1024);
  const listener = listenTcp("127.0.0.1", 0);
  const port = Number(listener.place.split(":").at(-1));
  stop = () => {
    listener.stop();
    for (const { socket } of clients.connections) socket.terminate();
    store.close();
    rmSync(directory, { recursive: true });
  };
  const newClient = () => connect({ hostname: "127.0.0.1", port });
  const enter = async () => {
    const client = await newClient();
    await client.inStep();
    return { client, connection: [...clients.connections].at(-1) as Connection };
  };
  return { clients, join: enter, connect: newClient, serve: () => listener.serve(clients) };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("what a closed connection had sent counts no more, though it was about to go on", async () => {
  const { clients, join } = host();
  const { connection } = await join();
  await join();
  receiveChunk(connection, Buffer.concat(Array<Buffer>(10_000).fill(set("q", "0123456789"))));
  expect(clients.usage.input).toBeGreaterThan(100_000);
  connection.socket.terminate();
  closeConnection(connection);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(clients.usage.input).toBe(0);
  expect(connection.session.input.chunk.length).toBe(0);
});

test("no command is executed in the middle of another: no message comes unnoticed", async () => {
  const { clients, join } = host();
  const [waiting, crowded, next, leaving] = [
    await join(),
    await join(),
    await join(),
    await join(),
  ];
  const large = Buffer.alloc(100_000, "x");
  leaving.client.send(Buffer.concat([set("large", large), set("q", "first")]));
  expect([await leaving.client.line(), await leaving.client.line()]).toEqual(["STORED", "STORED"]);
  expect(await waiting.client.take("q/open")).toBe("first");
  // As if so much were unsent to others.
  const unsent = 40 * MB;
  clients.usage.output += unsent;
  clients.usage.outputFull = true;
  crowded.client.send(Buffer.concat([Buffer.from("get large/peek\r\n"), set("q", "second")]));
  next.client.send("get large/peek\r\n");
  while (clients.usage.awaiting.size < 2) await nextTurn();
  clients.usage.output -= unsent;
  clients.usage.outputFull = false;
  // In one poll a connection ends, which lets others go on, and a request is read.
  closeConnection(leaving.connection);
  receiveChunk(waiting.connection, Buffer.from("get q/close/t=10000/open\r\n"));
  expect((await waiting.client.messages())[0]?.body).toBe("second");
  expect((await crowded.client.messages())[0]?.body.length).toBe(large.length);
  expect((await next.client.messages())[0]?.body.length).toBe(large.length);
});

/** TCP_USER_TIMEOUT of a connection, in milliseconds. */
function userTimeout({ socket }: Connection): number {
  const { symbols } = dlopen("libc.so.6", {
    getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" },
  });
  const [value, length] = [new Uint32Array(1), new Uint32Array([4])];
  expect(symbols.getsockopt(socket.fd ?? -1, 6, 18, value, length)).toBe(0);
  return value[0] as number;
}

test.if(process.platform === "linux")(
  "a client whose machine is gone ends after a minute; one that is slow to read is left alone",
  async () => {
    const { join } = host();
    const { client, connection } = await join();
    expect(userTimeout(connection)).toBe(60_000);
    for (let n = 0; n < 20; n++) await client.put("q", "x".repeat(100_000));
    expect(userTimeout(connection)).toBe(60_000);
    expect(await client.take("q")).toHaveLength(100_000);
    expect(userTimeout(connection)).toBe(0);
    // It has read all, and asks for more.
    await client.inStep();
    expect(userTimeout(connection)).toBe(60_000);
    client.pause();
    client.send("get q\r\n".repeat(19));
    await eventually("much unread", () => (connection.sent > 1000 * 1000 ? true : undefined));
    expect(userTimeout(connection)).toBe(0);
    client.resume();
    for (let n = 0; n < 19; n++) expect(await client.messages()).toHaveLength(1);
    await client.inStep();
    expect(userTimeout(connection)).toBe(60_000);
  },
);

test("a client that comes before the queues are there is served when they are", async () => {
  const { clients, connect: newClient, serve } = newHost();
  const early = await newClient();
  early.send(set("q", "early"));
  // It is gone before it is served.
  await (await newClient()).reset();
  // The server, which is in this process, has accepted both before it accepts this one.
  await (await newClient()).reset();
  expect(clients.connections.size).toBe(0);
  serve();
  expect(await early.line()).toBe("STORED");
  expect(await early.take("q")).toBe("early");
});

test("a client whose large message is gone waits for the next one, and keeps no others from theirs", async () => {
  const hosted = host();
  const { usage } = hosted.clients;
  usage.bounds = { input: 64 * MB, output: MB / 8 };
  const producer = await hosted.connect();
  const body = "x".repeat(MB - 1024);
  for (let n = 0; n < 20; n++) await producer.put("much", body);
  for (const queue of ["q", "r"]) await producer.put(queue, body);
  // More than the system takes for a client that does not read.
  const clog = await hosted.connect();
  clog.pause();
  clog.send("get much\r\n".repeat(20));
  await eventually("too much is unsent", () => usage.outputFull || undefined);
  const [a, b] = [await hosted.connect(), await hosted.connect()];
  a.send("get q/t=100000\r\n");
  await eventually("1 await room", () => usage.awaiting.size === 1 || undefined);
  b.send("get r\r\n");
  await eventually("2 await room", () => usage.awaiting.size === 2 || undefined);
  expect(await producer.ask("delete q")).toBe("DELETED");
  clog.reset();
  expect(await b.until("END\r\n")).toHaveLength(
    `VALUE r 0 ${body.length}\r\n`.length + body.length + "\r\nEND\r\n".length,
  );
  await producer.put("q", "small");
  expect(await a.until("END\r\n")).toContain("small");
}, 30_000);

test("where memory is short, a line that has arrived is not refused because it is not read yet", async () => {
  const { clients, join } = host();
  const [much, other] = [await join(), await join()];
  clients.usage.bounds = { input: 100_000, output: MB };
  // The beginning of a line, and so many requests before it that no more is read beside those of another client.
  receiveChunk(much.connection, Buffer.from(`${"get q\r\n".repeat(40)}ge`));
  receiveChunk(other.connection, Buffer.from("get q\r\n"));
  const sets = Array<Buffer>(300).fill(set("r", "x".repeat(4000)));
  receiveChunk(much.connection, Buffer.concat([Buffer.from("t q\r\n"), ...sets]));
  expect(clients.usage.input).toBeGreaterThan(100_000 + MB);
  for (let n = 0; n < 41; n++) expect(await much.client.line()).toBe("END");
  for (let n = 0; n < 300; n++) expect(await much.client.line()).toBe("STORED");
  await much.client.inStep();
});
