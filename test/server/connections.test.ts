/** The limit of `-c`. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import type { Client } from "./client.ts";
import { untilConnected } from "./connected.ts";
import { scratch, start, type StartOptions, suite } from "./harness.ts";

suite();

const refusal = "ERROR Too many open connections\r\n";

describe.each<readonly [string, () => StartOptions]>([
  ["TCP", () => ({})],
  ["a Unix socket", () => ({ socket: join(scratch(), "socket") })],
])("%s", (_kind, options) => {
  test("the sixth of five is told so and closed, the five go on", async () => {
    const server = await start(["-c", "5"], options());
    const five = await Promise.all(Array.from({ length: 5 }, () => server.connect()));
    for (const client of five) await client.inStep();
    for (let n = 0; n < 20; n++) {
      const sixth = await server.connect();
      // What it says before it reads must not cost it the answer.
      if (n % 2) sixth.send("set q 0 0 5\r\nHello\r\n");
      expect(await sixth.rest()).toBe(refusal);
    }
    expect(await five[0]?.take("q")).toBeUndefined();
    for (const client of five) await client.inStep();
    await server.stop();
  });

  test.each(["quit", "end", "reset"] as const)(
    "after one left with %s a new one is welcome",
    async (how) => {
      const server = await start(["-c", "5"], options());
      const five = await Promise.all(Array.from({ length: 5 }, () => server.connect()));
      for (const client of five) await client.inStep();
      const [leaving, staying] = five as [Client, Client];
      if (how === "quit") {
        leaving.send("quit\r\n");
        expect(await leaving.rest()).toBe("");
      } else {
        await leaving[how]();
      }
      await untilConnected(staying, 4);
      const welcome = await server.connect();
      await welcome.inStep();
      const late = await server.connect();
      expect(await late.rest()).toBe(refusal);
      await server.stop();
    },
  );
});

test.if(process.platform === "linux")(
  "refused clients that stay take few descriptors, and a place that is free is given out",
  async () => {
    const server = await start(["-c", "5"]);
    const five = await Promise.all(Array.from({ length: 5 }, () => server.connect()));
    for (const client of five) await client.inStep();
    const openFiles = () => readdirSync(`/proc/${server.pid}/fd`).length;
    const before = openFiles();
    const refused = [];
    for (let n = 0; n < 100; n++) {
      const client = await server.connect();
      if (n % 2) client.send("set q 0 0 5\r\nHello\r\n");
      expect(await client.line()).toBe(refusal.trimEnd());
      refused.push(client);
    }
    expect(openFiles()).toBeLessThan(before + 20);
    await five[0]?.end();
    await untilConnected(five[1] as Client, 4);
    await (await server.connect()).inStep();
    for (const client of refused) await client.reset();
    await server.stop();
  },
);

test("a hundred that come and go a hundred times leave no trace in the count", async () => {
  const server = await start(["-c", "101"]);
  const watcher = await server.connect();
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => server.connect()));
    await Promise.all(clients.map((client) => client.inStep()));
    await Promise.all(clients.map((client, n) => (n % 2 ? client.end() : client.reset())));
    await untilConnected(watcher, 1);
  }
  watcher.send("stats\r\n");
  const statistics = await watcher.until("END\r\n");
  expect(statistics).toContain("STAT total_connections 2001\r\n");
  await server.stop();
});
