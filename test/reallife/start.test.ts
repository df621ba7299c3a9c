/** Command lines, variables and health checks as people have them. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { version } from "../../src/util/version.ts";
import { builds, freePort, run, scratch, start, suite, user } from "../server/harness.ts";

suite();

test.each(builds)(
  "--ping to a server that has as many clients as -c: alive is alive (%s)",
  async (build) => {
    const server = await start(["-c", "3"], { build });
    for (const client of await Promise.all([1, 2, 3].map(() => server.connect()))) {
      await client.inStep();
    }
    const flags = ["--ping", "-l", "127.0.0.1", "-p", `${server.port}`];
    for (let n = 0; n < 5; n++) {
      expect(await run(flags, { build })).toEqual({ code: 0, stdout: "", stderr: "" });
    }
    await server.stop();
  },
);

test("--ping to a server that asks for a password: alive is alive", async () => {
  const file = join(scratch(), "accounts");
  await Bun.write(file, "name:secret\n");
  Bun.spawnSync(["chmod", "600", file]);
  const server = await start(["--auth-file", file]);
  const flags = ["--ping", "-l", "127.0.0.1", "-p", `${server.port}`];
  expect(await run(flags)).toEqual({ code: 0, stdout: "", stderr: "" });
  await server.stop();
});

test("--ping where nothing listens says so in words", async () => {
  const port = freePort();
  const socket = join(scratch(), "absent", "mq.sock");
  const flags = ["--ping", "-l", "127.0.0.1"];
  expect((await run([...flags, "-p", `${port}`])).stderr).toBe(
    `memcacheq: --ping 127.0.0.1:${port}: connection refused\n`,
  );
  expect((await run(["--ping", "-s", socket])).stderr).toBe(
    `memcacheq: --ping ${socket}: no such file or directory\n`,
  );
});

test("a socket in a directory that is not there is said in words", async () => {
  const directory = join(scratch(), "absent");
  const socket = join(directory, "mq.sock");
  const { code, stderr } = await run(["-u", user, "-H", join(scratch(), "home"), "-s", socket]);
  expect(stderr).toBe(
    `memcacheq: cannot listen on ${socket}: there is no directory ${directory}\n`,
  );
  expect(code).toBe(1);
});

describe.each(builds)("as everywhere, %s", (build) => {
  test.each(["--version", "-V"])("%s", async (flag) => {
    const stdout = `memcacheq ${version}\n`;
    expect(await run([flag], { build })).toEqual({ code: 0, stdout, stderr: "" });
  });

  test("--help is -h", async () => {
    expect(await run(["--help"], { build })).toEqual(await run(["-h"], { build }));
  });
});

test("MEMCACHEQ_PROT=1: a variable that no flag has is told", async () => {
  const server = await start([], { environment: { MEMCACHEQ_PROT: "1" } });
  expect(server.stderr()).toStartWith(
    "memcacheq: MEMCACHEQ_PROT: no flag has this variable (see memcacheq -h)\n",
  );
  await server.stop();
});

test("Kubernetes has a Service memcacheq, and one memcacheq-udp: their variables are none of ours", async () => {
  const environment = {
    MEMCACHEQ_PORT: "udp://10.0.0.5:22201",
    MEMCACHEQ_UDP_PORT: "tcp://10.0.0.5:22201",
    MEMCACHEQ_SERVICE_HOST: "10.0.0.5",
    MEMCACHEQ_SERVICE_PORT: "22201",
    MEMCACHEQ_PORT_22201_UDP: "udp://10.0.0.5:22201",
    MEMCACHEQ_PORT_22201_UDP_ADDR: "10.0.0.5",
    MEMCACHEQ_UDP_SERVICE_PORT_QUEUE: "22201",
  };
  const server = await start([], { environment });
  expect(server.stderr()).not.toContain("MEMCACHEQ_");
  expect(server.stderr()).not.toContain("udp");
  await server.stop();
});

test.each([
  [["-P", "/dev/null/pid"], "-P /dev/null/pid: the PID file cannot be written: not a directory"],
  [["-P", "/tmp"], "-P /tmp: the PID file cannot be written: illegal operation on a directory"],
  [["-s", "/proc/mq.sock"], "cannot listen on /proc/mq.sock: no such file or directory"],
  [
    ["-H", "/proc/memcacheq/home"],
    "cannot make the directory /proc/memcacheq/home: no such file or directory",
  ],
  [["--ping", "-l", "no-such.invalid"], "--ping no-such.invalid:0: the name cannot be resolved"],
])("what can't be is said in words, without the code of the system: %p", async (flags, message) => {
  const home = join(scratch(), "home");
  const { code, stderr } = await run([
    "-u",
    user,
    "-H",
    home,
    "-p",
    "0",
    "-l",
    "127.0.0.1",
    ...flags,
  ]);
  expect(stderr).toBe(`memcacheq: ${message}\n`);
  expect(code).toBe(1);
});
