/** `--drain-from`: the messages of another server come over, in order and whole, and none is lost on the way. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { Server } from "./harness.ts";
import { isAlive, launch, run, scratch, start, suite, user } from "./harness.ts";
import { type Faults, type Message, type Original, startOriginal } from "./original.ts";

suite();

const everyByte = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));

function flagsOf(home: string, from: string, more: string[] = []): string[] {
  return ["-u", user, "-H", home, "--drain-from", from, ...more];
}

/** What a server on this home has in these queues. */
async function contents(home: string, names: string[], more: string[] = []) {
  const server = await start(["-B", "1000000", ...more], { home });
  const client = await server.connect();
  const found: Record<string, Message[]> = {};
  for (const name of names) {
    const messages: Message[] = (found[name] = []);
    for (;;) {
      client.send(`get ${name}\r\n`);
      const [message] = await client.messages();
      if (message === undefined) break;
      messages.push({ flags: message.flags, body: message.body });
    }
  }
  await server.stop();
  return found;
}

function numbered(count: number, name = ""): Message[] {
  return Array.from({ length: count }, (_, n) => ({ flags: n, body: `${name}${n}` }));
}

async function withOriginal<T>(
  queues: Record<string, readonly Message[]>,
  faults: Faults,
  action: (original: Original) => Promise<T>,
): Promise<T> {
  const copy = Object.entries(queues).map(([name, list]): [string, Message[]] => [name, [...list]]);
  const original = startOriginal(new Map(copy), faults);
  try {
    return await action(original);
  } finally {
    original.stop();
  }
}

async function fill(server: Server, queues: Record<string, Message[]>): Promise<void> {
  const client = await server.connect();
  for (const [name, messages] of Object.entries(queues)) {
    for (const { flags, body } of messages) await client.put(name, body, flags);
  }
  await client.end();
}

