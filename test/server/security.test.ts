/** What the server leaves open to others, what it takes from where it is started, and what it inherits. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
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
  /** Whatever runs this, or reads what it sets, leaves a file. */
  function trap(directory: string): string {
    const sprung = join(directory, "sprung");
    const code = `require("node:fs").writeFileSync(${JSON.stringify(sprung)}, "sprung");`;
    writeFileSync(join(directory, "trap.js"), code);
    writeFileSync(
      join(directory, ".env"),
      `BUN_OPTIONS=--preload=${directory}/trap.js\nBUN_JSC_x=1\n`,
    );
    writeFileSync(join(directory, ".env.local"), "MEMCACHEQ_TRAP=sprung\n");
    writeFileSync(join(directory, ".env.production"), "MEMCACHEQ_TRAP=sprung\n");
    writeFileSync(
      join(directory, "bunfig.toml"),
      'preload = ["./trap.js"]\n[run]\npreload = ["./trap.js"]\n',
    );
    const compiler = { paths: { "node:fs": ["./trap.js"], "bun:sqlite": ["./trap.js"] } };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: compiler }));
    writeFileSync(join(directory, "jsconfig.json"), "}{ no JSON");
    writeFileSync(
      join(directory, "package.json"),
      JSON.stringify({ main: "./trap.js", imports: { "#*": "./trap.js" }, type: "commonjs" }),
    );
    mkdirSync(join(directory, "node_modules/bun-types"), { recursive: true });
    writeFileSync(join(directory, "node_modules/bun-types/index.js"), code);
    return sprung;
  }

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

  test("the system is not even asked for it", async () => {
    expect(Bun.which("strace")).not.toBeNull();
    const directory = scratch();
    trap(directory);
    const calls = join(scratch(), "calls");
    const server = await start([], {
      build: "compiled",
      cwd: directory,
      // With -D the process itself is the server, and who traces it is its child.
      shell: `exec strace -D -f -qq -e trace=%file -o '${calls}' "$0" "$@"`,
    });
    await (await server.connect()).inStep();
    await server.stop();
    const asked = readFileSync(calls, "latin1");
    expect(asked).toContain("memcacheq.db");
    expect(asked).not.toMatch(/\.env|bunfig|tsconfig|jsconfig|package\.json|node_modules|trap\.js/);
  });
});
