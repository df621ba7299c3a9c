/** /healthz: whether the server can commit. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { join } from "node:path";

import { set } from "../server/client.ts";
import { eventually, suite } from "../server/harness.ts";
import { startWeb } from "./web.ts";

suite();

test("a server that can commit is healthy, with and without work", async () => {
  const server = await startWeb();
  const idle = await server.get("/healthz");
  expect([idle.status, await idle.text()]).toEqual([200, "ok\n"]);
  const client = await server.connect();
  await client.put("q", "x");
  expect((await server.get("/healthz")).status).toBe(200);
  await server.stop();
});

test("a commit is tried when there was none just now, and again until it succeeds", async () => {
  const server = await startWeb(["-D", "0"]);
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  const unhealthy = await server.get("/healthz");
  expect([unhealthy.status, await unhealthy.text()]).toEqual([503, "database is locked\n"]);
  other.run("ROLLBACK");
  other.close();
  const healthy = await eventually("health", async () => {
    const { status } = await server.get("/healthz");
    return status === 200 ? status : undefined;
  });
  expect(healthy).toBe(200);
  const client = await server.connect();
  await client.put("q", "x");
  await server.stop();
});

test("a server whose database was moved away is not healthy", async () => {
  const server = await startWeb();
  const file = join(server.home, "memcacheq.db");
  renameSync(file, `${file}.away`);
  const unhealthy = await server.get("/healthz");
  expect([unhealthy.status, await unhealthy.text()]).toEqual([
    503,
    "the database file is gone from its directory\n",
  ]);
  await server.stop();
});

test("a server on a full disk is not healthy", async () => {
  // No file may grow past half a megabyte; the signal that would end the process is ignored.
  const server = await startWeb(["-B", "100000"], { shell: "trap '' XFSZ; ulimit -f 1000" });
  const client = await server.connect();
  let answer = "STORED";
  for (let n = 0; answer === "STORED"; n++) {
    expect(n).toBeLessThan(100);
    client.send(set("q", "x".repeat(90_000)));
    answer = await client.line();
  }
  const { status, ...response } = await server.get("/healthz").then(async (response) => ({
    status: response.status,
    text: await response.text(),
  }));
  expect(answer).toBe(`SERVER_ERROR ${response.text.trim()}`);
  expect(status).toBe(503);
  await server.stop();
});
