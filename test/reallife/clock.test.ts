/** The calendar is set while the server runs: by an administrator, by NTP, by the host of a virtual machine. */
import { expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Client } from "../server/client.ts";
import { eventually, scratch, start, suite } from "../server/harness.ts";

suite();

const HOUR = 3600;

/** A server whose calendar can be set. */
async function startWithCalendar(folder: string) {
  const library = join(folder, "clock.so");
  const file = join(folder, "shift");
  const source = join(import.meta.dir, "clock.c");
  const made = Bun.spawnSync(["cc", "-shared", "-fPIC", "-O1", "-o", library, source]);
  expect(made.stderr.toString()).toBe("");
  const shiftBy = (seconds: number) => writeFileSync(file, String(seconds));
  shiftBy(0);
  const environment = { LD_PRELOAD: library, CALENDAR_SHIFT: file };
  const server = await start(["--http", "0"], { environment });
  const [, site = ""] = await server.logged(/listening on (http \S+)\n/);
  return { server, shiftBy, site: site.replace(" ", "://") };
}

async function statistic(client: Client, name: string): Promise<number> {
  client.send("stats\r\n");
  const text = await client.until("END\r\n");
  return Number(new RegExp(`^STAT ${name} (\\S+)\r$`, "m").exec(text)?.[1]);
}

test.each([
  ["back", -HOUR],
  ["forward", HOUR],
])("the clock is set %s by an hour: health and uptime tell what is so", async (_title, seconds) => {
  const { server, shiftBy, site } = await startWithCalendar(scratch());
  const health = async () => (await fetch(`${site}/healthz`)).status;
  const client = await server.connect();
  await client.put("q", "x");
  expect(await health()).toBe(200);
  shiftBy(seconds);
  const shown = (await statistic(client, "time")) - Date.now() / 1000;
  expect(Math.abs(shown - seconds)).toBeLessThan(60);
  expect(await statistic(client, "uptime")).toBeWithin(0, 60);

  const away = `${server.home}.away`;
  renameSync(server.home, away);
  // It looks for its directory every few milliseconds.
  await eventually("sets to be refused", async () => {
    client.send("set q 0 0 1\r\nx\r\n");
    return (await client.line()).startsWith("SERVER_ERROR ") || undefined;
  });
  expect(await health()).toBe(503);
  renameSync(away, server.home);
  await client.put("q", "x");
  expect(await health()).toBe(200);
  shiftBy(0);
  await client.put("q", "x");
  expect(await health()).toBe(200);
  expect(await statistic(client, "uptime")).toBeWithin(0, 60);
  const overview = (await (await fetch(`${site}/data/overview`)).json()) as {
    server: { uptime: number };
  };
  expect(overview.server.uptime).toBeWithin(0, 60_000);
  await server.stop();
});

test("the clock is set while a client waits: the wait takes as long as it was asked for", async () => {
  const { server, shiftBy } = await startWithCalendar(scratch());
  const client = await server.connect();
  await client.inStep();
  const since = performance.now();
  client.send("get q/t=1000\r\n");
  shiftBy(-HOUR);
  expect(await client.line()).toBe("END");
  expect(performance.now() - since).toBeWithin(900, 20_000);
  client.send("get q/t=1000\r\n");
  shiftBy(HOUR);
  expect(await client.line()).toBe("END");
  await server.stop();
});
