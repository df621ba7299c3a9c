/** A file of memcacheq 1.0 becomes one of this version: all at once, whatever is in it, and however it was left. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, statSync } from "node:fs";

import { newRandom, seeds } from "../protocol/random.ts";
import {
  fileIn,
  logIn,
  maintainAll,
  messagesOf,
  newHome,
  numbered,
  numberedBodies,
  open,
  put,
  rows,
  segment,
  segmentsIn,
  type Sent,
  sent,
  suite,
} from "./scratch.ts";
import { insertOld, newOld } from "./upgrade.old.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

/** Copies what a crash of the server that has it open would leave. */
function crashed(directory: string): string {
  const image = newHome();
  for (const file of [fileIn, logIn]) {
    if (existsSync(file(directory))) copyFileSync(file(directory), file(image));
  }
  return image;
}

/** A file of 1.0 with three queues, one of them dropped and not yet gone, and held messages. */
function stocked(): { directory: string; old: Database } {
  const directory = newHome();
  const old = newOld(fileIn(directory));
  old.run("INSERT INTO queue VALUES (1, 'plain', 1, 101, 500, '[]')");
  old.run("INSERT INTO queue VALUES (3, 'held', 41, 61, 300, '[2,7,40]')");
  old.run("INSERT INTO queue VALUES (1048575, CAST('last' AS BLOB), 1, 3, 10, '[]')");
  old.run("INSERT INTO dropped VALUES (2)");
  insertOld(old, segment(1, 1, numberedBodies("m", 100)), 1_700_000_000_123);
  for (let first = 1; first <= 60; first += 5) {
    insertOld(old, segment(3, first, numberedBodies("h", 5, first)));
  }
  insertOld(old, segment(2, 1, numberedBodies("gone", 10)));
  for (const first of [1, 2]) insertOld(old, segment(1_048_575, first, [sent(`l${first}`, first)]));
  return { directory, old };
}

