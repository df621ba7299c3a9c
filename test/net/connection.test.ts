/** Connections at moments that a client cannot choose: the server runs in this process, behind real sockets. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseCommandLine } from "../../src/config/command_line.ts";
import { newServer, type Server } from "../../src/engine/server.ts";
import { closeConnection, type Connection, receive } from "../../src/net/connection.ts";
import { listenTcp } from "../../src/net/tcp.ts";
import { openStore } from "../../src/store/sqlite.ts";
import { type Client, connect, set } from "../server/client.ts";

const MB = 1024 * 1024;
let stop = () => {};
afterEach(() => stop());

interface Hosted {
  server: Server;
  join(): Promise<{ client: Client; connection: Connection }>;
}

function host(): Hosted {
  const directory = mkdtempSync(join(tmpdir(), "memcacheq-"));
  const line = parseCommandLine(["-B", `${MB}`, "-u", "nobody"], {});
  if (line.action !== "run") throw new Error(line.action);
  const store = openStore({
    directory,
    pageSize: 4096,
    cache: MB,
    sync: false,
    shrinkLog: false,
    lockWait: 0,
    extentPages: 0,
  });
  const server = newServer(line.options, store, 16 * MB);
  const listener = listenTcp("127.0.0.1", 0);
  listener.serve(server);
  const port = Number(listener.place.split(":").at(-1));
  stop = () => {
    listener.stop();
    for (const { socket } of server.connections) socket.terminate();
    store.close();
    rmSync(directory, { recursive: true });
  };
  const enter = async () => {
    const client = await connect({ hostname: "127.0.0.1", port });
    await client.inStep();
    return { client, connection: [...server.connections].at(-1) as Connection };
  };
  return { server, join: enter };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("what a closed connection had sent counts no more, though it was about to go on", async () => {
  const { server, join } = host();
  const { connection } = await join();
  await join();
  receive(connection, Buffer.concat(Array<Buffer>(10_000).fill(set("q", "0123456789"))));
  expect(server.load.input).toBeGreaterThan(100_000);
  connection.socket.terminate();
  closeConnection(connection);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(server.load.input).toBe(0);
  expect(connection.input.chunk.length).toBe(0);
});

test("nobody's command is executed in the middle of another's: no message comes unnoticed", async () => {
  const { server, join } = host();
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
  server.load.output += unsent;
  crowded.client.send(Buffer.concat([Buffer.from("get large/peek\r\n"), set("q", "second")]));
  next.client.send("get large/peek\r\n");
  while (server.load.waiting.size < 2) await nextTurn();
  server.load.output -= unsent;
  // In one poll a connection ends, which lets others go on, and a request is read.
  closeConnection(leaving.connection);
  receive(waiting.connection, Buffer.from("get q/close/t=10000/open\r\n"));
  expect((await waiting.client.messages())[0]?.body).toBe("second");
  expect((await crowded.client.messages())[0]?.body.length).toBe(large.length);
  expect((await next.client.messages())[0]?.body.length).toBe(large.length);
});
