/** A server leaves alone the files that are another server's. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { type Client, connect } from "./client.ts";
import {
  eventually,
  freePort,
  isAlive,
  launch,
  run,
  scratch,
  start,
  suite,
  user,
} from "./harness.ts";

suite();

test("a daemon that is refused its home leaves the PID file of the one that runs there", async () => {
  const directory = scratch();
  const [home, file] = [join(directory, "home"), join(directory, "pid")];
  const daemon = (port: number) =>
    run(["-d", "-u", user, "-l", "127.0.0.1", "-p", `${port}`, "-H", home, "-P", file]);
  const port = freePort();
  expect(await daemon(port)).toEqual({ code: 0, stdout: "", stderr: "" });
  const text = readFileSync(file, "utf8");
  const pid = Number(text);
  expect(isAlive(pid)).toBe(true);

  const second = await daemon(freePort());
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(second.stderr).toContain(home);
  expect(readFileSync(file, "utf8")).toBe(text);

  const client = await connect({ hostname: "127.0.0.1", port });
  await client.inStep();
  process.kill(pid, "SIGTERM");
  expect(await client.rest()).toBe("");
  await eventually("the daemon's end", () => (isAlive(pid) ? undefined : true));
  expect(existsSync(file)).toBe(false);
});

/** Connects until the system has no more room for those whom the server does not accept. */
async function fillBacklog(socket: string): Promise<Client[]> {
  const clients: Client[] = [];
  for (;;) {
    expect(clients.length).toBeLessThan(10_000);
    try {
      clients.push(await connect({ unix: socket }));
    } catch {
      return clients;
    }
  }
}

describe("a socket's file", () => {
  test("that is another server's by now is there after the exit of the one that made it first", async () => {
    const socket = join(scratch(), "socket");
    const first = await start([], { socket });
    const early = await first.connect();
    await early.inStep();
    rmSync(socket);
    const second = await start([], { socket });
    expect(await first.stop()).toMatchObject({ code: 0 });
    expect(await early.rest()).toBe("");
    await (await second.connect()).inStep();
    await second.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test("is left alone by a server that is refused its home, which leaves none of its own", async () => {
    const directory = scratch();
    const socket = join(directory, "socket");
    const first = await start([], { socket });
    for (const name of ["socket", "other"]) {
      const refused = await run(["-u", user, "-H", first.home, "-s", join(directory, name)]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(existsSync(join(directory, name))).toBe(name === "socket");
    }
    await (await first.connect()).inStep();
    await first.stop();
  });

  test("of a server that has no room for a connection is not replaced", async () => {
    const directory = scratch();
    const socket = join(directory, "socket");
    const first = await start(["-c", "10000"], { socket });
    const { ino } = statSync(socket);
    first.kill("SIGSTOP");
    const clients = await fillBacklog(socket);
    const second = launch(["-v", "-u", user, "-H", join(directory, "home"), "-s", socket]);
    await second.logged(/listen.*\n/);
    first.kill("SIGCONT");
    expect(second.stderr()).toContain(`cannot listen on ${socket}: another server`);
    expect(await second.exit()).toMatchObject({ code: 1, stdout: "" });
    expect(statSync(socket).ino).toBe(ino);
    for (const client of clients) await client.inStep();
    await first.stop();
  });
});
