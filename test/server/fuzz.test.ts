/** A few seconds of what `bun run torture` goes on with. */
import { test } from "bun:test";

import { fuzz } from "../hostile/fuzz.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import { newTally, reportTo } from "../torture/part.ts";
import { suite } from "../torture/short.ts";

suite();

test.each(seeds)("seed %d: bytes that nobody planned stop nobody", async (seed) => {
  await fuzz.run(1500, newRandom(seed), reportTo(newTally()));
});
