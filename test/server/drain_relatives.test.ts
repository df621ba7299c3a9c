/** `--drain-from` a server of the family: in order, and nothing is lost when either side is killed. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { connect } from "./client.ts";
import { eventually, launch, run, scratch, start, suite, user } from "./harness.ts";
import { type Queues, type Relative, relatives, startRelative } from "./relatives.ts";

suite();

const reliable: readonly Relative[] = ["kestrel", "siberite", "darner"];
const many = Array.from({ length: 60 }, (_, n) => `message ${n}`);

function flagsOf(home: string, from: string, more: string[] = []): string[] {
  return ["-N", "-u", user, "-H", home, "--drain-from", from, ...more];
}

/** A copy, since a drain takes all. */
function stock(queues: Record<string, readonly string[]>): Queues {
  return new Map(Object.entries(queues).map(([name, bodies]) => [name, [...bodies]]));
}

/** What a server on this home has in these queues. */
async function contents(home: string, names: readonly string[]): Promise<Record<string, string[]>> {
  const server = await start(["-B", "100000"], { home });
  const client = await server.connect();
  const found: Record<string, string[]> = {};
  for (const name of names) {
    const bodies: string[] = (found[name] = []);
    for (;;) {
      const body = await client.take(name);
      if (body === undefined) break;
      bodies.push(body);
    }
  }
  await server.stop();
  return found;
}

async function withRelative<T>(
  relative: Relative,
  queues: Queues,
  action: (source: ReturnType<typeof startRelative>) => Promise<T>,
  onCommand?: (commands: number) => void,
): Promise<T> {
  const source = startRelative(relative, queues, onCommand);
  try {
    return await action(source);
  } finally {
    source.stop();
  }
}

describe.each(relatives)("%s", (relative) => {
  const queues = {
    jobs: many,
    // Its name looks like a line about the queue before it.
    jobs_total: ["of a queue of its own"],
    "a+b": ["copied"],
    odd: ["", "END\r\n", String.fromCharCode(...Array(256).keys()), "x".repeat(50_000), ""],
    nothing: [],
    last: ["1"],
  };

  test("all messages of all queues come over in order, and nothing is left there", async () => {
    const home = join(scratch(), "home");
    await withRelative(relative, stock(queues), async (source) => {
      const { code, stderr } = await run(flagsOf(home, source.place));
      expect([code, stderr]).toEqual([0, expect.stringContaining("jobs: 60 messages\n")]);
      expect(stderr).toEndWith(`moved 68 messages from ${source.place}\n`);
      const isReliable = reliable.includes(relative);
      expect(stderr.includes("it keeps each message until it is stored here")).toBe(isReliable);
      expect(stderr.includes("up to 32 are lost")).toBe(!isReliable);
      expect([...source.queues.values()].flat()).toEqual([]);
      const again = await run(flagsOf(home, source.place));
      expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("moved 0 messages")]);
    });
    expect(await contents(home, Object.keys(queues))).toEqual(queues);
  });

  test("--queues are those that are drained, the others stay", async () => {
    const home = join(scratch(), "home");
    await withRelative(relative, stock(queues), async (source) => {
      const { code } = await run(flagsOf(home, source.place, ["--queues", "odd,last,unknown"]));
      expect(code).toBe(0);
      expect(source.queues.get("jobs")).toEqual(many);
    });
    const names = ["jobs", "odd", "last", "unknown"];
    const expected = { jobs: [], odd: queues.odd, last: queues.last, unknown: [] };
    expect(await contents(home, names)).toEqual(expected);
  });

  test.each([1, 3, 5, 6, 7, 31])("the drain is killed at command %d", async (at) => {
    const home = join(scratch(), "home");
    const queues = stock({ jobs: many });
    let child: ReturnType<typeof launch> | undefined;
    const kill = (commands: number): void => {
      if (commands === at) child?.kill("SIGKILL");
    };
    await withRelative(
      relative,
      queues,
      async (source) => {
        child = launch(flagsOf(home, source.place));
        await child.exit();
        const left = (): number => queues.get("jobs")?.length ?? 0;
        // The stand-in notices the end of the connections.
        await eventually("what was open is back", () => {
          const [first = ""] = queues.get("jobs") ?? [];
          return left() === 0 || first === many[many.length - left()] ? true : undefined;
        });
        child = undefined;
        expect((await run(flagsOf(home, source.place))).code).toBe(0);
      },
      kill,
    );
    const { jobs = [] } = await contents(home, ["jobs"]);
    expectInOrder(relative, jobs);
  });

  test.each([5, 6, 22])("the server there is killed at command %d", async (at) => {
    const home = join(scratch(), "home");
    const queues = stock({ jobs: many });
    let source: ReturnType<typeof startRelative> | undefined;
    const crash = (commands: number): void => {
      if (commands === at) source?.stop();
    };
    source = startRelative(relative, queues, crash);
    const { code, stderr } = await run(flagsOf(home, source.place));
    expect([code, stderr]).toEqual([1, expect.stringContaining("has ended the connection")]);
    expect(stderr).not.toContain("    at ");
    await withRelative(relative, queues, async (second) => {
      expect((await run(flagsOf(home, second.place))).code).toBe(0);
    });
    const { jobs = [] } = await contents(home, ["jobs"]);
    expectInOrder(relative, jobs);
  });
});

/** At most the message that was open is there twice; what Starling has sent may be lost. */
function expectInOrder(relative: Relative, jobs: readonly string[]): void {
  const once = jobs.filter((body, n) => body !== jobs[n - 1]);
  expect(once).toEqual(many.filter((body) => once.includes(body)));
  if (reliable.includes(relative)) {
    expect(once).toEqual(many);
    expect(jobs.length).toBeLessThanOrEqual(many.length + 1);
  } else {
    expect(jobs).toEqual(once);
    expect(jobs.length).toBeGreaterThanOrEqual(many.length - 32);
  }
}

describe("siberite", () => {
  test("its cursors are no queues", async () => {
    const home = join(scratch(), "home");
    await withRelative("siberite", stock({ jobs: many }), async (source) => {
      const [hostname = "", port] = source.place.split(":");
      const client = await connect({ hostname, port: Number(port) });
      client.send("get jobs.seen\r\n");
      expect((await client.messages()).map(({ body }) => body)).toEqual(["message 0"]);
      await client.end();
      const named = await run(flagsOf(home, source.place, ["--queues", "jobs,jobs.seen"]));
      expect([named.code, named.stderr]).toEqual([
        1,
        expect.stringContaining("jobs.seen is a cursor of Siberite"),
      ]);
      expect(source.queues.get("jobs")).toEqual(many);
      const { code, stderr } = await run(flagsOf(home, source.place));
      expect([code, stderr]).toEqual([0, expect.stringContaining("moved 60 messages")]);
      expect(stderr).not.toContain("seen");
    });
    expect(await contents(home, ["jobs", "jobs.seen"])).toEqual({ jobs: many, "jobs.seen": [] });
  });
});
