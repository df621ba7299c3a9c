/** What administrators do to the files of a running server, or of one that is started. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";

import { eventually, isRoot, run, scratch, start, suite, user } from "../server/harness.ts";
import { smallDisk } from "./small_disk.ts";

suite();

describe.each(["-wal", "-shm"])("rm memcacheq.db%s while it runs", (suffix) => {
  test("it is saved at once, and a kill -9 loses nothing", async () => {
    const server = await start();
    const client = await server.connect();
    for (let n = 0; n < 100; n++) await client.put("q", `${n}`);
    const file = join(server.home, `memcacheq.db${suffix}`);
    rmSync(file);
    // Nothing is asked of the server meanwhile.
    await server.logged(new RegExp(` warn ${file} was removed: what was in it has been saved`));
    expect(existsSync(file)).toBe(true);
    for (let n = 100; n < 200; n++) await client.put("q", `${n}`);
    await server.kill9();
    const next = await start([], { home: server.home });
    const reader = await next.connect();
    for (let n = 0; n < 200; n++) expect(await reader.take("q")).toBe(`${n}`);
    await next.stop();
  });

  test("again and again under load: what was stored is there after a kill -9, and nothing is told that is not so", async () => {
    const server = await start(["-N"]);
    const client = await server.connect();
    let stored = 0;
    for (let round = 0; round < 20; round++) {
      rmSync(join(server.home, `memcacheq.db${suffix}`), { force: true });
      for (let n = 0; n < 50; n++) await client.put("q", `${stored++}`);
    }
    await eventually("the last one", () =>
      existsSync(join(server.home, `memcacheq.db${suffix}`)) ? true : undefined,
    );
    await server.kill9();
    const next = await start([], { home: server.home });
    const reader = await next.connect();
    for (let n = 0; n < stored; n++) expect(await reader.take("q")).toBe(`${n}`);
    expect(readFileSync(join(server.home, "memcacheq.db")).length).toBeGreaterThan(0);
    await next.stop();
  });
});

test.each(["a clean stop", "a kill -9"])(
  "truncate -s 0 memcacheq.db-wal while it runs, then %s: it is told, and what was in the database stays",
  async (end) => {
    const first = await start();
    const producer = await first.connect();
    for (let n = 0; n < 100; n++) await producer.put("q", `${n}`);
    await first.stop();
    const server = await start([], { home: first.home });
    const client = await server.connect();
    await client.put("q", "only in the log");
    const log = join(server.home, "memcacheq.db-wal");
    truncateSync(log, 0);
    await server.logged(/ warn the log of the database was emptied: /);
    client.send("set q 0 0 1\r\nx\r\n");
    expect(await client.line()).toStartWith("SERVER_ERROR the log of the database was emptied: ");
    if (end === "a kill -9") await server.kill9();
    else await server.stop();
    const next = await start([], { home: server.home });
    const reader = await next.connect();
    for (let n = 0; n < 100; n++) expect(await reader.take("q")).toBe(`${n}`);
    await next.stop();
  },
);

test.each([
  ["hard-linked", (from: string, to: string) => linkSync(from, to)],
  ["linked", (from: string, to: string) => symlinkSync(from, to)],
])(
  "memcacheq.db %s into a second directory, a server on each: the second is refused",
  async (_title, link) => {
    const first = await start();
    const client = await first.connect();
    await client.put("q", "x");
    const home = join(scratch(), "home");
    mkdirSync(home);
    link(join(first.home, "memcacheq.db"), join(home, "memcacheq.db"));
    const { code, stderr } = await run(["-u", user, "-H", home, "-p", "0", "-l", "127.0.0.1"]);
    expect(stderr).toBe(`memcacheq: another memcacheq is using ${home}/memcacheq.db\n`);
    expect(code).toBe(1);
    expect(await client.take("q")).toBe("x");
    await first.stop();
    // Alone, it has the queues.
    const second = await start([], { home });
    await second.stop();
  },
);

/** A home with a database that was stopped cleanly, in a directory that all may enter. */
async function usedHome(): Promise<string> {
  const parent = scratch();
  chmodSync(parent, 0o755);
  const server = await start([], { home: join(parent, "home") });
  await server.stop();
  return server.home;
}

const other = isRoot ? "nobody" : user;

test("a directory that belongs to somebody else: it is named, and the user", async () => {
  const home = await usedHome();
  chmodSync(home, 0o555);
  chmodSync(join(home, "memcacheq.db"), 0o444);
  const { code, stderr } = await run(["-u", other, "-H", home, "-p", "0", "-l", "127.0.0.1"]);
  expect(stderr).toBe(
    `memcacheq: cannot open ${home}/memcacheq.db: ${home} can't be written by user ${other}\n`,
  );
  expect(code).toBe(1);
  chmodSync(join(home, ".."), 0o700);
  const third = await run(["-u", other, "-H", home, "-p", "0", "-l", "127.0.0.1"]);
  expect(third.stderr).toContain(
    isRoot ? ` ${join(home, "..")} can't be entered by user nobody\n` : " can't be written ",
  );
  chmodSync(join(home, ".."), 0o755);
  chmodSync(home, 0o777);
  const second = await run(["-u", other, "-H", home, "-p", "0", "-l", "127.0.0.1"]);
  expect(second.stderr).toBe(
    `memcacheq: cannot open ${home}/memcacheq.db: ${home}/memcacheq.db can't be written by user ${other}\n`,
  );
});

test("a read-only file system: it is said", async () => {
  const home = await usedHome();
  using disk = await smallDisk("size=4m");
  mkdirSync(join(disk.outside, "home"));
  copyFileSync(join(home, "memcacheq.db"), join(disk.outside, "home/memcacheq.db"));
  const readOnly = disk.shell
    .replace("exec ", "")
    .replace('"$0" "$@"', `mount -o remount,bind,ro ${disk.inside}`);
  for (const name of ["home", "new"]) {
    const directory = join(disk.inside, name);
    const flags = ["-u", disk.user, "-H", directory, "-p", "0", "-l", "127.0.0.1"];
    const { code, stderr } = await run(flags, { shell: `${readOnly}; ${disk.shell}` });
    const what =
      name === "home" ? `open ${directory}/memcacheq.db` : `make the directory ${directory}`;
    expect(stderr).toBe(`memcacheq: cannot ${what}: read-only file system\n`);
    expect(code).toBe(1);
  }
});
