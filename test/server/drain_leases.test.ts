/** `--drain-from` a server of this kind: leases, delays and delivery counts come along, killed or not. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { Client } from "./client.ts";
import { launch, run, scratch, type Server, start, suite, user } from "./harness.ts";

suite();

/** Longer than any test, in milliseconds. */
const LONG = 1_000_000;

interface Found {
  body: string;
  deliveries: number;
  waits: boolean;
}

function flagsFor(home: string, source: Server): string[] {
  return ["-u", user, "-H", home, "--drain-from", `127.0.0.1:${source.port}`];
}

/** All messages of a queue, also those that wait for their time. */
async function all(client: Client, queue: string): Promise<Found[]> {
  const found: Found[] = [];
  for (;;) {
    const head = await client.ask(`mg ${queue}/close/open/early v h d`);
    const [, deliveries, dueIn] = /^VA \d+ h(\d+) d(\d+)$/.exec(head) ?? [];
    if (deliveries === undefined) return found;
    const body = (await client.until("\r\n")).slice(0, -2);
    found.push({ body, deliveries: Number(deliveries) - 1, waits: Number(dueIn) > LONG / 2 });
  }
}

async function contents(home: string, queue: string): Promise<Found[]> {
  const server = await start([], { home });
  const found = await all(await server.connect(), queue);
  await server.stop();
  return found;
}

describe("what waits, and how often it was delivered", () => {
  test("comes along, in order", async () => {
    const source = await start();
    const client = await source.connect();
    const bodies = Array.from({ length: 50 }, (_, n) => String(n));
    for (const [n, body] of bodies.entries()) {
      await client.put(n % 3 === 0 ? `jobs/delay=${LONG}` : "jobs", body);
    }
    // The oldest that can be taken fails twice.
    for (let n = 0; n < 2; n++) {
      await client.ask("mg jobs/open");
      await client.ask("get jobs/abort");
    }
    const expected = bodies.map((body, n) => ({
      body,
      deliveries: n === 1 ? 2 : 0,
      waits: n % 3 === 0,
    }));
    const home = join(scratch(), "home");
    const { code, stderr } = await run(flagsFor(home, source));
    expect([code, stderr]).toEqual([0, expect.stringContaining("jobs: 50 messages\n")]);
    client.send("stats queue\r\n");
    expect(await client.until("END\r\n")).toBe("STAT jobs 50/50\r\nEND\r\n");
    await source.stop();
    expect(await contents(home, "jobs")).toEqual(expected);
  });

  test("a message that failed and waits keeps both", async () => {
    const source = await start();
    const client = await source.connect();
    await client.put("jobs", "failed");
    await client.ask("mg jobs/open");
    await client.ask(`get jobs/abort/delay=${LONG}`);
    const home = join(scratch(), "home");
    expect((await run(flagsFor(home, source))).code).toBe(0);
    await source.stop();
    expect(await contents(home, "jobs")).toEqual([{ body: "failed", deliveries: 1, waits: true }]);
  });

  test.each(["the drain", "the source"])("is not lost when %s is killed", async (killed) => {
    const count = 2000;
    let source = await start();
    const client = await source.connect();
    for (let n = 0; n < count; n++) {
      client.send(
        `set jobs${n % 2 === 0 ? `/delay=${LONG}` : ""} 0 0 4 noreply\r\n${1000 + n}\r\n`,
      );
    }
    await client.ask("version");
    const home = join(scratch(), "home");
    const draining = launch(flagsFor(home, source));
    for (let gets = 0; gets < 200;) {
      client.send("stats queue jobs\r\n");
      gets = Number(/STAT gets (\d+)/.exec(await client.until("END\r\n"))?.[1]);
    }
    if (killed === "the drain") draining.kill("SIGKILL");
    else {
      await source.kill9();
      source = await start([], { home: source.home });
    }
    await draining.exit();
    expect((await run(flagsFor(home, source))).code).toBe(0);
    const left = await all(await source.connect(), "jobs");
    await source.stop();
    expect(left).toEqual([]);

    const found = await contents(home, "jobs");
    expect(found.length).toBeWithin(count, count + 17);
    expect(found.filter(({ body, waits }) => waits !== (Number(body) % 2 === 0))).toEqual([]);
    const bodies = [...new Set(found.map(({ body }) => body))].sort();
    expect(bodies).toEqual(Array.from({ length: count }, (_, n) => String(1000 + n)));
  });
});

describe("a leased message", () => {
  test("is waited for, and gone when its worker acknowledges it", async () => {
    const source = await start();
    const client = await source.connect();
    await client.put("jobs", "worked on");
    await client.put("jobs", "next");
    expect(await client.ask(`mg jobs/lease=${LONG} c`)).toBe("HD c1");
    const home = join(scratch(), "home");
    const draining = launch(flagsFor(home, source));
    // It looks at leases.
    for (let asked = 0; asked < 2;) {
      client.send("stats\r\n");
      asked = Number(/STAT cmd_get (\d+)/.exec(await client.until("END\r\n"))?.[1]) - 1;
    }
    expect(await client.ask("delete jobs/1")).toBe("DELETED");
    expect((await draining.exit()).code).toBe(0);
    await source.stop();
    expect(await contents(home, "jobs")).toEqual([{ body: "next", deliveries: 0, waits: false }]);
  });

  test("comes as put back when the lease ends, and when it is waited for in vain", async () => {
    const source = await start(["--queue", "once:deliveries=1"]);
    const client = await source.connect();
    await client.put("jobs", "short");
    await client.put("jobs", "long");
    await client.put("once", "dies");
    await client.ask("mg jobs/lease=300 c");
    await client.ask(`mg jobs/lease=${LONG} c`);
    await client.ask(`mg once/lease=${LONG} c`);
    const home = join(scratch(), "home");
    const { code, stderr } = await run(flagsFor(home, source));
    expect([code, stderr]).toEqual([0, expect.stringContaining("moved 3 messages")]);
    // The worker that comes too late is told.
    expect(await client.ask("delete jobs/2")).toBe("NOT_FOUND");
    await source.stop();
    expect(await contents(home, "jobs")).toEqual([
      { body: "short", deliveries: 1, waits: false },
      { body: "long", deliveries: 1, waits: false },
    ]);
    expect(await contents(home, "once.dead")).toEqual([
      { body: "dies", deliveries: 0, waits: false },
    ]);
  });
});
