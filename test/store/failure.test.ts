/** A commit that fails leaves nothing behind, and the store goes on. */
import { describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";

import type { Store } from "../../src/store/store.ts";
import {
  commit,
  connect,
  failure,
  fileIn,
  maintainAll,
  make,
  messages,
  messagesOf,
  newHome,
  numbered,
  numberedBodies,
  open,
  position,
  put,
  rows,
  segment,
  segmentsIn,
  sent,
  suite,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

/** All that is in the tables, from another connection. */
function everything(directory: string): unknown[] {
  return ["queue", "dropped", "segment", "held"].map((table) =>
    rows(directory, `SELECT * FROM ${table} ORDER BY 1`),
  );
}

/** Two queues with ten messages each, and one that is still being dropped. */
function stocked(): { directory: string; store: Store; a: number; b: number } {
  const directory = newHome();
  const store = open(directory);
  const [a, b, gone] = ["a", "b", "gone"].map((name) => make(store, name)) as [
    number,
    number,
    number,
  ];
  for (const queue of [a, b, gone]) put(store, queue, 1, numberedBodies("m", 10));
  commit(store, { positions: [position(a, 3, 11)], held: messages(a, 1, 2) });
  commit(store, { dropped: [gone] });
  return { directory, store, a, b };
}

/** Does a bit of everything to the two queues; the last step is the one to fail. */
function bitOfEverything(store: Store, a: number, b: number) {
  const made = store.newQueueId() as number;
  return {
    dropped: [b],
    created: [{ queue: made, name: "new" }],
    segments: [segment(a, 11, numberedBodies("m", 5, 11)), segment(made, 1, [sent("x")])],
    positions: [position(a, 11, 16, 5), position(made, 1, 2)],
    held: messages(a, 3),
    released: messages(a, 2),
  };
}

test("a probe sees at once that the file is gone, and that it is back", () => {
  const { directory, store } = stocked();
  store.probe();
  renameSync(fileIn(directory), `${fileIn(directory)}.away`);
  expect(failure(() => store.probe())).toBe("the database file is gone from its directory");
  renameSync(`${fileIn(directory)}.away`, fileIn(directory));
  store.probe();
});

describe("while another connection writes", () => {
  test("a commit fails without waiting, and works afterwards", () => {
    const { directory, store, a, b } = stocked();
    const batch = bitOfEverything(store, a, b);
    const before = everything(directory);
    const other = connect(directory);
    other.run("BEGIN IMMEDIATE");
    other.run("INSERT INTO dropped VALUES (77)");
    for (let i = 0; i < 3; i++) {
      expect(failure(() => store.commit(batch))).toBe("database is locked");
    }
    other.run("ROLLBACK");
    expect(everything(directory)).toEqual(before);
    store.commit(batch);
    expect(messagesOf(store.read(a, 11, ALL))).toEqual(numbered(numberedBodies("m", 5, 11), 11));
    expect(rows(directory, "SELECT name FROM queue")).toHaveLength(2);
  });

  test("messages are read all the same", () => {
    const { directory, store, a } = stocked();
    const other = connect(directory);
    other.run("BEGIN IMMEDIATE");
    expect(messagesOf(store.read(a, 1, ALL))).toHaveLength(10);
    other.run("ROLLBACK");
  });

  test("clearing up fails, and works afterwards", () => {
    const { directory, store } = stocked();
    const other = connect(directory);
    other.run("BEGIN IMMEDIATE");
    expect(failure(() => store.maintain())).toBe("database is locked");
    expect(rows(directory, "SELECT * FROM dropped")).toHaveLength(1);
    other.run("ROLLBACK");
    maintainAll(store);
    expect(rows(directory, "SELECT * FROM dropped")).toEqual([]);
    expect(segmentsIn(directory)).toEqual(["1:1+10", "2:1+10"]);
  });
});

describe("a batch that fails in the middle", () => {
  /** Each lets some of the batch happen, and then a later part of it fail. */
  const obstacles: [title: string, obstacle: (made: number) => string, reason: string][] = [
    ["at a position", (made) => `BEFORE UPDATE ON queue WHEN new.id = ${made}`, "no position"],
    [
      "at a segment",
      (made) => `BEFORE INSERT ON segment WHEN new.key >> 43 = ${made}`,
      "no segment",
    ],
    ["at a queue that is made", () => "BEFORE INSERT ON queue", "no queue"],
    ["at a queue that is dropped", () => "BEFORE DELETE ON queue", "no drop"],
    ["at the note of a dropped queue", () => "AFTER INSERT ON dropped", "no note"],
    ["at a message that is held", () => "BEFORE INSERT ON held", "no hold"],
    ["at a message that is released", () => "BEFORE DELETE ON held", "no release"],
  ];

  test.each(obstacles)("%s, leaves nothing behind", (_title, obstacle, reason) => {
    const { directory, store, a, b } = stocked();
    const batch = bitOfEverything(store, a, b);
    const made = batch.created[0]?.queue as number;
    const before = everything(directory);
    const other = connect(directory);
    other.run(
      `CREATE TRIGGER obstacle ${obstacle(made)} BEGIN SELECT RAISE(ABORT, '${reason}'); END`,
    );
    expect(failure(() => store.commit(batch))).toBe(reason);
    expect(failure(() => store.commit(batch))).toBe(reason);
    expect(everything(directory)).toEqual(before);
    expect(messagesOf(store.read(a, 1, ALL))).toHaveLength(10);
    expect(messagesOf(store.read(b, 1, ALL))).toHaveLength(10);
    other.run("DROP TRIGGER obstacle");
    put(store, b, 11, [sent("between")]);
    store.commit(batch);
    expect(messagesOf(store.read(made, 1, ALL))).toEqual(numbered([sent("x")]));
    maintainAll(store);
    store.close();
    expect(segmentsIn(directory)).toEqual([`${a}:1+10`, `${a}:11+5`, `${made}:1+1`]);
  });

  test("a segment that is there already is refused, and so is all that comes with it", () => {
    const { directory, store, a, b } = stocked();
    const before = everything(directory);
    const again = {
      segments: [segment(b, 11, [sent("new")]), segment(a, 1, [sent("again")])],
      positions: [position(b, 1, 12)],
    };
    expect(failure(() => commit(store, again))).toContain("UNIQUE");
    expect(everything(directory)).toEqual(before);
  });

  test("a queue that is there already is refused", () => {
    const { directory, store } = stocked();
    const before = everything(directory);
    const again = { created: [{ queue: store.newQueueId() as number, name: "a" }] };
    expect(failure(() => commit(store, again))).toContain("UNIQUE");
    expect(everything(directory)).toEqual(before);
  });
});

describe("after a get that could not be committed the messages are still there", () => {
  /** Ten messages, and a commit that takes them all and fails with its last step. */
  function attempt() {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    const other = make(store, "other");
    const messages = numberedBodies("m", 10);
    put(store, queue, 1, ...messages.map((message) => [message]));
    const shell = connect(directory);
    shell.run(
      `CREATE TRIGGER obstacle BEFORE UPDATE ON queue WHEN new.id = ${other} BEGIN SELECT RAISE(ABORT, 'no'); END`,
    );
    const positions = [position(queue, 11, 11), position(other, 1, 1)];
    expect(failure(() => commit(store, { positions }))).toBe("no");
    shell.run("DROP TRIGGER obstacle");
    return { store, queue, messages };
  }

  test("once the store has tidied up", () => {
    const { store, queue, messages } = attempt();
    maintainAll(store);
    expect(messagesOf(store.read(queue, 1, ALL))).toEqual(numbered(messages));
  });

  test("also with a set in between", () => {
    const { store, queue, messages } = attempt();
    put(store, queue, 11, [sent("more")]);
    maintainAll(store);
    expect(messagesOf(store.read(queue, 1, ALL)).slice(0, 10)).toEqual(numbered(messages));
  });
});

interface Full {
  stored: number;
  reasons: string[];
  readWhileFull: number;
  taken: string;
  readAfterTaking: number;
  afterwards: string;
  large: string;
  read: number[];
}

/** The process may not write files beyond a few hundred kilobytes: as a full disk, for it alone. */
test("a full disk: commits fail, nothing else is lost, and with room again they work", async () => {
  const directory = newHome();
  const child = Bun.spawn(
    [
      "sh",
      "-c",
      `trap "" XFSZ; ulimit -f 512; exec "$0" "$@"`,
      process.execPath,
      `${import.meta.dir}/failure.fixture.ts`,
      directory,
    ],
    { stderr: "pipe" },
  );
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(errors).toBe("");
  const full = JSON.parse(text) as Full;
  expect(full.stored).toBeGreaterThan(10);
  expect(full.stored).toBeLessThan(1000);
  for (const reason of full.reasons) expect(reason).toMatch(/full|I\/O error/);
  expect(full.readWhileFull).toBe(full.stored);
  expect(full.taken).toMatch(/full|I\/O error/);
  expect(full.readAfterTaking).toBe(full.stored);
  expect(full.afterwards).toBe("");
  expect(full.large).toMatch(/full|I\/O error/);
  const numbers = Array.from({ length: full.stored + 2 }, (_, n) => n + 1);
  expect(full.read).toEqual(numbers);

  // What the process left behind is whole.
  expect(await Bun.file(fileIn(directory)).exists()).toBe(true);
  const store = open(directory);
  expect(store.queues()).toMatchObject([{ name: "q", head: 1, tail: full.stored + 3 }]);
  const [{ queue } = { queue: 0 }] = store.queues();
  expect(messagesOf(store.read(queue, 1, ALL)).map(({ number }) => number)).toEqual(numbers);
  store.close();
  expect(rows(directory, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
});
