/** `--login-file`: `--top` and `--drain-from` at a server that asks for a name and a secret. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { authFile, login } from "./accounts.ts";
import { selfSigned, tlsFlags } from "./certificates.ts";
import { run, scratch, start, suite, user } from "./harness.ts";

suite();

const hash = await Bun.password.hash("a: b", { algorithm: "bcrypt", cost: 4 });
const accounts = authFile("root:x", `mover:${hash}:get=moving`, "other:x:get=other");
const server = await start(["--auth-file", accounts]);
const at = ["-l", "127.0.0.1", "-p", String(server.port)];

/** A file with this content. */
function loginFile(content: string): string {
  const path = join(scratch(), "login");
  writeFileSync(path, content);
  return path;
}

async function asRoot() {
  const client = await server.connect();
  client.send(login("root", "x"));
  expect(await client.line()).toBe("STORED");
  return client;
}

function drainFrom(port: number, ...flags: string[]) {
  const home = join(scratch(), "home");
  return run(["-u", user, "-H", home, "--drain-from", `127.0.0.1:${port}`, ...flags]);
}

test("--top shows the queues that the name may see", async () => {
  const client = await asRoot();
  await client.put("moving", "x");
  await client.put("other", "x");
  const shown = await run(["--top", ...at, "--login-file", loginFile("mover:a: b\n")]);
  expect([shown.code, shown.stderr]).toEqual([0, ""]);
  expect(shown.stdout).toContain("moving");
  expect(shown.stdout).not.toContain("other");
  await client.end();
});

test("--drain-from brings over what the name may take, with as many connections as it needs", async () => {
  const client = await asRoot();
  for (let i = 0; i < 60; i++) await client.put("moving", `${i}`);
  await client.put("other", "x");
  // Its variable does the same.
  const home = join(scratch(), "home");
  const moved = await run(["-u", user, "-H", home, "--drain-from", `127.0.0.1:${server.port}`], {
    environment: { MEMCACHEQ_LOGIN_FILE: loginFile("mover:a: b") },
  });
  expect([moved.code, moved.stderr]).toEqual([0, expect.stringMatching(/moved 6[01] messages/)]);
  expect(await client.take("moving")).toBeUndefined();
  expect(await client.take("other")).toBe("x");
  await client.end();
});

test("a queue that it may not take is not drained, and the reason is told", async () => {
  const client = await asRoot();
  await client.put("moving", "x");
  const file = loginFile("other:x");
  const { code, stderr } = await drainFrom(server.port, "--queues", "moving", "--login-file", file);
  expect([code, stderr]).toEqual([1, expect.stringContaining("CLIENT_ERROR not allowed")]);
  expect(await client.take("moving")).toBe("x");
  await client.end();
});

test("over TLS, too", async () => {
  const pair = selfSigned(scratch());
  const other = await start([...tlsFlags(pair), "--auth-file", accounts], { tls: true });
  const client = await other.connect();
  client.send(login("root", "x"));
  expect(await client.line()).toBe("STORED");
  await client.put("moving", "x");
  const flags = ["--tls-ca", pair.cert, "--login-file", loginFile("root:x")];
  const { code, stderr } = await drainFrom(other.port, ...flags);
  expect([code, stderr]).toEqual([0, expect.stringContaining("moved 1 messages")]);
  await client.end();
  await other.stop();
});

describe("an error in a line, which repeats no secret", () => {
  test.each([
    ["a wrong secret", "mover:hunter2", "says that the name or the secret of the login is wrong"],
    ["no secret", "hunter2", "it has one line name:secret"],
    ["two lines", "root:hunter2\nmover:hunter2", "it has one line name:secret"],
    ["nothing", "", "it has one line name:secret"],
    ["a secret that is too long", `root:hunter2${"x".repeat(250)}`, "it has one line name:secret"],
  ])("%s", async (_, content, reason) => {
    const file = loginFile(content);
    for (const flags of [
      ["--top", ...at],
      ["-u", user, "--drain-from", `127.0.0.1:${server.port}`],
    ]) {
      const { code, stderr } = await run([...flags, "--login-file", file]);
      expect([code, stderr]).toEqual([1, expect.stringContaining(reason)]);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(stderr).not.toContain("hunter2");
    }
  });

  test("no such file", async () => {
    const { code, stderr } = await run(["--top", ...at, "--login-file", "/nowhere/login"]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining("--login-file /nowhere/login: there is no such file"),
    ]);
  });

  test("a server that asks for no password stores nothing of it", async () => {
    const open = await start();
    const flags = [
      "-l",
      "127.0.0.1",
      "-p",
      String(open.port),
      "--login-file",
      loginFile("a:hunter2"),
    ];
    const { code, stderr } = await run(["--top", ...flags]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("takes no login")]);
    const client = await open.connect();
    expect(await client.ask("stats queue")).toBe("END");
    await client.end();
    await open.stop();
  });
});
