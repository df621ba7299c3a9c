/** `-d`, `-P` and `-r`, and the command lines that people have in their scripts. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { type Client, connect } from "./client.ts";
import { talk } from "./conversation.ts";
import {
  builds,
  eventually,
  freePort,
  isAlive,
  isRoot,
  launch,
  type LaunchOptions,
  run,
  scratch,
  start,
  suite,
  user,
} from "./harness.ts";

suite();

type Daemon = { pid: number; port: number; client: Client };

async function statistic(client: Client, name: string): Promise<number> {
  client.send("stats\r\n");
  const text = await client.until("END\r\n");
  return Number(new RegExp(`^STAT ${name} (\\S+)\r$`, "m").exec(text)?.[1]);
}

/** Starts a daemon; it must answer as soon as its parent has left with 0. */
async function daemon(flags: readonly string[], options?: LaunchOptions): Promise<Daemon> {
  const port = freePort();
  const words = ["-d", "-u", user, "-l", "127.0.0.1", "-p", `${port}`, ...flags];
  const exit = await run(words, options);
  expect(exit).toEqual({ code: 0, stdout: "", stderr: "" });
  const client = await connect({ hostname: "127.0.0.1", port });
  await client.inStep();
  return { pid: await statistic(client, "pid"), port, client };
}

async function stop({ pid, client }: Daemon, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  process.kill(pid, signal);
  expect(await client.rest()).toBe("");
  await eventually("the daemon's end", () => (isAlive(pid) ? undefined : true));
}

const link = (pid: number, name: string) => readlinkSync(`/proc/${pid}/${name}`);

/** Session and process group of a process. */
function session(pid: number): { session: number; group: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return { group: Number(fields[2]), session: Number(fields[3]) };
}

describe.each(builds)("%s", (build) => {
  test("-d: answers when the parent leaves, in a new session, in /, without streams", async () => {
    const home = join(scratch(), "home");
    const running = await daemon(["-H", home], { build });
    const { pid, client } = running;
    expect(isAlive(pid)).toBe(true);
    const own = session(process.pid);
    const found = session(pid);
    expect(found.session).not.toBe(own.session);
    expect(found.session).toBe(pid);
    expect(link(pid, "cwd")).toBe("/");
    for (const stream of [0, 1, 2]) expect(link(pid, `fd/${stream}`)).toBe("/dev/null");
    await client.put("q", "x");
    await stop(running);
    const again = await start([], { build, home });
    const reader = await again.connect();
    expect(await reader.take("q")).toBe("x");
    await again.stop();
  });

  test("-P: the process id is written before the parent leaves, and removed at exit", async () => {
    const directory = scratch();
    const file = join(directory, "memcacheq.pid");
    const running = await daemon(["-H", join(directory, "home"), "-P", file], { build });
    expect(readFileSync(file, "utf8")).toBe(`${running.pid}\n`);
    await stop(running, "SIGINT");
    expect(existsSync(file)).toBe(false);
  });

  test("-d -v >log 2>&1 logs", async () => {
    const directory = scratch();
    const log = join(directory, "log");
    const running = await daemon(["-v", "-v", "-H", join(directory, "home")], { build, log });
    expect(readFileSync(log, "utf8")).toContain(`listening on 127.0.0.1:${running.port}\n`);
    await talk(running.client, "> get what-is-logged\n< END");
    await stop(running);
    expect(readFileSync(log, "utf8")).toContain("get what-is-logged");
  });
});

test("-r: the working directory stays", async () => {
  const cwd = scratch();
  const running = await daemon(["-r", "-H", "data"], { cwd });
  expect(link(running.pid, "cwd")).toBe(cwd);
  expect(existsSync(join(cwd, "data/memcacheq.db"))).toBe(true);
  await stop(running);
});

test("-r raises the core file limit to its maximum", async () => {
  const shell = "ulimit -S -c 0";
  const server = await start(["-r"], { shell });
  const limits = readFileSync(`/proc/${server.pid}/limits`, "utf8");
  const [, soft, hard] = /^Max core file size\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  expect(soft).toBe(hard ?? "");
  await server.stop();
});

test("a relative -H is meant from where it was started", async () => {
  const cwd = scratch();
  const running = await daemon(["-H", "data/../data"], { cwd });
  expect(link(running.pid, "cwd")).toBe("/");
  await running.client.put("q", "x");
  expect(existsSync(join(cwd, "data/memcacheq.db"))).toBe(true);
  await stop(running);
});

