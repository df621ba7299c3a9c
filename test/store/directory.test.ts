import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { closeHome, makeHome, openHome } from "../../src/store/directory.ts";
import {
  connect,
  failure,
  fileIn,
  make,
  newHome,
  open,
  put,
  scratch,
  sent,
  suite,
} from "./scratch.ts";

suite();

function mode(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

/** Opens the store in another process, and gives what came of it. */
async function inAnotherProcess(directory: string): Promise<string> {
  const fixture = `${import.meta.dir}/directory.fixture.ts`;
  const child = Bun.spawn([process.execPath, fixture, directory], { stderr: "inherit" });
  return (await child.stdout.text()).trim();
}

/** Takes the file's exclusive lock, which SQLite gives only when no other process has it open. */
const TAKE_FILE = `
  const database = new (require("bun:sqlite").Database)(process.argv[1]);
  database.run("PRAGMA locking_mode = EXCLUSIVE");
  try { database.run("CREATE TABLE taken (x)"); console.log("taken"); }
  catch (error) { console.log(error.message); }
`;

function withUmask(mask: string, work: () => void): void {
  const before = process.umask(mask);
  try {
    work();
  } finally {
    process.umask(before);
  }
}

describe("a directory that is made", () => {
  test.each(["000", "022", "077", "777"])("has mode 0750, with umask %s", (mask) => {
    const directory = join(scratch(), "home");
    withUmask(mask, () => makeHome(directory));
    expect(mode(directory)).toBe("750");
  });

  test("with those above it", () => {
    const directory = join(scratch(), "a", "b", "c");
    makeHome(directory);
    expect(mode(directory)).toBe("750");
    closeHome(openHome(directory));
  });

  test("belongs to its owner", () => {
    const directory = join(scratch(), "home");
    const isRoot = process.getuid?.() === 0;
    const owner = isRoot
      ? { uid: 65_534, gid: 65_533 }
      : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    makeHome(directory, owner);
    const { uid, gid } = statSync(directory);
    expect({ uid, gid }).toEqual(owner);
  });

  /** A server that runs as that user could not reach its directory otherwise. */
  test("can be reached by its owner", () => {
    const above = scratch();
    chmodSync(above, 0o755);
    const isRoot = process.getuid?.() === 0;
    const uid = isRoot ? 65_534 : (process.getuid?.() ?? 0);
    const gid = isRoot ? 65_534 : (process.getgid?.() ?? 0);
    withUmask("022", () => makeHome(join(above, "a", "b", "home"), { uid, gid }));
    for (const path of ["a", "a/b", "a/b/home"]) {
      const found = statSync(join(above, path));
      const enters = found.uid === uid || (found.mode & 0o001) !== 0;
      expect({ path, enters }).toEqual({ path, enters: true });
    }
  });

  test("is left alone when it is there", () => {
    const directory = join(scratch(), "home");
    mkdirSync(directory);
    chmodSync(directory, 0o700);
    writeFileSync(join(directory, "notes"), "mine");
    const { uid } = statSync(directory);
    makeHome(directory, { uid: uid + 1, gid: 0 });
    expect(mode(directory)).toBe("700");
    expect(statSync(directory).uid).toBe(uid);
    expect(existsSync(join(directory, "notes"))).toBe(true);
  });

  test.each([
    ["below a file", "file/home"],
    ["in the place of a link to nowhere", "link"],
  ])("%s: cannot be, and the reason names it", (_title, path) => {
    const above = scratch();
    writeFileSync(join(above, "file"), "");
    symlinkSync(join(above, "nowhere"), join(above, "link"));
    const directory = join(above, path);
    expect(failure(() => makeHome(directory))).toStartWith(
      `cannot make the directory ${directory}: `,
    );
  });
});

describe("a directory that is opened", () => {
  test("tells where the database is", () => {
    const directory = newHome();
    const home = openHome(directory);
    expect(home).toMatchObject({ directory, file: join(directory, "memcacheq.db") });
    closeHome(home);
  });

  test("is opened once at a time", () => {
    const directory = newHome();
    const home = openHome(directory);
    const refusal = `another memcacheq is using the directory ${directory}`;
    expect(failure(() => openHome(directory))).toBe(refusal);
    expect(failure(() => openHome(directory))).toBe(refusal);
    closeHome(home);
    closeHome(openHome(directory));
  });

  test("under another name it is the same", () => {
    const directory = newHome();
    const link = join(scratch(), "link");
    symlinkSync(directory, link);
    const home = openHome(directory);
    expect(failure(() => openHome(link))).toBe(`another memcacheq is using the directory ${link}`);
    closeHome(home);
  });

  test("must be there", () => {
    const directory = join(scratch(), "home");
    expect(failure(() => openHome(directory))).toStartWith(
      `cannot use the directory ${directory}: `,
    );
    expect(existsSync(directory)).toBe(false);
  });

  test("must be a directory", () => {
    const file = join(scratch(), "file");
    writeFileSync(file, "text");
    expect(failure(() => open(file))).toContain(file);
  });
});

describe("a second store on the same directory", () => {
  const refusal = (directory: string) => `another memcacheq is using the directory ${directory}`;

  test("is refused while the first is open, and changes nothing", () => {
    const directory = newHome();
    const store = open(directory);
    const queue = make(store, "q");
    expect(failure(() => open(directory))).toBe(refusal(directory));
    put(store, queue, 1, [sent("x")]);
    expect(failure(() => open(directory))).toBe(refusal(directory));
    store.close();
    expect(open(directory).queues()).toMatchObject([{ name: "q", tail: 2 }]);
  });

  test("is refused in another process", async () => {
    const directory = newHome();
    const store = open(directory);
    expect(await inAnotherProcess(directory)).toBe(refusal(directory));
    store.close();
    expect(await inAnotherProcess(directory)).toBe("opened");
    // That process has ended, and its lock with it.
    open(directory).close();
  });

  /** The same file would have two logs, and each server would write over what the other has. */
  test.if(process.platform === "linux")(
    "is refused on another directory with a hard link of the file",
    async () => {
      const [directory, other] = [newHome(), newHome()];
      const store = open(directory);
      const queue = make(store, "q");
      linkSync(fileIn(directory), fileIn(other));
      const reason = `another memcacheq is using ${fileIn(other)}`;
      expect(await inAnotherProcess(other)).toBe(reason);
      // SQLite's own locks are still there: a shell cannot take the file for itself.
      put(store, queue, 1, [sent("x")]);
      const shell = Bun.spawnSync([process.execPath, "-e", TAKE_FILE, fileIn(directory)]);
      expect(shell.stdout.toString()).toBe("database is locked\n");
      store.close();
      const later = open(other);
      expect(later.queues()).toMatchObject([{ name: "q", tail: 2 }]);
      expect(await inAnotherProcess(directory)).toBe(
        `another memcacheq is using ${fileIn(directory)}`,
      );
      later.close();
    },
  );

  test("is possible after the first was refused its file", () => {
    const directory = newHome();
    writeFileSync(fileIn(directory), "no database");
    expect(failure(() => open(directory))).toContain(fileIn(directory));
    writeFileSync(fileIn(directory), "");
    open(directory).close();
  });

  test.each([
    ["database", (directory: string) => open(directory).close()],
    ["empty file", (directory: string) => writeFileSync(fileIn(directory), "")],
  ])("waits for the lock that another process has on the %s", async (_title, prepare) => {
    const directory = newHome();
    prepare(directory);
    const fixture = `${import.meta.dir}/lock.fixture.ts`;
    const child = Bun.spawn([process.execPath, fixture, fileIn(directory)], { stdout: "pipe" });
    await child.stdout.getReader().read();
    // From now on the other process has the lock for a quarter of a second.
    const store = open(directory, { lockWait: 30_000 });
    expect(store.queues()).toEqual([]);
    expect(await child.exited).toBe(0);
  });

  test("does not wait when that isn't wanted", () => {
    const directory = newHome();
    open(directory).close();
    const other = connect(directory);
    other.run("PRAGMA locking_mode = EXCLUSIVE");
    other.run("BEGIN IMMEDIATE");
    other.run("INSERT INTO dropped VALUES (1)");
    expect(failure(() => open(directory))).toBe(
      `cannot open ${fileIn(directory)}: database is locked`,
    );
    other.run("ROLLBACK");
    other.close();
    open(directory).close();
  });
});
