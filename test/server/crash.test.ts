/** The short form of `bun run torture --part crash`, `--part delivery` and `--part torn`. */
import { expect, test } from "bun:test";

import { crash } from "../torture/crash.ts";
import { delivery } from "../torture/delivery.ts";
import { runShort, seed, suite } from "../torture/short.ts";
import { torn } from "../torture/torn.ts";

suite();

test(`killed at random moments under a mixed load, nothing is lost or comes back, seed ${seed}`, async () => {
  const { counts } = await runShort(crash, 4000);
  expect(counts.get("databases")).toBeGreaterThan(0);
});

test(`each job gives one result, whatever is killed, seed ${seed}`, async () => {
  const { counts } = await runShort(delivery, 3000);
  expect(counts.get("databases")).toBeGreaterThan(0);
});

test(`all is there that was committed before the damage to the log, seed ${seed}`, async () => {
  const { counts } = await runShort(torn, 1000);
  expect(counts.size).toBeGreaterThan(0);
});
