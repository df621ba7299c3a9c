/** After a commit that failed, what is said of it is so, also after a crash; and after a recovery the store goes on. */
import { describe, expect, test } from "bun:test";

import { makeShim } from "../torture/shim.ts";
import type { Attempt } from "./recover.fixture.ts";
import { failure, make, newHome, open, put, scratch, sent, suite } from "./scratch.ts";

suite();

/** What the fixture found, with the log as it says. */
async function run(log: string): Promise<{ attempts: Attempt[]; checkpoint: string[] }> {
  const folder = scratch();
  const { env } = makeShim(folder);
  const fixture = `${import.meta.dir}/recover.fixture.ts`;
  const child = Bun.spawn([process.execPath, fixture, folder, log], {
    env: { ...process.env, ...env },
    stderr: "pipe",
  });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(errors).toBe("");
  return JSON.parse(text) as { attempts: Attempt[]; checkpoint: string[] };
}

/** A checkpoint whose sync fails, a commit, a read that fails, and what is due after commits; and what is left. */
const CHECKPOINT = [
  "nothing happened disk I/O error",
  "done",
  "nothing happened disk I/O error",
  "done",
  "log true false",
  "21 of 22, after a crash 21",
];

const outcomes = (all: Attempt[], call: string, file = "log") =>
  all.filter((one) => one.call === call && one.file === file).map(({ outcome }) => outcome);

describe.if(process.platform === "linux")("with a call that fails in a commit", () => {
  test.each([
    ["full", ["unknown"]],
    // The first sync is that of the log's header, before any frame is there.
    ["empty", ["nothing happened", "unknown"]],
    ["anew", ["nothing happened", "unknown"]],
  ])("and a log that is %s: what is said is true", async (log, syncs) => {
    const { attempts: all, checkpoint } = await run(log);
    expect(checkpoint).toEqual(CHECKPOINT);
    expect(outcomes(all, "sync")).toEqual(syncs);
    // The log is written and synced before its index grows.
    expect(outcomes(all, "write", "index")).toContain("unknown");
    const writes = all.filter(({ call, file }) => call === "write" && file === "log");
    expect(writes.length).toBeGreaterThan(3);
    // Of a log that begins anew the old header stands, and what is behind it.
    const first = log === "anew" ? "unknown" : "nothing happened";
    for (const [n, { after, outcome }] of writes.entries()) {
      expect({ n, outcome }).toEqual({ n, outcome: after === 0 ? first : "nothing happened" });
    }
    for (const one of all) {
      if (one.outcome === "nothing happened") {
        expect(one).toMatchObject({ crashed: 20, between: "" });
      } else {
        expect(one.message).toEndWith(", outcome unknown");
        expect(one.between).toBe("the database is not recovered yet");
        expect([20, 21]).toContain(one.recovered as number);
        expect(one.crashedLater).toBe(one.recovered);
        expect(one.crashedLast).toBe((one.recovered as number) + 1);
      }
    }
  });
});

test("without an unknown outcome there is nothing to recover", () => {
  const store = open(newHome());
  const queue = make(store, "q");
  put(store, queue, 1, [sent("x")]);
  store.recover();
  expect(store.queues()).toMatchObject([{ tail: 2, held: [] }]);
  expect(failure(() => put(store, queue, 1, [sent("again")]))).not.toContain("unknown");
});
