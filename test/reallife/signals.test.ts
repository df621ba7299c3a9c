/** What administrators, logrotate, terminals and container engines send to a server. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { connect } from "../server/client.ts";
import {
  builds,
  eventually,
  freePort,
  isAlive,
  isRoot,
  launch,
  run,
  scratch,
  start,
  suite,
  user,
} from "../server/harness.ts";

suite();

/** The server in a session of its own, so that it has no terminal even where the tests have one. */
const DETACHED = 'exec setsid "$0" "$@"';

const pidOf = (file: string) => Number(readFileSync(file, "utf8"));

describe.each(builds)("SIGHUP to a daemon, %s", (build) => {
  test("whose log logrotate has renamed: it goes on, in a new log", async () => {
    const directory = scratch();
    const [log, pidFile] = [join(directory, "log"), join(directory, "pid")];
    const port = freePort();
    const flags = ["-d", "-v", "-u", user, "-l", "127.0.0.1", "-p", `${port}`, "-P", pidFile];
    const started = await run([...flags, "-H", join(directory, "home")], { build, log });
    expect(started.code).toBe(0);
    const pid = pidOf(pidFile);
    const client = await connect({ hostname: "127.0.0.1", port });
    renameSync(log, `${log}.1`);
    process.kill(pid, "SIGHUP");
    await eventually("a new log", () => (existsSync(log) ? true : undefined));
    await eventually("a line in it", () =>
      readFileSync(log, "utf8").endsWith(` info SIGHUP: read again: the log ${log}\n`)
        ? true
        : undefined,
    );
    await client.put("q", "x");
    expect(await client.take("q")).toBe("x");
    process.kill(pid, "SIGTERM");
    await eventually("its end", () => (isAlive(pid) ? undefined : true));
    expect(readFileSync(log, "utf8")).toEndWith(" info stopped\n");
    expect(readFileSync(`${log}.1`, "utf8")).not.toContain("SIGTERM");
    expect(readdirSync(directory).sort()).toEqual(["home", "log", "log.1"]);
    expect(readdirSync(join(directory, "home"))).toEqual(["memcacheq.db"]);
  });
});

test("SIGHUP when a pipe is in the log's place, which nothing reads: the old one says why, and the server goes on", async () => {
  const log = join(scratch(), "log");
  const port = freePort();
  const flags = [
    "-v",
    "-u",
    user,
    "-l",
    "127.0.0.1",
    "-p",
    `${port}`,
    "-H",
    join(scratch(), "home"),
  ];
  const shell = DETACHED.replace("exec", 'exec 2>"$FILE"');
  const server = launch(flags, { shell, environment: { FILE: log } });
  await eventually("a start", () =>
    existsSync(log) && readFileSync(log, "utf8").includes("listening on") ? true : undefined,
  );
  renameSync(log, `${log}.old`);
  Bun.spawnSync(["mkfifo", log]);
  server.kill("SIGHUP");
  await eventually("the reason", () =>
    readFileSync(`${log}.old`, "utf8").includes(
      ` error SIGHUP: the log ${log} is as before: ${log} cannot be opened: it is a pipe\n`,
    )
      ? true
      : undefined,
  );
  const client = await connect({ hostname: "127.0.0.1", port });
  await client.put("q", "x");
  server.kill("SIGTERM");
  expect((await server.exit()).code).toBe(0);
});

test("SIGHUP when the log cannot be opened again: the old one says why", async () => {
  const directory = scratch();
  const log = join(directory, "logs");
  Bun.spawnSync(["mkdir", log]);
  const file = join(log, "log");
  const port = freePort();
  const flags = ["-v", "-u", user, "-l", "127.0.0.1", "-p", `${port}`];
  const shell = DETACHED.replace("exec", 'exec 2>"$FILE" setsid').replace(
    "setsid setsid",
    "setsid",
  );
  const server = launch([...flags, "-H", join(directory, "home")], {
    shell,
    environment: { FILE: file },
  });
  await eventually("a start", () =>
    existsSync(file) && readFileSync(file, "utf8").includes("listening on") ? true : undefined,
  );
  renameSync(log, `${log}.old`);
  writeFileSync(log, "");
  server.kill("SIGHUP");
  const old = join(`${log}.old`, "log");
  await eventually("the reason", () =>
    readFileSync(old, "utf8").includes(
      ` error SIGHUP: the log ${file} is as before: ${file} cannot be opened: not a directory\n`,
    )
      ? true
      : undefined,
  );
  server.kill("SIGTERM");
  expect((await server.exit()).code).toBe(0);
  expect(readFileSync(old, "utf8")).toEndWith(" info stopped\n");
});

