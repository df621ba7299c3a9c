/**
 * Clients that do everything at random, at the same time, and end in the middle, on a server that is killed and
 * started again: nothing is lost, nothing comes twice, the order is kept and the counters are right.
 */
import { describe, expect, test } from "bun:test";

import { suite } from "./harness.ts";
import { runDeliveries } from "./property/deliveries.ts";
import { runTrial } from "./property/trial.ts";

suite();

/** To see a failure again: the seed that it named. */
const seedName = "MEMCACHEQ_SEED";
/** For a longer search: how many rounds each trial has. */
const roundsName = "MEMCACHEQ_ROUNDS";

const rounds = Number(process.env[roundsName] ?? 40);
const given = process.env[seedName];
const seeds = given === undefined ? [1, Math.floor(Math.random() * 2 ** 32)] : [Number(given)];

describe.each([
  ["durable", []],
  ["durable, many small transactions", ["-L", "1"]],
  ["-N", ["-N"]],
])("%s", (_title, flags) => {
  test.each(seeds)(
    `${seedName}=%d`,
    async (seed) => {
      const summary = await runTrial({ seed, rounds, flags });
      for (const count of Object.values(summary)) expect(count).toBeGreaterThan(0);
    },
    rounds * 5000,
  );
});

test.each(seeds)(
  `leases, retries, dead letters, delays, ids and hand-over, in all dialects, ${seedName}=%d`,
  async (seed) => {
    expect(await runDeliveries(seed, rounds * 20)).toBeGreaterThan(rounds * 10);
  },
  rounds * 5000,
);