function expectUpgraded(directory: string): void {
  const store = open(directory);
  expect(store.queues()).toEqual([
    { queue: 1, name: "plain", head: 1, tail: 101, bytes: 500, held: [] },
    { queue: 3, name: "held", head: 41, tail: 61, bytes: 300, held: [2, 7, 40] },
    { queue: 1_048_575, name: "last", head: 1, tail: 3, bytes: 10, held: [] },
  ]);
  expect(messagesOf(store.read(1, 1, ALL))).toEqual(numbered(numberedBodies("m", 100)));
  expect(store.arrived(1, 50)).toBe(1_700_000_000_123);
  expect(messagesOf(store.read(1_048_575, 2, ALL))).toEqual([{ number: 2, ...sent("l2", 2) }]);
  const shown = rows<{ number: number; state: string }>(
    directory,
    "SELECT number, state FROM message WHERE queue = 'held' ORDER BY number",
  );
  expect(shown.slice(0, 4)).toEqual([
    { number: 2, state: "held" },
    { number: 7, state: "held" },
    { number: 40, state: "held" },
    { number: 41, state: "ready" },
  ]);
  expect(shown).toHaveLength(23);
  maintainAll(store);
  const left = ["3:1+5", "3:6+5", "3:36+5", "3:41+5", "3:46+5", "3:51+5", "3:56+5"];
  expect(segmentsIn(directory).filter((one) => one.startsWith("3:"))).toEqual(left);
  expect(segmentsIn(directory).filter((one) => one.startsWith("2:"))).toEqual([]);
  put(store, 1, 101, numberedBodies("m", 20, 101));
  expect(messagesOf(store.read(1, 1, ALL))).toHaveLength(120);
  store.close();
  expect(rows(directory, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
  expect(rows(directory, "PRAGMA user_version")).toEqual([{ user_version: 2 }]);
}

describe("a file of 1.0", () => {
  test("that was closed: everything is there, and held messages have rows", () => {
    const { directory, old } = stocked();
    old.close();
    expectUpgraded(directory);
  });

  test("whose log was left behind by a crash", () => {
    const { directory, old } = stocked();
    const image = crashed(directory);
    old.close();
    expect(statSync(logIn(image)).size).toBeGreaterThan(10_000);
    expectUpgraded(image);
  });

  test("has the same tables and columns as a new one", () => {
    const { directory, old } = stocked();
    old.close();
    open(directory).close();
    const fresh = newHome();
    open(fresh).close();
    const columns = (home: string) =>
      ["queue", "dropped", "segment", "held", "expiry", "moved", "token", "message"].map((table) =>
        rows(
          home,
          `SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('${table}')`,
        ),
      );
    expect(columns(directory)).toEqual(columns(fresh));
  });

  test("is told of in two lines, once", () => {
    const { directory, old } = stocked();
    old.close();
    const lines: string[] = [];
    const progress = (text: string) => lines.push(text);
    open(directory, { progress }).close();
    expect(lines[0]).toBe("upgrading the database from schema 1 to 2");
    expect(lines[1]).toMatch(/^the database has schema 2 now, after \d+\.\d s$/);
    open(directory, { progress }).close();
    expect(lines).toHaveLength(2);
  });

  test("that another process writes to is left as it is", () => {
    const { directory, old } = stocked();
    old.run("BEGIN IMMEDIATE");
    expect(() => open(directory)).toThrow("database is locked");
    old.run("ROLLBACK");
    expect(rows(directory, "PRAGMA user_version")).toEqual([{ user_version: 1 }]);
    old.close();
    expectUpgraded(directory);
  });

  test("without queues", () => {
    const directory = newHome();
    newOld(fileIn(directory)).close();
    const store = open(directory);
    expect(store.queues()).toEqual([]);
    store.close();
  });
});

test.each(seeds)(
  "a kill at any moment leaves a file of 1.0 or of this version, seed %d",
  async (seed) => {
    const random = newRandom(seed);
    const whole = newHome();
    const old = newOld(fileIn(whole));
    // Enough that the upgrade takes a while: queues with long lists of held messages.
    const held = `[${Array.from({ length: 500 }, (_, n) => n + 1)}]`;
    old.run("BEGIN");
    for (let id = 1; id <= 300; id++) {
      old.run(`INSERT INTO queue VALUES (${id}, 'q${id}', 501, 502, 10, '${held}')`);
    }
    old.run("COMMIT");
    for (let id = 1; id <= 20; id++) insertOld(old, segment(id, 1, numberedBodies("m", 501)));
    old.close();
    const found = { old: 0, upgraded: 0 };
    for (let round = 0; round < 8; round++) {
      const directory = newHome();
      copyFileSync(fileIn(whole), fileIn(directory));
      const child = Bun.spawn(
        [process.execPath, `${import.meta.dir}/upgrade.fixture.ts`, directory],
        {
          stdout: "pipe",
        },
      );
      await child.stdout.getReader().read();
      await Bun.sleep(random.below(300));
      child.kill("SIGKILL");
      await child.exited;
      const image = crashed(directory);
      const [{ user_version: version } = { user_version: 0 }] = rows<{ user_version: number }>(
        image,
        "PRAGMA user_version",
      );
      expect([1, 2]).toContain(version);
      found[version === 1 ? "old" : "upgraded"]++;
      expect(rows(image, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
      const store = open(directory);
      const queues = store.queues();
      expect(queues).toHaveLength(300);
      expect(queues.every((queue) => queue.held.length === 500 && queue.held[499] === 500)).toBe(
        true,
      );
      expect(
        messagesOf(store.read(20, 501, 1))
          .at(-1)
          ?.body.toString(),
      ).toBe("m501");
      store.close();
    }
    expect(found.old + found.upgraded).toBe(8);
  },
);

test("messages of 1.0 are not touched, however many", () => {
  const directory = newHome();
  const old = newOld(fileIn(directory));
  const group: Sent[] = numberedBodies("x".repeat(90), 600, 100_000);
  old.run("INSERT INTO queue VALUES (1, 'q', 1, 300001, 30000000, '[]')");
  old.run("BEGIN");
  for (let first = 1; first <= 300_000; first += 600) insertOld(old, segment(1, first, group));
  old.run("COMMIT");
  old.run("PRAGMA wal_checkpoint(TRUNCATE)");
  old.close();
  const before = readFileSync(fileIn(directory));
  const store = open(directory);
  // What the upgrade wrote is in the log.
  expect(statSync(logIn(directory)).size).toBeLessThan(200_000);
  expect(messagesOf(store.read(1, 299_999, ALL)).at(-1)?.number).toBe(300_000);
  store.close();
  const after = readFileSync(fileIn(directory));
  const changed = Array.from({ length: before.length / 4096 }, (_, page) => page * 4096).filter(
    (at) => before.compare(after, at, at + 4096, at, at + 4096) !== 0,
  );
  expect(changed.length).toBeLessThan(15);
});