describe("from MemcacheQ 0.2", () => {
  const queues = {
    jobs: numbered(500),
    odd: [
      { flags: 0, body: "" },
      { flags: 4_294_967_295, body: everyByte },
      { flags: 0, body: "END\r\n" },
      { flags: 0, body: "x".repeat(60_000) },
    ],
    empty: [],
  };

  test("all messages of all queues come over in order, and it says how many", async () => {
    const home = join(scratch(), "home");
    await withOriginal(queues, {}, async (original) => {
      const { code, stderr } = await run(flagsOf(home, original.place));
      expect(code).toBe(0);
      expect(stderr).toContain("up to 32 are lost");
      expect(stderr).toContain("memcacheq: jobs: 500 messages\n");
      expect(stderr).toEndWith(`memcacheq: moved 504 messages from ${original.place}\n`);
    });
    expect(await contents(home, Object.keys(queues))).toEqual(queues);
  });

  test("a second run finds nothing more, and what was there stays before what comes", async () => {
    const home = join(scratch(), "home");
    await withOriginal({ jobs: numbered(10, "old ") }, {}, async (original) => {
      expect((await run(flagsOf(home, original.place))).code).toBe(0);
      const again = await run(flagsOf(home, original.place));
      expect(again.stderr).toContain("moved 0 messages");
      original.queues.set("jobs", numbered(10, "new "));
      expect((await run(flagsOf(home, original.place))).code).toBe(0);
    });
    const expected = [...numbered(10, "old "), ...numbered(10, "new ")];
    expect(await contents(home, ["jobs"])).toEqual({ jobs: expected });
  });

  test("--queues are those that are drained, the others stay", async () => {
    const home = join(scratch(), "home");
    const all = { a: numbered(3), b: numbered(3), c: numbered(3), grün: [] };
    await withOriginal(all, {}, async (original) => {
      original.queues.set(Buffer.from("grün").toString("latin1"), numbered(2));
      expect((await run(flagsOf(home, original.place, ["--queues", "c,grün"]))).code).toBe(0);
      expect([original.queues.get("a"), original.queues.get("c")]).toEqual([all.a, []]);
    });
    const name = Buffer.from("grün").toString("latin1");
    expect(await contents(home, ["a", "c", name])).toEqual({
      a: [],
      c: all.c,
      [name]: numbered(2),
    });
  });

  test("a list of queues that may be cut is told of", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, n) => [`queue-${n}`, numbered(1)]),
    );
    await withOriginal(many, {}, async (original) => {
      const { code, stderr } = await run(flagsOf(join(scratch(), "home"), original.place));
      expect(code).toBe(0);
      expect(stderr).toMatch(/^memcacheq: .* may have more than MemcacheQ 0\.2 can list/m);
      expect(stderr).not.toContain("moved 300");
    });
  });

  test("limits that are for clients do not keep messages back", async () => {
    const home = join(scratch(), "home");
    const limits = ["--max-messages", "2", "--max-bytes", "10", "-B", "1"];
    await withOriginal({ jobs: numbered(100) }, {}, async (original) => {
      expect((await run(flagsOf(home, original.place, limits))).code).toBe(0);
    });
    expect(await contents(home, ["jobs"])).toEqual({ jobs: numbered(100) });
  });

  test("when the connection breaks all that has come is kept, and the next run gets the rest", async () => {
    const home = join(scratch(), "home");
    await withOriginal({ jobs: numbered(100) }, { closeAfter: 42 }, async (original) => {
      const { code, stderr } = await run(flagsOf(home, original.place));
      expect([code, stderr]).toEqual([1, expect.stringContaining("has ended the connection")]);
    });
    await withOriginal({ jobs: numbered(200).slice(100) }, {}, async (original) => {
      expect((await run(flagsOf(home, original.place))).code).toBe(0);
    });
    const { jobs = [] } = await contents(home, ["jobs"]);
    expect(jobs).toEqual([...numbered(42), ...numbered(200).slice(100)]);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s ends it, and nothing is lost", async (signal) => {
    const home = join(scratch(), "home");
    const jobs = numbered(5000);
    await withOriginal({ jobs }, {}, async (original) => {
      let child: ReturnType<typeof launch> | undefined;
      await withOriginal(
        { jobs },
        { onGet: (sent) => sent === 1000 && child?.kill(signal) },
        async (first) => {
          child = launch(flagsOf(home, first.place));
          const { code, stderr } = await child.exit();
          expect([code, stderr]).toEqual([
            1,
            expect.stringMatching(/stopped after \d+ messages; run it again/),
          ]);
          original.queues.set("jobs", first.queues.get("jobs") ?? []);
        },
      );
      expect(original.queues.get("jobs")?.length).toBeGreaterThan(0);
      expect((await run(flagsOf(home, original.place))).code).toBe(0);
    });
    expect(await contents(home, ["jobs"])).toEqual({ jobs });
  });

  test("when it is killed at most 32 messages are lost", async () => {
    const home = join(scratch(), "home");
    const jobs = numbered(5000);
    let rest: Message[] = [];
    let child: ReturnType<typeof launch> | undefined;
    await withOriginal(
      { jobs },
      { onGet: (sent) => sent === 2000 && child?.kill("SIGKILL") },
      async (original) => {
        child = launch(flagsOf(home, original.place));
        await child.exit();
        expect(isAlive(child.pid)).toBe(false);
        rest = original.queues.get("jobs") ?? [];
      },
    );
    const { jobs: kept = [] } = await contents(home, ["jobs"]);
    expect(kept).toEqual(jobs.slice(0, kept.length));
    expect(kept.length + rest.length).toBeWithin(jobs.length - 32, jobs.length + 1);
    expect(rest.length).toBeGreaterThan(0);
  });

  test("what cannot be stored is given back, and nothing is lost", async () => {
    const home = join(scratch(), "home");
    const jobs = Array.from({ length: 300 }, (_, n) => ({
      flags: n,
      body: `${n} `.padEnd(20_000, "x"),
    }));
    const shell = "trap '' XFSZ; ulimit -f 4000";
    let rest: Message[] = [];
    await withOriginal({ jobs }, {}, async (original) => {
      const { code, stderr } = await run(flagsOf(home, original.place, ["-m", "1"]), { shell });
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /cannot store what comes from jobs: .*; the \d+ messages .* at the end of the queue there\n$/,
      );
      rest = original.queues.get("jobs") ?? [];
    });
    const { jobs: kept = [] } = await contents(home, ["jobs"]);
    expect(kept).toEqual(jobs.slice(0, kept.length));
    expect(kept.length).toBeGreaterThan(10);
    expect([...kept, ...rest].toSorted((a, b) => a.flags - b.flags)).toEqual(jobs);
  });
});

