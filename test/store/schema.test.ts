/** The database file: how it is made, and which files are refused. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import {
  commit,
  failure,
  fileIn,
  logIn,
  make,
  messagesOf,
  newHome,
  numberedBodies,
  open,
  put,
  rows,
  sent,
  suite,
} from "./scratch.ts";

suite();

const ALL = Number.MAX_SAFE_INTEGER;

function pragma(directory: string, name: string): unknown {
  return Object.values(rows<Record<string, unknown>>(directory, `PRAGMA ${name}`)[0] ?? {})[0];
}

/** A home with a database that holds some messages, closed. */
function stockedHome(options: Parameters<typeof open>[1] = {}): string {
  const directory = newHome();
  const store = open(directory, options);
  for (const name of ["a", "b", "c"]) {
    const queue = make(store, name);
    put(store, queue, 1, numberedBodies("m", 500), [sent(Buffer.alloc(50_000, name), 1)]);
  }
  commit(store, { dropped: [make(store, "gone")] });
  store.close();
  return directory;
}

/**
 * All files of the directory, and a digest of each. A look at a database leaves shared memory and a log without
 * contents beside it, which say nothing.
 */
function contents(directory: string): Record<string, string> {
  const files = readdirSync(directory)
    .map((name) => ({ name, bytes: readFileSync(join(directory, name)) }))
    .filter(
      ({ name, bytes }) => !name.endsWith("-shm") && !(name.endsWith("-wal") && bytes.length === 0),
    );
  return Object.fromEntries(files.map(({ name, bytes }) => [name, Bun.SHA256.hash(bytes, "hex")]));
}

/** The store refuses the directory, more than once, with a reason that names the file; nothing is changed. */
function expectRefused(directory: string): string {
  const before = contents(directory);
  const reasons = [1, 2].map(() => failure(() => open(directory)));
  expect(reasons[0]).toContain(fileIn(directory));
  expect(reasons[1]).toBe(reasons[0] as string);
  expect(contents(directory)).toEqual(before);
  return (reasons[0] as string).replace(fileIn(directory), "FILE");
}

describe("a new database", () => {
  test.each(["000", "022", "077"])("is its owner's alone, with umask %s", (mask) => {
    const directory = newHome();
    const before = process.umask(mask);
    try {
      make(open(directory), "q");
    } finally {
      process.umask(before);
    }
    const names = ["memcacheq.db", "memcacheq.db-shm", "memcacheq.db-wal"];
    expect(readdirSync(directory).sort()).toEqual(names);
    for (const name of names) {
      const { mode } = statSync(join(directory, name));
      expect((mode & 0o777).toString(8)).toBe("600");
    }
  });

  test.each([512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536])(
    "pages of %d bytes",
    (pageSize) => {
      const directory = newHome();
      const store = open(directory, { pageSize });
      const queue = make(store, "q");
      put(store, queue, 1, numberedBodies("m", 200), [sent(Buffer.alloc(200_000, "x"))]);
      store.close();
      expect(pragma(directory, "page_size")).toBe(pageSize);
      expect(statSync(fileIn(directory)).size % pageSize).toBe(0);
      const later = open(directory, { pageSize: pageSize === 4096 ? 8192 : 4096 });
      expect(messagesOf(later.read(queue, 1, ALL))).toHaveLength(201);
      later.close();
      expect(pragma(directory, "page_size")).toBe(pageSize);
    },
  );

  test("says whose it is, and keeps its log apart", () => {
    const directory = stockedHome();
    expect(pragma(directory, "application_id")).toBe(Buffer.from("MCQ1").readInt32BE(0));
    expect(pragma(directory, "user_version")).toBe(2);
    expect(pragma(directory, "journal_mode")).toBe("wal");
    expect(pragma(directory, "auto_vacuum")).toBe(2);
    expect(pragma(directory, "integrity_check")).toBe("ok");
  });

  test("takes the place of an empty file, whose mode stays", () => {
    const directory = newHome();
    writeFileSync(fileIn(directory), "");
    chmodSync(fileIn(directory), 0o640);
    const store = open(directory);
    make(store, "q");
    expect(statSync(fileIn(directory)).mode & 0o777).toBe(0o640);
    store.close();
    expect(open(directory).queues()).toHaveLength(1);
  });

  test("takes the place of an empty database", () => {
    const directory = newHome();
    const database = new Database(fileIn(directory));
    database.run("PRAGMA user_version = 0");
    database.run("VACUUM");
    database.close();
    expect(statSync(fileIn(directory)).size).toBeGreaterThan(0);
    make(open(directory), "q");
    expect(pragma(directory, "user_version")).toBe(2);
  });
});

