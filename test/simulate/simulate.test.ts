/** The simulator itself: the same seed gives the same run, and what failed once stays mended. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { openLog } from "../../src/util/log.ts";
import type { Ask } from "./ask.ts";
import { newPlan } from "./generate.ts";
import { runInJobs } from "./jobs.ts";
import { readOptions } from "./options.ts";
import type { Config, Plan, Step } from "./plan.ts";
import { replay } from "./replay.ts";
import { runAll } from "./runs.ts";
import { FAILED, type Known } from "./seeds.ts";
import { shrink } from "./shrink.ts";

setDefaultTimeout(60_000);
// The server logs each of the faults.
beforeAll(() => openLog(() => false));
afterAll(() => openLog(() => true));

test.each(["memory", "sqlite"] as const)(
  "the same seed is the same run, over %s",
  async (store) => {
    for (const seed of [1, 2, 3, 4]) {
      const plan = () => {
        const { steps, ...rest } = newPlan(seed, store);
        return { ...rest, steps: steps.slice(0, 30) };
      };
      const first = await replay(plan());
      expect(first.failure).toBeUndefined();
      expect(await replay(plan())).toEqual(first);
    }
  },
);

test("another seed is another run", async () => {
  const [one, other] = await Promise.all([replay(newPlan(1)), replay(newPlan(2))]);
  expect(one.digest).not.toBe(other.digest);
});

test.each(FAILED)("seed $seed of edition $edition", async ({ seed, edition, store }) => {
  expect((await replay(newPlan(seed, store, edition))).failure).toBeUndefined();
});

test("seeds that processes share are run once each, as by one process", async () => {
  const range = {
    first: 60,
    seeds: 7,
    step: 1,
    seconds: Infinity,
    store: undefined,
    known: [
      { seed: 5, edition: 1 },
      { seed: 20, edition: 1 },
    ] satisfies Known[],
  };
  const [alone, shared] = [await runAll(range), await runInJobs(range, 3)];
  expect(alone.failure).toBeUndefined();
  expect(alone.tallies).toMatchObject({ memory: { seeds: 7 }, sqlite: { seeds: 2 } });
  for (const { tallies } of [alone, shared]) {
    tallies.memory.cpuMs = 0;
    tallies.sqlite.cpuMs = 0;
  }
  expect(shared).toEqual(alone);
});

test("what goes wrong in one of the processes is told, and ends the others", async () => {
  const known: Known[] = [
    { seed: 1, edition: 1 },
    { seed: 5n as never, edition: 1 },
  ];
  const range = { first: 1, seeds: Infinity, step: 1, seconds: Infinity, store: undefined, known };
  expect((await runInJobs(range, 2)).failure).toContain("TypeError");
});

/** A plan that always fails: the client of its last steps asks for what nobody knows the answer to. */
function failing(): Plan {
  const plan = newPlan(11, "memory");
  const habits = { binary: false, reads: "all", window: 1000 } as const;
  const asks: Ask[] = [
    { kind: "version", dialect: "text" },
    { kind: "wrong", dialect: "text", which: -1 },
  ];
  const steps: Step[] = [
    ...plan.steps,
    { do: "connect", client: 1000, habits },
    { do: "send", client: 1000, asks },
    { do: "turn", times: 3 },
  ];
  return { ...plan, steps };
}

test("a plan that fails is shortened to what fails in the same way", async () => {
  const plan = failing();
  const { failure } = await replay(plan);
  expect(failure).toContain("client 1000");
  const short = await shrink(plan, failure ?? "", 10_000);
  expect(short.steps.length).toBeLessThanOrEqual(3);
  expect((await replay(short)).failure).toContain("client 1000");
});

test("a client is not evicted because commits take seconds", async () => {
  const config: Config = {
    ...newPlan(1, "memory").config,
    late: "no",
    maxBody: 70_000,
    maxMessages: 0,
    maxBytes: 0,
    rules: [],
    maxInput: 100_000,
    maxOutput: 0,
    waitsForDisk: false,
    logBuffer: 1000,
    lookMicros: 0,
    commitMicros: 4_000_000,
  };
  const all: Ask = { kind: "flush_all", dialect: "text" };
  const flush: Ask = { kind: "flush", dialect: "text", queue: "q" };
  const set = (size: number): Ask => {
    return { kind: "set", dialect: "text", queue: "q", size, fill: size };
  };
  const sizes = [2020, 8308, 5226, 9752, 8663, 2400, 6989, 4807, 7475, 1655, 7818, 6980, 2747];
  const steps: Step[] = [
    { do: "connect", client: 0, habits: { binary: false, reads: "all", window: 200_000 } },
    { do: "send", client: 0, asks: [flush, set(6504), all, set(560), flush, set(4631)] },
    {
      do: "send",
      client: 0,
      asks: [
        all,
        ...sizes.slice(0, 4).map(set),
        flush,
        ...sizes.slice(4).map(set),
        set(1217),
        set(3722),
      ],
    },
  ];
  expect((await replay({ seed: 14, config, steps })).failure).toBeUndefined();
});

describe("the command line", () => {
  test("one seed, many of them, or as many as there is time for", () => {
    expect(readOptions(["--seed", "5"])).toMatchObject({ seed: 5, seeds: 1, seconds: Infinity });
    expect(readOptions(["--seeds", "9"])).toMatchObject({ seeds: 9, seconds: Infinity });
    expect(readOptions(["--seeds", "9", "--jobs", "3"])).toMatchObject({ seeds: 9, jobs: 3 });
    expect(readOptions(["--seconds", "2"])).toMatchObject({ seeds: Infinity, seconds: 2 });
    expect(readOptions([])).toMatchObject({ seeds: Infinity, seconds: 60, store: undefined });
  });

  test.each([
    [["--seed", "x"], "--seed wants a whole number from 0 to 4294967295"],
    [["--seeds", "0"], "--seeds wants"],
    [["--jobs", "0"], "--jobs wants"],
    [["--store", "disk"], '--store wants memory or sqlite, not "disk"'],
    [["--nothing"], "--nothing"],
  ])("%p is refused", (args, why) => {
    expect(() => readOptions(args)).toThrow(why);
  });
});