describe("from a server like this one", () => {
  const queues = {
    jobs: numbered(1000),
    odd: [
      { flags: 4_294_967_295, body: everyByte },
      { flags: 0, body: "" },
      { flags: 0, body: "y".repeat(900_000) },
      { flags: 1, body: "z".repeat(900_000) },
    ],
  };

  test("reliable reads bring all over in order, and leave nothing there", async () => {
    const home = join(scratch(), "home");
    const source = await start(["-B", "1000000"]);
    await fill(source, queues);
    const { code, stderr } = await run(flagsOf(home, `127.0.0.1:${source.port}`));
    expect(code).toBe(0);
    expect(stderr).toContain("it keeps each message until it is stored here");
    expect(stderr).toEndWith(`moved 1004 messages from 127.0.0.1:${source.port}\n`);
    const client = await source.connect();
    client.send("stats queue\r\n");
    expect(await client.until("END\r\n")).toBe("STAT jobs 1000/1000\r\nSTAT odd 4/4\r\nEND\r\n");
    await source.stop();
    expect(await contents(home, Object.keys(queues))).toEqual(queues);
  });

  test("when not all that was taken together can be stored, none is lost or there twice", async () => {
    const home = join(scratch(), "home");
    // The last sixteen are taken together, and are too much for one commit.
    const jobs = Array.from({ length: 31 }, (_, n) => ({
      flags: n,
      body: `${n} `.padEnd(n < 15 ? 10 : 300_000, "x"),
    }));
    const source = await start(["-B", "1000000"]);
    await fill(source, { jobs });
    const from = `127.0.0.1:${source.port}`;
    const shell = "trap '' XFSZ; ulimit -f 6000";
    const { code, stderr } = await run(flagsOf(home, from, ["-m", "1"]), { shell });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/cannot store what comes from jobs: .*; it is still there\n$/),
    ]);
    const client = await source.connect();
    client.send("stats queue jobs\r\n");
    const left = Number(/STAT messages (\d+)/.exec(await client.until("END\r\n"))?.[1]);
    expect(left).toBeWithin(1, 16);
    expect((await run(flagsOf(home, from))).code).toBe(0);
    await source.stop();
    expect(await contents(home, ["jobs"])).toEqual({ jobs });
  });

  test("what is left by one that is killed comes with the next, and none is lost", async () => {
    const home = join(scratch(), "home");
    const source = await start();
    await fill(source, { jobs: numbered(3000) });
    const child = launch(flagsOf(home, `127.0.0.1:${source.port}`));
    const client = await source.connect();
    for (let gets = 0; gets < 200;) {
      client.send("stats queue jobs\r\n");
      gets = Number(/STAT gets (\d+)/.exec(await client.until("END\r\n"))?.[1]);
    }
    child.kill("SIGKILL");
    await child.exit();
    expect((await run(flagsOf(home, `127.0.0.1:${source.port}`))).code).toBe(0);
    await source.stop();

    const { jobs = [] } = await contents(home, ["jobs"]);
    const once = [...new Map(jobs.map((message) => [message.flags, message])).values()];
    expect(once).toEqual(numbered(3000));
    expect(jobs.length).toBeLessThanOrEqual(3000 + 16);
  });

  test("when the server there goes away, nothing is lost or there twice but what was not confirmed", async () => {
    const home = join(scratch(), "home");
    const first = await start();
    await fill(first, { jobs: numbered(3000) });
    const draining = run(flagsOf(home, `127.0.0.1:${first.port}`));
    const client = await first.connect();
    for (let gets = 0; gets < 200;) {
      client.send("stats queue jobs\r\n");
      gets = Number(/STAT gets (\d+)/.exec(await client.until("END\r\n"))?.[1]);
    }
    await first.kill9();
    expect(await draining).toMatchObject({ code: 1, stderr: expect.stringContaining("127.0.0.1") });
    const second = await start([], { home: first.home });
    expect((await run(flagsOf(home, `127.0.0.1:${second.port}`))).code).toBe(0);
    await second.stop();

    const { jobs = [] } = await contents(home, ["jobs"]);
    const once = [...new Map(jobs.map((message) => [message.flags, message])).values()];
    expect(once).toEqual(numbered(3000));
    expect(jobs.length).toBeLessThanOrEqual(3000 + 16);
  });
});

