/** The short form of `bun run torture --part disk`, and a directory that disappears. */
import { expect, test } from "bun:test";

import { newRandom } from "../protocol/random.ts";
import { moveDirectory, removeDirectory } from "../torture/directory.ts";
import { overcome, sizeLimit } from "../torture/disk.ts";
import { newTally, reportTo } from "../torture/part.ts";
import { seed, suite } from "../torture/short.ts";

suite();

test.each(["stop", "kill"] as const)(
  `at the file size limit, and with room again, %s, seed ${seed}`,
  async (ending) => {
    const tally = newTally();
    await overcome(sizeLimit, ending, newRandom(seed), reportTo(tally));
    expect(tally.counts.get("sets refused (file size limit)")).toBeGreaterThan(0);
  },
);

test("when the directory is removed, nothing is stored any more", async () => {
  await removeDirectory(reportTo(newTally()));
});

test("when the directory is moved away, nothing is stored until it is back", async () => {
  await moveDirectory(reportTo(newTally()));
});
