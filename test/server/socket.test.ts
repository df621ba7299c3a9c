/** The Unix socket of `-s` and `-a`. */
import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { connect } from "./client.ts";
import { run, scratch, start, suite, user } from "./harness.ts";

suite();

describe.each([
  ["without -a", [], 0o700],
  ["-a 0700", ["-a", "0700"], 0o700],
  ["-a 0777", ["-a", "0777"], 0o777],
  ["-a 777", ["-a", "777"], 0o777],
  ["-a 0660", ["-a", "0660"], 0o660],
])("%s", (_title, flags, mode) => {
  test.each(["umask 0", "umask 077"])("with %s", async (shell) => {
    const socket = join(scratch(), "socket");
    const server = await start(flags, { socket, shell });
    expect(statSync(socket).isSocket()).toBe(true);
    expect((statSync(socket).mode & 0o7777).toString(8)).toBe(mode.toString(8));
    await (await server.connect()).inStep();
    await server.stop();
  });
});

test("the listening line names the socket, and there is no network", async () => {
  const socket = join(scratch(), "socket");
  const server = await start([], { socket });
  expect(server.stderr()).toContain(`listening on ${socket}\n`);
  expect(server.stderr()).not.toMatch(/listening on \S+:\d+$/m);
  await server.stop();
});

test("the socket's file is removed at exit", async () => {
  const socket = join(scratch(), "socket");
  const server = await start([], { socket });
  const client = await server.connect();
  expect(await server.stop()).toMatchObject({ code: 0 });
  expect(existsSync(socket)).toBe(false);
  await client.closed;
});

test("what a killed server left is replaced", async () => {
  const socket = join(scratch(), "socket");
  const first = await start([], { socket });
  await first.kill9();
  expect(lstatSync(socket).isSocket()).toBe(true);
  const second = await start(["-a", "0770"], { socket, home: first.home });
  expect(statSync(socket).mode & 0o7777).toBe(0o770);
  await (await second.connect()).inStep();
  await second.stop();
});

test("a live server's socket is not taken from it", async () => {
  const socket = join(scratch(), "socket");
  const first = await start([], { socket });
  const client = await first.connect();
  const second = await run(["-u", user, "-H", join(scratch(), "home"), "-s", socket]);
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(second.stderr).toContain(socket);
  expect(second.stderr).toMatch(/^[^\n]+\n$/);
  await client.put("q", "x");
  const another = await connect({ unix: socket });
  expect(await another.take("q")).toBe("x");
  await first.stop();
});

test("a file that is no socket is not deleted", async () => {
  const socket = join(scratch(), "diary");
  writeFileSync(socket, "dear diary");
  const refused = await run(["-u", user, "-H", join(scratch(), "home"), "-s", socket]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(socket);
  expect(refused.stderr).toMatch(/^[^\n]+\n$/);
  expect(readFileSync(socket, "utf8")).toBe("dear diary");
});

test.each([
  ["in a directory that is not there", () => join(scratch(), "absent", "socket")],
  ["with a path that is too long for a socket", () => join(scratch(), "s".repeat(120))],
])("%s: one line on standard error, exit 1", async (_title, path) => {
  const socket = path();
  const refused = await run(["-u", user, "-H", join(scratch(), "home"), "-s", socket]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(socket);
  expect(refused.stderr).toMatch(/^[^\n]+\n$/);
});

test("a relative path", async () => {
  const cwd = scratch();
  const server = await start([], { socket: "here.sock", cwd });
  expect(lstatSync(join(cwd, "here.sock")).isSocket()).toBe(true);
  const client = await connect({ unix: join(cwd, "here.sock") });
  await client.inStep();
  await server.stop();
  expect(existsSync(join(cwd, "here.sock"))).toBe(false);
});