test("SIGHUP without a terminal and without a log: nothing happens to clients", async () => {
  const server = await start([], { shell: DETACHED });
  const client = await server.connect();
  server.kill("SIGHUP");
  await server.logged(/ info SIGHUP: read again: nothing\n/);
  await client.inStep();
  expect((await server.stop()).code).toBe(0);
});

test("SIGHUP under nohup stays ignored", async () => {
  const server = await start([], { shell: 'trap "" HUP; exec setsid "$0" "$@"' });
  const client = await server.connect();
  server.kill("SIGHUP");
  await client.inStep();
  const { code, stderr } = await server.stop();
  expect(code).toBe(0);
  expect(stderr).not.toContain("SIGHUP");
});

test("the terminal that it runs in is closed: a clean stop", async () => {
  const directory = scratch();
  const [pidFile, home, log] = ["pid", "home", "log"].map((name) => join(directory, name));
  const words = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "-v", "-u", user];
  const flags = ["-l", "127.0.0.1", "-p", "0", "-H", home, "-P", pidFile, `2>${log}`];
  const terminal = Bun.spawn(
    ["script", "-qec", `exec ${[...words, ...flags].join(" ")}`, "/dev/null"],
    {
      stdin: "ignore",
      stdout: "ignore",
    },
  );
  const read = (path = "") => (existsSync(path) ? readFileSync(path, "utf8") : "");
  await eventually("a start", () => (read(log).includes("listening on") ? true : undefined));
  const pid = pidOf(pidFile ?? "");
  terminal.kill("SIGKILL");
  await eventually("its end", () => (isAlive(pid) ? undefined : true));
  expect(read(log)).toMatch(/ info SIGHUP: stopping\n.* info stopped\n$/);
  expect(readdirSync(directory).sort()).toEqual(["home", "log"]);
  expect(readdirSync(home ?? "")).toEqual(["memcacheq.db"]);
});

test("signals that mean nothing to it don't end it", async () => {
  const server = await start();
  const client = await server.connect();
  const names = [
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGVTALRM",
    "SIGPROF",
    "SIGIO",
    "SIGPIPE",
  ] as const;
  const numbers = [...names.map((name) => constants.signals[name]), 16, 25, 34, 50, 64];
  for (const number of numbers) {
    Bun.spawnSync(["kill", `-${number}`, `${server.pid}`]);
    await client.inStep();
  }
  expect((await server.stop()).code).toBe(0);
});

test("the limit of CPU time is reached: it stops cleanly before the system kills it", async () => {
  const server = await start();
  server.kill("SIGXCPU");
  const { code, stderr } = await server.exit();
  expect(code).toBe(0);
  expect(stderr).toMatch(/ info SIGXCPU: stopping\n.* info stopped\n$/);
  expect(readdirSync(server.home)).toEqual(["memcacheq.db"]);
});

test("a second SIGTERM to process 1 of a container ends it at once", async () => {
  const namespace = isRoot ? "--pid" : "--user --map-root-user --pid";
  const shell = `exec unshare ${namespace} --fork --kill-child "$0" "$@"`;
  const server = await start(["-N", "-B", "1048576", "-u", "root"], { shell });
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8");
  const pid = Number(children.trim());
  const [client, idle, deaf] = await Promise.all([1, 2, 3].map(() => server.connect()));
  for (let n = 0; n < 32; n++) await client?.put("q", Buffer.alloc(1_048_576));
  // It would be waited for, for two seconds.
  deaf?.pause();
  deaf?.send("get q\r\n".repeat(32));
  await client?.inStep();
  process.kill(pid, "SIGTERM");
  await idle?.rest();
  process.kill(pid, "SIGINT");
  const { code, stderr } = await server.exit();
  expect(stderr).toMatch(/ info SIGTERM: stopping\n.* warn SIGINT after SIGTERM: ended at once\n$/);
  expect(code).toBe(137);
});
