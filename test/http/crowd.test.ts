/** Many connections to the page take nothing from the clients of the queues. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";

import { eventually, suite } from "../server/harness.ts";
import { startWeb, type Web } from "./web.ts";

suite();

/** What 100 clients, 64 of the page and the server itself may take is 228. */
const FEW_FILES = { shell: "ulimit -n 240" };

function openFiles({ pid }: Web): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Connects that many, each of which asks once. */
function crowd({ site }: Web, count: number) {
  const port = Number(new URL(site).port);
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data: (socket) => void socket.pause() },
      });
      socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return socket;
    }),
  );
}

test("300 that are silent after an answer", async () => {
  const server = await startWeb(["-c", "100"], FEW_FILES);
  const old = await server.connect();
  const rest = openFiles(server);
  const sockets = await crowd(server, 300);
  await old.put("q", "x");
  const young = await server.connect();
  expect(await young.take("q")).toBe("x");
  expect((await server.get("/healthz")).status).toBe(200);
  await eventually("few connections", () => (openFiles(server) < rest + 70 ? true : undefined));
  expect(server.stderr()).not.toContain("error");
  for (const socket of sockets) socket.terminate();
  await server.stop();
});
