/** What the server leaves open to others, what it takes from where it is started, and what it inherits. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { set } from "./client.ts";
import {
  builds,
  eventually,
  freePort,
  isAlive,
  run,
  scratch,
  start,
  suite,
  user,
} from "./harness.ts";
import { trap } from "./trap.ts";

suite();

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);

describe.each(builds)("%s", (build) => {
  test("the directory has mode 0750, all that is ever in it 0600", async () => {
    const server = await start(["-N", "-C", "1"], { build, shell: "umask 0" });
    const client = await server.connect();
    for (let n = 0; n < 2000; n++) client.send(set("q", "x".repeat(1000), 0, true));
    expect(await client.ask("db_checkpoint")).toBe("OK");
    await client.put("q", "x");
    const files = readdirSync(server.home);
    expect(files.toSorted()).toEqual(["memcacheq.db", "memcacheq.db-shm", "memcacheq.db-wal"]);
    for (const name of files) {
      expect([name, mode(join(server.home, name))]).toEqual([name, "600"]);
    }
    expect(mode(server.home)).toBe("750");
    await server.stop();
    expect(mode(join(server.home, "memcacheq.db"))).toBe("600");
  });

  test("a daemon has none of the files that its starter had open", async () => {
    const directory = scratch();
    const secret = join(directory, "secret");
    writeFileSync(secret, "secret");
    const port = freePort();
    const home = join(directory, "home");
    const exit = await run(
      [
        "-d",
        "-u",
        user,
        "-l",
        "127.0.0.1",
        "-p",
        `${port}`,
        "-H",
        home,
        "-P",
        join(directory, "pid"),
      ],
      { build, shell: `exec 7<'${secret}' 8>>'${secret}' 9<'${directory}'` },
    );
    expect(exit).toEqual({ code: 0, stdout: "", stderr: "" });
    const pid = Number(readFileSync(join(directory, "pid"), "utf8"));
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    expect(open).toContain(join(home, "memcacheq.db"));
    const others = open.filter((path) => path.startsWith("/") && !path.startsWith(home));
    expect(others.filter((path) => path !== "/dev/null")).toEqual([]);
    expect(open.filter((path) => path.startsWith("pipe:"))).toEqual([]);
    process.kill(pid, "SIGTERM");
    await eventually("the daemon's end", () => (isAlive(pid) ? undefined : true));
  });
});

/** What a descriptor is; it may have been closed since it was listed. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

describe("where the executable is started", () => {
  test.each(["there", "in the home of its user"])("nothing that lies %s is read", async (place) => {
    const directory = scratch();
    const sprung = trap(directory);
    writeFileSync(join(directory, ".bunfig.toml"), 'preload = ["./trap.js"]\n');
    const shell = `export HOME='${directory}' XDG_CONFIG_HOME='${directory}'`;
    const where = place === "there" ? { cwd: directory } : { shell };
    const server = await start(["-v"], { build: "compiled", ...where });
    const client = await server.connect();
    await client.put("q", "x");
    expect(await client.take("q")).toBe("x");
    const environment = readFileSync(`/proc/${server.pid}/environ`, "latin1");
    expect(environment).not.toContain("MEMCACHEQ_TRAP");
    const { stderr } = await server.stop();
    expect(stderr).not.toMatch(/MEMCACHEQ_TRAP|trap|tsconfig|jsconfig|package\.json|bunfig/);
    expect(existsSync(sprung)).toBe(false);
  });
});
