/** A few seconds of what `bun run torture` goes on with. */
import { test } from "bun:test";

import { fuzz } from "../hostile/fuzz.ts";
import { silent } from "../hostile/part.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import { suite } from "./harness.ts";

suite();

test.each(seeds)("seed %d: bytes that nobody planned stop nobody", async (seed) => {
  await fuzz.run(1500, newRandom(seed), silent);
});
