/** The home directory: made if absent, for one server at a time, and no file is harmed that isn't the server's. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Exit, isRoot, launch, scratch, start, suite, user } from "./harness.ts";

suite();

const mode = (path: string) => statSync(path).mode & 0o7777;

/** Starts a server that must not start, and fails as soon as it does. */
async function tryHome(home: string): Promise<Exit> {
  const child = launch(["-v", "-u", user, "-H", home, "-p", "0", "-l", "127.0.0.1"]);
  const listening = child.logged(/listening on /).then(
    () => true,
    () => false,
  );
  if (await listening) {
    child.kill("SIGTERM");
    await child.exit();
    throw new Error("it was accepted");
  }
  return child.exit();
}

/** One clear line on standard error that names the place, exit 1. */
function expectRefusal(exit: Exit, place: string): void {
  expect(exit).toMatchObject({ code: 1, stdout: "" });
  expect(exit.stderr).toContain(place);
  expect(exit.stderr).toMatch(/^[^\n]+\n$/);
  expect(exit.stderr).not.toMatch(/^\s+at |Error:|\.ts:\d/m);
}

let template: Promise<string> | undefined;

/** A home with a store of some hundred pages that was stopped cleanly; made once, copied for each use. */
async function usedHome(): Promise<string> {
  template ??= (async () => {
    const server = await start(["-N", "-B", "65535"]);
    const client = await server.connect();
    for (const queue of ["a", "b", "c"]) {
      for (let n = 0; n < 500; n++) client.send(set(queue, `${queue}${n} `.repeat(100)));
      await expectLines(client, Array<string>(500).fill("STORED"));
    }
    // The last pages of the file are this one's, and full.
    await client.put("d", "d".repeat(15 * 4092));
    await server.stop();
    return server.home;
  })();
  const home = join(scratch(), "home");
  mkdirSync(home);
  copyFileSync(join(await template, "memcacheq.db"), join(home, "memcacheq.db"));
  return home;
}

test("home is made with 0750, its file with 0600, whatever the umask", async () => {
  const server = await start([], { shell: "umask 0" });
  expect(mode(server.home)).toBe(0o750);
  expect(mode(join(server.home, "memcacheq.db"))).toBe(0o600);
  const client = await server.connect();
  await client.put("q", "x");
  for (const name of readdirSync(server.home)) {
    expect([name, mode(join(server.home, name)) & 0o077]).toEqual([name, 0]);
  }
  await server.stop();
});

test("a home that is there keeps its mode", async () => {
  const home = join(scratch(), "home");
  mkdirSync(home);
  chmodSync(home, 0o700);
  const server = await start([], { home });
  expect(mode(home)).toBe(0o700);
  await server.stop();
});

test("a second server on the same home is refused, the first one unharmed", async () => {
  const first = await start();
  const client = await first.connect();
  await client.put("q", "before");
  expectRefusal(await tryHome(first.home), first.home);
  expectRefusal(await tryHome(join(first.home, "..", "home")), "home");
  await client.put("q", "after");
  expect(await client.take("q")).toBe("before");
  expect(await client.take("q")).toBe("after");
  expect(await first.stop()).toMatchObject({ code: 0 });
  const next = await start([], { home: first.home });
  await next.stop();
});

test("a killed server's home is free at once", async () => {
  const first = await start();
  await first.kill9();
  const next = await start([], { home: first.home });
  await next.stop();
});

/** Homes with a memcacheq.db that is not to be touched. */
const strangers: readonly (readonly [
  title: string,
  make: (file: string) => void | Promise<void>,
])[] = [
  ["a text", (file) => writeFileSync(file, "This is my diary.\n".repeat(1000))],
  ["a short text", (file) => writeFileSync(file, "hello")],
  [
    "another application's database",
    (file) => {
      const database = new Database(file);
      database.run("CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT)");
      database.run("INSERT INTO user (name) VALUES ('Ada')");
      database.close();
    },
  ],
  [
    "another application's database with its own id and version",
    (file) => {
      const database = new Database(file);
      database.run("PRAGMA application_id = 4711");
      database.run("PRAGMA user_version = 1");
      database.run("CREATE TABLE segment (a, b)");
      database.close();
    },
  ],
  [
    "a store whose second half is gone",
    async (file) => {
      copyFileSync(join(await usedHome(), "memcacheq.db"), file);
      truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096);
    },
  ],
  ...[1, 1000, 4000].map(
    (cut) =>
      [
        `a store that ends ${cut} bytes too early`,
        async (file: string) => {
          copyFileSync(join(await usedHome(), "memcacheq.db"), file);
          truncateSync(file, statSync(file).size - cut);
        },
      ] as const,
  ),
  [
    "a store with garbage in the middle",
    async (file) => {
      const content = readFileSync(join(await usedHome(), "memcacheq.db"));
      const pages = Math.floor(content.length / 4096);
      content.fill(0xa5, 4096 * 2, 4096 * Math.floor(pages / 2));
      writeFileSync(file, content);
    },
  ],
  [
    "a store of a newer version",
    async (file) => {
      copyFileSync(join(await usedHome(), "memcacheq.db"), file);
      const database = new Database(file);
      database.run("PRAGMA user_version = 999");
      database.close();
    },
  ],
];

describe("memcacheq.db is refused with one line, and left as it is:", () => {
  test.each(strangers)("%s", async (_title, make) => {
    const home = join(scratch(), "home");
    mkdirSync(home);
    const file = join(home, "memcacheq.db");
    await make(file);
    const before = readFileSync(file);
    expectRefusal(await tryHome(home), file);
    expect(readFileSync(file).equals(before)).toBe(true);
    expectRefusal(await tryHome(home), file);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test("a directory of that name", async () => {
    const home = join(scratch(), "home");
    mkdirSync(join(home, "memcacheq.db"), { recursive: true });
    expectRefusal(await tryHome(home), join(home, "memcacheq.db"));
  });
});

test("a newer version's message names the version", async () => {
  const home = await usedHome();
  const database = new Database(join(home, "memcacheq.db"));
  database.run("PRAGMA user_version = 999");
  database.close();
  const exit = await tryHome(home);
  expectRefusal(exit, home);
  expect(exit.stderr).toContain("999");
});

test("an empty memcacheq.db is taken for a new one", async () => {
  const home = join(scratch(), "home");
  mkdirSync(home);
  writeFileSync(join(home, "memcacheq.db"), "");
  const server = await start([], { home });
  const client = await server.connect();
  await client.put("q", "x");
  expect(await client.take("q")).toBe("x");
  await server.stop();
});

describe("a home that can't be", () => {
  test("below a file", async () => {
    const file = join(scratch(), "file");
    writeFileSync(file, "content");
    expectRefusal(await tryHome(join(file, "home")), join(file, "home"));
    expectRefusal(await tryHome(file), file);
    expect(readFileSync(file, "utf8")).toBe("content");
  });

  test("below a directory without write permission", async () => {
    const parent = scratch();
    chmodSync(parent, 0o500);
    const home = join(parent, "home");
    if (isRoot) {
      const server = await start([], { home });
      expect(mode(home)).toBe(0o750);
      await server.stop();
      expectRefusal(await tryHome("/proc/memcacheq"), "/proc/memcacheq");
    } else {
      expectRefusal(await tryHome(home), home);
    }
    chmodSync(parent, 0o700);
  });
});