/** A directory with what a kill leaves of a database, and of the journal, in the middle of a transaction. */
function halfway(...before: string[]): string {
  const [directory, other] = [newHome(), newHome()];
  const database = new Database(fileIn(other));
  for (const statement of before) database.run(statement);
  // Without room for its pages a transaction writes them before it ends.
  database.run("PRAGMA cache_size = 1");
  database.run("BEGIN");
  database.run("CREATE TABLE filling (bytes)");
  for (let n = 0; n < 100; n++) database.run("INSERT INTO filling VALUES (zeroblob(10000))");
  for (const file of [fileIn, journalIn]) copyFileSync(file(other), file(directory));
  database.close();
  expect(statSync(fileIn(directory)).size).toBeGreaterThan(100_000);
  expect(statSync(journalIn(directory)).size).toBeGreaterThan(0);
  return directory;
}

const journalIn = (directory: string) => `${fileIn(directory)}-journal`;

describe("a file whose making was broken off", () => {
  test.each([0, 100, 512, 5000, Infinity])("after %d bytes of it is made anew", (length) => {
    const directory = halfway();
    const { size } = statSync(fileIn(directory));
    truncateSync(fileIn(directory), Math.min(size, length));
    const store = open(directory, { pageSize: 512 });
    make(store, "q");
    store.close();
    expect(existsSync(journalIn(directory))).toBe(false);
    expect(pragma(directory, "integrity_check")).toBe("ok");
    expect(pragma(directory, "page_size")).toBe(512);
    expect(open(directory).queues()).toHaveLength(1);
  });

  test("of which there was something before is left alone", () => {
    expect(expectRefused(halfway("CREATE TABLE note (text)"))).toBe(
      "FILE was being changed by another application that ended in the middle of it",
    );
  });
});

describe("a file that is none of ours", () => {
  test.each([
    ["a short text", "Dear diary,\n"],
    ["a long text", "Dear diary, ".repeat(10_000)],
    ["zeros", "\0".repeat(100_000)],
    ["a few bytes", "SQLite"],
    ["what a database begins with", "SQLite format 3\0"],
  ])("%s", (_title, text) => {
    const directory = newHome();
    writeFileSync(fileIn(directory), text);
    expect(expectRefused(directory)).toMatch(/^FILE is (no database of memcacheq|damaged)/);
  });

  function foreign(...statements: string[]): string {
    const directory = newHome();
    const database = new Database(fileIn(directory));
    for (const statement of statements) database.run(statement);
    database.close();
    return directory;
  }

  const theirs = "FILE is the database of another application";

  test("another application's database", () => {
    expect(expectRefused(foreign("CREATE TABLE note (text)", "INSERT INTO note VALUES (1)"))).toBe(
      theirs,
    );
  });

  test("another application's database that has tables like ours", () => {
    expect(expectRefused(foreign("CREATE TABLE queue (id, name, head, tail)"))).toBe(theirs);
  });

  test("another application's database that is empty", () => {
    expect(expectRefused(foreign("PRAGMA application_id = 77", "VACUUM"))).toBe(theirs);
  });

  test("another application's database of a high version", () => {
    expect(expectRefused(foreign("PRAGMA user_version = 77", "CREATE TABLE note (text)"))).toBe(
      theirs,
    );
  });

  test("another application's database with a log", () => {
    const directory = newHome();
    const other = newHome();
    const database = new Database(fileIn(other));
    database.run("PRAGMA journal_mode = WAL");
    database.run("CREATE TABLE note (text)");
    // As a crash leaves them: copied while the log is not yet in the file.
    copyFileSync(fileIn(other), fileIn(directory));
    copyFileSync(logIn(other), logIn(directory));
    database.close();
    expect(statSync(logIn(directory)).size).toBeGreaterThan(0);
    expect(expectRefused(directory)).toBe(theirs);
  });

  test("a directory", () => {
    const directory = newHome();
    mkdirSync(fileIn(directory));
    expect(failure(() => open(directory))).toContain(fileIn(directory));
  });
});

