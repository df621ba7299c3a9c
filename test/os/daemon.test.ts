import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

setDefaultTimeout(60_000);

interface Facts {
  pid: number;
  session: number;
  directory: string;
  descriptors: Record<string, string>;
  marks: string[];
  arguments: string[];
  home: string;
  pidFile?: string;
  socket?: string;
}

const fixture = `${import.meta.dir}/daemon.fixture.ts`;
const source = [process.execPath, fixture];
const folder = realpathSync(mkdtempSync(join(tmpdir(), "memcacheq-daemon-")));
const started: number[] = [];

afterAll(() => {
  for (const pid of started) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Starts the fixture in a directory of its own, which is its `-H` too. */
function launch(
  command: string[],
  env: Record<string, string> = {},
  channel: null | "pipe" = null,
) {
  const directory = mkdtempSync(join(folder, "d-"));
  const child = Bun.spawn([...command, "-H", "."], {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", channel],
  });
  return { child, directory };
}

/** Waits for the starting process, and looks at the daemon that it leaves behind. */
async function daemonOf({ child, directory }: ReturnType<typeof launch>): Promise<Facts> {
  const [exitCode, complaint] = await Promise.all([child.exited, child.stderr.text()]);
  expect({ exitCode, complaint }).toEqual({ exitCode: 0, complaint: "" });
  const facts = JSON.parse(readFileSync(join(directory, "facts"), "utf8")) as Facts;
  started.push(facts.pid);
  return facts;
}

async function failing(mode: string): Promise<{ exitCode: number; stderr: string }> {
  const { child } = launch([...source, "-d"], { MODE: mode });
  const [exitCode, stderr] = await Promise.all([child.exited, child.stderr.text()]);
  return { exitCode, stderr };
}

describe("a daemon", () => {
  test("is a process of its own", async () => {
    const launched = launch(["sh", "-c", 'exec "$@" 7</etc/hostname', "sh", ...source, "-d"]);
    const facts = await daemonOf(launched);
    expect(facts.pid).not.toBe(launched.child.pid);
    expect(facts.session).toBe(facts.pid);
    expect(facts.marks).toEqual([]);
    expect(facts.arguments).toEqual(["-d", "-H", "."]);
    expect(process.kill(facts.pid, 0)).toBe(true);
  });

  test("keeps nothing of the starter's open", async () => {
    const launched = launch(["sh", "-c", 'exec "$@" 7</etc/hostname', "sh", ...source, "-d"]);
    const { descriptors } = await daemonOf(launched);
    const { 0: input, 1: output, 2: errors, ...others } = descriptors;
    expect([input, output, errors]).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
    const foreign = Object.values(others).filter(
      (name) => !/^(anon_inode|socket):|^closed/.test(name),
    );
    expect(foreign).toEqual([]);
    // The one socket is the channel, before the word.
    expect(Object.values(others).filter((name) => name.startsWith("socket:"))).toHaveLength(1);
  });

  test("leaves the directory, but not what was typed there", async () => {
    const launched = launch([...source, "-d", "-P", "mq.pid", "-s", "../mq.sock"]);
    const { directory, home, pidFile, socket } = await daemonOf(launched);
    expect(directory).toBe("/");
    expect(home).toBe(launched.directory);
    expect(pidFile).toBe(join(launched.directory, "mq.pid"));
    expect(socket).toBe(join(folder, "mq.sock"));
  });

  test("stays in the directory with -r", async () => {
    const launched = launch([...source, "-d", "-r", "-P", "mq.pid"]);
    const { directory, home, pidFile } = await daemonOf(launched);
    expect({ directory, home, pidFile }).toEqual({
      directory: launched.directory,
      home: ".",
      pidFile: "mq.pid",
    });
  });

  test("keeps the output streams with -v", async () => {
    const launched = launch([...source, "-dv"]);
    const reader = launched.child.stdout.getReader();
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe("ready\n");
    expect(await launched.child.exited).toBe(0);
    const facts = JSON.parse(readFileSync(join(launched.directory, "facts"), "utf8")) as Facts;
    expect(facts.descriptors[0]).toBe("/dev/null");
    process.kill(facts.pid, "SIGTERM");
    expect((await reader.read()).done).toBe(true);
  });

  test("outlives a starter that is killed before the word", async () => {
    const { child, directory } = launch([...source, "-dv"], { MODE: "orphan" });
    const reader = child.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await reader.read()).value));
    child.kill("SIGKILL");
    await child.exited;
    process.kill(pid, "SIGUSR1");
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("ready\n");
    process.kill(pid, "SIGTERM");
    expect((await reader.read()).done).toBe(true);
    expect(readFileSync(join(directory, "facts"), "utf8")).toContain(`"pid":${pid}`);
  });

  test("starts from an executable as well", async () => {
    const outfile = join(folder, "fixture");
    await Bun.build({ entrypoints: [fixture], compile: { outfile } });
    const launched = launch([outfile, "-d"]);
    const facts = await daemonOf(launched);
    expect(facts.session).toBe(facts.pid);
    expect(facts.arguments).toEqual(["-d", "-H", "."]);
    expect(facts.home).toBe(launched.directory);
  });
});

describe("the starter", () => {
  test("passes the daemon's reason on", async () => {
    const stderr = "memcacheq: port 1 is taken\n";
    expect(await failing("failure")).toEqual({ exitCode: 1, stderr });
  });

  test("tells when the daemon ends without a word", async () => {
    const ended = "memcacheq: the daemon ended before it was ready";
    expect(await failing("exit")).toEqual({ exitCode: 1, stderr: `${ended} (exit code 7)\n` });
    expect(await failing("kill")).toEqual({ exitCode: 1, stderr: `${ended} (SIGKILL)\n` });
  });

  test("is not misled by a mark in its environment", async () => {
    for (const pid of [process.pid, 1, "yes", ""]) {
      const launched = launch([...source, "-d"], { MEMCACHEQ_DAEMON_OF: String(pid) });
      const facts = await daemonOf(launched);
      expect(facts.pid).not.toBe(launched.child.pid);
    }
  });

  test("is not misled by something else at the channel's place", async () => {
    const onFile = launch(["sh", "-c", 'exec "$@" 3</etc/hostname', "sh", ...source, "-d"], {
      MEMCACHEQ_DAEMON_OF: String(process.pid),
    });
    expect((await daemonOf(onFile)).pid).not.toBe(onFile.child.pid);
    const onSocket = launch([...source, "-d"], { MEMCACHEQ_DAEMON_OF: "1" }, "pipe");
    expect((await daemonOf(onSocket)).pid).not.toBe(onSocket.child.pid);
  });
});