describe("what cannot be drained is told", () => {
  const home = () => join(scratch(), "home");

  test("no server there", async () => {
    const original = startOriginal(new Map());
    original.stop();
    const { code, stderr } = await run(flagsOf(home(), original.place));
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^memcacheq: cannot connect to 127\.0\.0\.1:\d+: .+\n$/),
    ]);
  });

  test.each([
    [
      "another protocol",
      { version: "220 mail.example ESMTP\r\n" },
      /answers "220 mail\.example ESMTP" to a version/,
    ],
    ["no list of queues", { "stats queue": "ERROR\r\n" }, /does not tell its queues.*--queues/],
    ["an error", { "get jobs": "SERVER_ERROR no\r\n" }, /answers "SERVER_ERROR no" to a get/],
    [
      "another key",
      { "get jobs": "VALUE job 0 1\r\nx\r\nEND\r\n" },
      /answers "VALUE job 0 1" to a get/,
    ],
    ["a wrong end", { "get jobs": "VALUE jobs 0 1\r\nxyz\r\nEND\r\n" }, /answers "yz" to a get/],
    ["a cache", { stats: "STAT pid 1\r\nSTAT evictions 0\r\nEND\r\n" }, /is a cache, not a queue/],
    ["no line", { version: "x".repeat(70_000) }, /answers a line without an end/],
  ])("%s", async (_name, answers, expected) => {
    await withOriginal({ jobs: numbered(1) }, { answers }, async (original) => {
      const { code, stderr } = await run(flagsOf(home(), original.place));
      expect([code, stderr]).toEqual([1, expect.stringMatching(expected)]);
      expect(stderr).not.toContain("    at ");
    });
  });

  test("a server that says nothing, until a signal", async () => {
    let child: ReturnType<typeof launch> | undefined;
    const asked = Promise.withResolvers<void>();
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => asked.resolve() },
    });
    try {
      child = launch(flagsOf(home(), `127.0.0.1:${silent.port}`));
      await asked.promise;
      child.kill("SIGINT");
      const { code, stderr } = await child.exit();
      expect([code, stderr]).toEqual([1, "memcacheq: stopped before anything was moved\n"]);
    } finally {
      silent.stop(true);
    }
  });

  test("a home that a server runs on", async () => {
    const server = await start();
    await withOriginal({ jobs: numbered(1) }, {}, async (original) => {
      const { code, stderr } = await run(flagsOf(server.home, original.place));
      expect([code, stderr]).toEqual([1, expect.stringContaining("another memcacheq is using")]);
      expect(original.queues.get("jobs")).toEqual(numbered(1));
    });
  });
});