describe("a file of ours", () => {
  test("of a later version", () => {
    const directory = stockedHome();
    const database = new Database(fileIn(directory));
    database.run("PRAGMA user_version = 3");
    database.close();
    expect(expectRefused(directory)).toBe(
      "FILE was made by a later memcacheq (schema 3, this one knows 2)",
    );
  });

  test("cut short, by whole pages", () => {
    const whole = stockedHome();
    const { size } = statSync(fileIn(whole));
    for (const pages of [1, 2, 3, 10, size / 4096 / 2, size / 4096 - 1]) {
      const directory = newHome();
      copyFileSync(fileIn(whole), fileIn(directory));
      truncateSync(fileIn(directory), size - Math.floor(pages) * 4096);
      expect(expectRefused(directory)).toStartWith("FILE is damaged");
    }
  });

  test("cut short in the middle of a page", () => {
    const whole = stockedHome();
    const { size } = statSync(fileIn(whole));
    for (const length of [50, 99, 101, 5000, size / 2 + 100, size - 4097]) {
      const directory = newHome();
      copyFileSync(fileIn(whole), fileIn(directory));
      truncateSync(fileIn(directory), Math.floor(length));
      expect(expectRefused(directory)).toMatch(/^FILE is (damaged|no database of memcacheq)/);
    }
  });

  /** SQLite would read zeros there. */
  test("cut short in its last page", () => {
    const whole = stockedHome();
    const { size } = statSync(fileIn(whole));
    for (const missing of [1, 100, 3000, 4095]) {
      const directory = newHome();
      copyFileSync(fileIn(whole), fileIn(directory));
      truncateSync(fileIn(directory), size - missing);
      expect(expectRefused(directory)).toBe("FILE is damaged: its end is missing");
    }
  });

  test("with garbage in the place of a page, whichever", () => {
    const whole = stockedHome();
    const bytes = readFileSync(fileIn(whole));
    const directory = newHome();
    const garbage = Buffer.alloc(4096, "Lorem ipsum dolor sit amet ");
    for (let at = 4096; at < bytes.length; at += 4096) {
      const damaged = Buffer.from(bytes);
      garbage.copy(damaged, at);
      writeFileSync(fileIn(directory), damaged);
      expect(expectRefused(directory)).toStartWith("FILE is damaged");
    }
  });

  test("with garbage after its header", () => {
    const directory = stockedHome();
    const bytes = readFileSync(fileIn(directory));
    bytes.fill("Lorem ipsum ", 100, 1000);
    writeFileSync(fileIn(directory), bytes);
    expect(expectRefused(directory)).toStartWith("FILE is damaged");
  });

  test("that nothing was done to is opened", () => {
    const directory = stockedHome();
    const store = open(directory);
    expect(store.queues().map(({ name }) => name)).toEqual(["a", "b", "c"]);
    store.close();
  });

  test("with more behind its end is opened, or refused and left as it is", () => {
    const directory = stockedHome();
    appendFileSync(fileIn(directory), Buffer.alloc(8192, "Lorem ipsum "));
    const before = contents(directory);
    try {
      const store = open(directory);
      expect(messagesOf(store.read(1, 1, ALL))).toHaveLength(501);
    } catch {
      expect(contents(directory)).toEqual(before);
    }
  });
});

test("damage that is found only when a message is read is a gap", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  // Above the size up to which a file is checked whole.
  for (let n = 0; n < 40; n++) put(store, queue, n + 1, [sent(Buffer.alloc(1_000_000, "b"), n)]);
  store.close();
  const bytes = readFileSync(fileIn(directory));
  bytes.fill("Lorem ipsum ", 10_000_000, 12_000_000);
  writeFileSync(fileIn(directory), bytes);
  const later = open(directory);
  const before = later.read(queue, 1, ALL).map(({ first }) => first);
  expect(before).toEqual(Array.from({ length: before.length }, (_, n) => n + 1));
  const behind = later.read(queue, before.length + 1, ALL).map(({ first }) => first);
  expect(behind[0]).toBeWithin(before.length + 2, before.length + 5);
  expect(behind.at(-1)).toBe(40);
  expect(messagesOf(later.read(queue, 1, 1))).toHaveLength(1);
  expect(messagesOf(later.read(queue, 40, 1))).toHaveLength(1);
});

test("a closed store leaves the database file and nothing else", () => {
  const directory = stockedHome();
  expect(readdirSync(directory)).toEqual(["memcacheq.db"]);
  expect(existsSync(logIn(directory))).toBe(false);
});
