/** Clients authenticate before anything else is done for them, in each dialect. */
import { describe, expect, test } from "bun:test";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { number, opcodes, request, set as binarySet, status } from "../protocol/binary/packet.ts";
import { authFile, HASH, login } from "./accounts.ts";
import { talk } from "./conversation.ts";
import { isRoot, run, scratch, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

const FAILURE = "CLIENT_ERROR authentication failure";
const file = authFile("# comment", "alice:open sesame", `bob:${HASH}`);
const server = await start(["--auth-file", file, "-B", "8"]);

describe("text and meta", () => {
  test("before it only version and quit are answered, and each other request is refused in step", async () => {
    const client = await server.connect();
    await talk(
      client,
      `> get q
       < CLIENT_ERROR unauthenticated
       > flush_all
       < CLIENT_ERROR unauthenticated
       > stats
       < CLIENT_ERROR unauthenticated
       > ms q 3
       > abc
       < CLIENT_ERROR unauthenticated
       > mn
       < CLIENT_ERROR unauthenticated
       > delete q noreply
       > get q/t=1000
       < CLIENT_ERROR unauthenticated`,
    );
    client.send("quit\r\n");
    expect(await client.rest()).toBe("");
  });

  test.each([
    ["alice", "open sesame"],
    ["bob", "right"],
  ])("%s has its rights once it has sent its secret, and is asked once", async (name, secret) => {
    const client = await server.connect();
    client.send(`${login(name, secret)}set q 0 0 1\r\nx\r\nget q\r\n`);
    expect(await client.line()).toBe("STORED");
    expect(await client.line()).toBe("STORED");
    expect((await client.messages()).map(({ body }) => body)).toEqual(["x"]);
    await client.end();
  });

  test("any key does, also one that is no queue's name, and -B is not its limit", async () => {
    const client = await server.connect();
    client.send("set a/b/c 7 60 16\r\nalice open sesame\r\n");
    // The body is one byte longer than it says.
    expect(await client.line()).toBe("CLIENT_ERROR bad data chunk");
    expect(await client.line()).toBe("ERROR");
    client.send("set a/b/c 7 60 17\r\nalice open sesame\r\n");
    expect(await client.line()).toBe("STORED");
    await client.end();
  });

  test("what is wrong fails, and the client may try again", async () => {
    const client = await server.connect();
    client.send(`set x 0 0 5\r\nalice\r\nset x 0 0 1025\r\n${"x".repeat(1025)}\r\n`);
    expect(await client.line()).toBe(FAILURE);
    expect(await client.line()).toBe(FAILURE);
    client.send(login("bob", "wrong") + login("eve", "right") + "get q\r\n");
    expect(await client.line()).toBe(FAILURE);
    expect(await client.line()).toBe(FAILURE);
    expect(await client.line()).toBe("CLIENT_ERROR unauthenticated");
    client.send(login("bob", "right"));
    expect(await client.line()).toBe("STORED");
    await client.end();
    await server.logged(
      /warn authentication failed for a request without name and secret from 127\.0\.0\.1/,
    );
  });

  test("a client that ends its side behind its requests has all replies", async () => {
    const client = await server.connect();
    client.send(`${login("bob", "right")}get empty\r\n`);
    client.shutdown();
    expect(await client.rest()).toBe("STORED\r\nEND\r\n");
  });

  test("clients are served while a password is checked", async () => {
    const [known, unknown] = [await server.connect(), await server.connect()];
    known.send(login("alice", "open sesame"));
    expect(await known.line()).toBe("STORED");
    unknown.send(login("alice", "wrong"));
    await known.inStep();
    await known.put("beside", "x");
    expect(await known.take("beside")).toBe("x");
    await unknown.end();
    await known.end();
  });
});

describe("binary", () => {
  const plain = (name: string, secret: string, actAs = "") => `${actAs}\0${name}\0${secret}`;

  test("before it the status is 0x20, in step", async () => {
    const client = await binaryClient(server);
    const refused = { status: status.unauthenticated, value: "unauthenticated" };
    expect(await client.get("q")).toEqual(refused);
    client.send(binarySet("q", "abc"));
    expect(await client.answer()).toMatchObject(refused);
    expect(await client.ask(opcodes.noop)).toEqual(refused);
    expect((await client.ask(opcodes.version)).status).toBe(status.fine);
    await client.end();
  });

  test("SASL PLAIN: the mechanisms, the secret, and a step that is none", async () => {
    const client = await binaryClient(server);
    expect(await client.ask(opcodes.saslListMechs)).toEqual({
      status: status.fine,
      value: "PLAIN",
    });
    const refused = { status: status.unauthenticated, value: "authentication failure" };
    const ask = (value: string, key = "PLAIN") => client.ask(opcodes.saslAuth, { key, value });
    expect(await ask(plain("bob", "right"), "CRAM-MD5")).toEqual(refused);
    expect(await ask(plain("bob", "right", "alice"))).toEqual(refused);
    expect(await ask("bob")).toEqual(refused);
    expect(await ask("x".repeat(1025))).toEqual(refused);
    expect(await client.ask(opcodes.saslStep, { key: "PLAIN", value: "x" })).toEqual(refused);
    expect(await ask(plain("bob", "wrong"))).toEqual(refused);
    expect(await client.get("q")).toMatchObject({ status: status.unauthenticated });
    expect(await ask(plain("bob", "right", "bob"))).toEqual({
      status: status.fine,
      value: "Authenticated",
    });
    expect((await client.set("q", "x")).status).toBe(status.fine);
    expect(await client.get("q")).toMatchObject({ status: status.fine, value: "x" });
    await client.end();
  });

  test("requests behind it, in the same packet of the network, come after it", async () => {
    const client = await binaryClient(server);
    client.send(
      Buffer.concat([
        request(opcodes.saslAuth, { key: "PLAIN", value: plain("alice", "open sesame") }),
        request(opcodes.set, { key: "both", value: "y", extras: number(0) + number(0) }),
        request(opcodes.get, { key: "both" }),
      ]),
    );
    expect((await client.answer()).value).toBe("Authenticated");
    expect((await client.answer()).status).toBe(status.fine);
    expect((await client.answer()).value).toBe("y");
    await client.end();
  });

  test("without accounts there are no such commands", async () => {
    const open = await start();
    const client = await binaryClient(open);
    expect((await client.ask(opcodes.saslListMechs)).status).toBe(status.unknown);
    expect((await client.ask(opcodes.saslAuth, { key: "PLAIN", value: "\0a\0b" })).status).toBe(
      status.unknown,
    );
    await client.alive();
    await open.stop();
  });
});

test("a Unix socket asks, too", async () => {
  const other = await start(["--auth-file", file], { socket: join(scratch(), "socket") });
  const client = await other.connect();
  expect(await client.ask("get q")).toBe("CLIENT_ERROR unauthenticated");
  client.send(login("eve", "x"));
  expect(await client.line()).toBe(FAILURE);
  await other.logged(/authentication failed for "eve" from the Unix socket/);
  client.send(login("bob", "right"));
  expect(await client.line()).toBe("STORED");
  await other.stop();
});

test("--ping needs no password", async () => {
  const { port } = server;
  expect((await run(["--ping", "-l", "127.0.0.1", "-p", String(port)])).code).toBe(0);
});

test("a failure is logged once a second for each address, with its name and how many were not", async () => {
  const noisy = await start(["--auth-file", file]);
  const client = await noisy.connect();
  for (let i = 0; i < 5; i++) client.send("set x 0 0 1\r\nx\r\n");
  client.send(login("\u001beve", "x"));
  for (let i = 0; i < 6; i++) expect(await client.line()).toBe(FAILURE);
  // Their pauses are longer than that second.
  for (let i = 0; i < 2; i++) {
    client.send(login("eve", "x"));
    expect(await client.line()).toBe(FAILURE);
  }
  const lines = noisy.stderr().match(/authentication failed.*/g) ?? [];
  expect(lines[0]).toBe(
    "authentication failed for a request without name and secret from 127.0.0.1",
  );
  expect(lines.at(-1)).toMatch(
    /^authentication failed for "eve" from 127\.0\.0\.1, after \d more that were not logged$/,
  );
  expect(lines.length).toBeLessThan(4);
  expect(noisy.stderr()).not.toContain("\u001b");
  await noisy.stop();
});

describe("SIGHUP reads the file again", () => {
  test("removed names lose their connections, rights and secrets change at once, and others stay", async () => {
    const path = authFile("alice:a", "bob:b", "carol:c:get=q");
    const other = await start(["--auth-file", path]);
    const as = async (name: string, secret: string) => {
      const client = await other.connect();
      client.send(login(name, secret));
      expect(await client.line()).toBe("STORED");
      return client;
    };
    const [alice, bob, carol, waiter] = [
      await as("alice", "a"),
      await as("bob", "b"),
      await as("carol", "c"),
      await as("carol", "c"),
    ];
    waiter.send("get q/t=60000\r\n");
    await alice.inStep();
    writeFileSync(path, "alice:new\ncarol:c:set=q\n");
    other.kill("SIGHUP");
    await other.logged(/SIGHUP: read again: .*the auth file /);
    await bob.closed;
    await alice.put("q", "x");
    expect(await waiter.line()).toBe("END");
    expect(await carol.ask("get q")).toBe("CLIENT_ERROR not allowed");
    await carol.put("q", "y");
    const again = await other.connect();
    again.send(`${login("bob", "b")}${login("alice", "a")}${login("alice", "new")}`);
    expect([await again.line(), await again.line(), await again.line()]).toEqual([
      FAILURE,
      FAILURE,
      "STORED",
    ]);
    await other.stop();
  });

  test("a file that is wrong, or gone, changes nothing, and the log says why", async () => {
    const path = authFile("alice:a");
    const other = await start(["--auth-file", path]);
    const client = await other.connect();
    client.send(login("alice", "a"));
    expect(await client.line()).toBe("STORED");
    writeFileSync(path, "alice\n");
    other.kill("SIGHUP");
    await other.logged(
      /error SIGHUP: the auth file \S+ is as before: .*line 1: a line is name:secret/,
    );
    rmSync(path);
    other.kill("SIGHUP");
    await other.logged(/is as before: .*there is no such file/);
    await client.put("q", "x");
    const again = await other.connect();
    again.send(login("alice", "a"));
    expect(await again.line()).toBe("STORED");
    await other.stop();
  });
});

describe("at the start", () => {
  const flags = ["-u", "root", "-H", join(scratch(), "home"), "-p", "0"];

  test.each([
    ["a file that is not there", "/nowhere/accounts", "there is no such file"],
    ["a directory", scratch(), "it is a directory"],
    ["a wrong line", authFile("alice:a", "bob"), "line 2: a line is name:secret"],
    ["no account", authFile("# nothing"), "there is no line name:secret in it"],
  ])("%s is refused", async (_, path, reason) => {
    const { code, stderr } = await run([...flags, "--auth-file", path]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`--auth-file ${path}: ${reason}`)]);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("UDP is refused beside it", async () => {
    const { code, stderr } = await run([...flags, "-U", "11211", "--auth-file", file]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining("--auth-file: it does not go with -U"),
    ]);
  });

  test("its variable does the same", async () => {
    const other = await start([], { environment: { MEMCACHEQ_AUTH_FILE: file } });
    const client = await other.connect();
    expect(await client.ask("get q")).toBe("CLIENT_ERROR unauthenticated");
    await other.stop();
  });

  test("a file that only root may read is read before the user changes", async () => {
    const path = authFile("alice:a");
    chmodSync(path, 0o600);
    const directory = scratch();
    chmodSync(directory, 0o755);
    const home = join(directory, "home");
    const other = await start(["--auth-file", path, "-u", "nobody"], { home });
    const client = await other.connect();
    client.send(login("alice", "a"));
    expect(await client.line()).toBe("STORED");
    if (isRoot) await other.logged(/warn \S+ was read at the start, and cannot be read again/);
    await other.stop();
  });
});

describe("--hash-password", () => {
  const hash = (input: string) => {
    const child = Bun.spawnSync(
      [process.execPath, join(import.meta.dir, "../../src/main.ts"), "--hash-password"],
      {
        stdin: Buffer.from(input),
      },
    );
    return {
      code: child.exitCode,
      stdout: child.stdout.toString(),
      stderr: child.stderr.toString(),
    };
  };

  test.each(["secret", "secret\n", "secret\r\n"])(
    "%j has a hash that the auth file takes",
    async (input) => {
      const { code, stdout } = hash(input);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$\S+\n$/);
      const other = await start(["--auth-file", authFile(`carol:${stdout.trimEnd()}`)]);
      const client = await other.connect();
      client.send(login("carol", "secret"));
      expect(await client.line()).toBe("STORED");
      await other.stop();
    },
  );

  test.each(["", "\n", "two\nlines\n", "x".repeat(251)])("%j is refused", (input) => {
    const { code, stdout, stderr } = hash(input);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("--hash-password: a password is one line of 1 to 250 bytes");
  });
});