describe("a daemon that can't start: the parent says why and leaves with 1", () => {
  const attempt = (...flags: string[]) => run(["-d", "-u", user, "-l", "127.0.0.1", ...flags]);

  test("the port is taken", async () => {
    const first = await start();
    const file = join(scratch(), "pid");
    const exit = await attempt("-p", `${first.port}`, "-H", join(scratch(), "home"), "-P", file);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(`${first.port}`);
    expect(exit.stderr).toMatch(/^[^\n]+\n$/);
    expect(existsSync(file)).toBe(false);
    await (await first.connect()).inStep();
    await first.stop();
  });

  test("the home is another server's", async () => {
    const first = await start();
    const exit = await attempt("-p", "0", "-H", first.home);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(first.home);
    expect(exit.stderr).toMatch(/^[^\n]+\n$/);
    await first.stop();
  });

  test("the home can't be made", async () => {
    const file = join(scratch(), "file");
    writeFileSync(file, "");
    const exit = await attempt("-p", "0", "-H", join(file, "home"));
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(join(file, "home"));
  });

  test("the pid file can't be written", async () => {
    const home = join(scratch(), "home");
    const file = join(scratch(), "absent", "pid");
    const exit = await attempt("-p", "0", "-H", home, "-P", file);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(file);
    // Nothing of it goes on running.
    const next = await start([], { home });
    await next.stop();
  });

  test("a wrong flag", async () => {
    const exit = await attempt("-p", "0", "-H", join(scratch(), "home"), "-e", "101");
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain("-e");
  });
});

test("-P without -d is the same", async () => {
  const file = join(scratch(), "pid");
  const server = await start(["-P", file]);
  expect(readFileSync(file, "utf8")).toBe(`${server.pid}\n`);
  await server.stop();
  expect(existsSync(file)).toBe(false);
});

/** From scripts and manuals; the paths and ports are replaced. `max` is the -B of each. */
const commandLines: readonly (readonly [line: string, max: number])[] = [
  ["-d -r -H DIR -N -R -v -L 1024 -B 1024 > LOG 2>&1", 1024],
  ["-d -uroot -r -pPORT -H DIR -N -R -v -L 1024 -B 1024 > LOG 2>&1", 1024],
  ["-d -l 127.0.0.1 -A 8192 -H DIR -B 65535 -N -R -u root", 65_535],
  ["-u USER -p PORT -B 4064 -A 4096 -r -c 1024 -m 64 -N -H DIR", 4064],
];

describe.each(builds)("command lines in the wild, %s", (build) => {
  test.each(commandLines)("memcacheq %s", async (line, max) => {
    const directory = scratch();
    const port = freePort();
    const [flags = "", redirected] = line.split(" > ");
    const replaced = flags
      .replace("DIR", join(directory, "mcq"))
      .replace("PORT", `${port}`)
      .replace("USER", isRoot ? user : "my_user");
    const words = replaced.split(" ");
    if (!flags.includes("PORT")) words.push("-p", `${port}`);
    const log = join(directory, "log");
    const options = { build, cwd: directory, ...(redirected === undefined ? {} : { log }) };

    if (isRoot && !flags.includes("-u")) {
      // As before, root has to say who the server shall be.
      const refused = await run(words, options);
      expect(refused.code).toBe(1);
      expect(readFileSync(log, "utf8")).toContain("-u");
      words.push("-u", user);
    }
    if (words.includes("-d")) {
      expect((await run(words, options)).code).toBe(0);
    } else {
      words.push("-v");
      await launch(words, options).logged(/listening on /);
    }
    const client = await connect({ hostname: "127.0.0.1", port });
    const body = "b".repeat(max);
    await client.put("q", body, 9);
    client.send("get q\r\n");
    expect(await client.messages()).toEqual([{ queue: "q", flags: 9, body }]);
    if (redirected !== undefined) expect(readFileSync(log, "utf8")).toContain("listening on ");
    await stop({ pid: await statistic(client, "pid"), port, client });
  });
});

test("two daemons on two homes", async () => {
  const one = await daemon(["-H", join(scratch(), "home")]);
  const two = await daemon(["-H", join(scratch(), "home")]);
  await one.client.put("q", "one");
  await two.client.put("q", "two");
  expect(await one.client.take("q")).toBe("one");
  expect(await two.client.take("q")).toBe("two");
  await stop(one);
  await two.client.inStep();
  await stop(two);
});

test("a directory that the daemon's user can't enter", async () => {
  const parent = scratch();
  mkdirSync(join(parent, "home"));
  chmodSync(join(parent, "home"), 0o000);
  const other = isRoot ? "nobody" : user;
  const exit = await run(["-d", "-u", other, "-p", "0", "-H", join(parent, "home")]);
  expect(exit).toMatchObject({ code: 1, stdout: "" });
  expect(exit.stderr).toContain(join(parent, "home"));
  chmodSync(join(parent, "home"), 0o700);
});
