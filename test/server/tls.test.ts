/** TLS: what the server shows, demands and refuses, and clients that do not finish their handshake. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Pair, selfSigned, signedBy, tlsFlags } from "./certificates.ts";
import { type Address, connect } from "./client.ts";
import { run, scratch, start, suite, user } from "./harness.ts";

suite();

const directory = scratch();
const pair = selfSigned(directory);
const authority = selfSigned(directory, "an authority");
const startTls = (flags: readonly string[] = [], own: Pair = pair) =>
  start([...tlsFlags(own), ...flags], { tls: true });

const server = await startTls();

/** Sends a line with openssl's client. @returns all that it prints */
async function sClient(
  port: number,
  flags: readonly string[] = [],
  line = "version",
): Promise<string> {
  const child = Bun.spawn(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, ...flags], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  void child.stdin.write(`${line}\r\nquit\r\n`);
  void child.stdin.flush();
  return (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
}

/** A connection that sends nothing, until the server ends it. */
async function silent(port: number) {
  const ended = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data() {}, close: () => ended.resolve(), end: () => ended.resolve() },
  });
  return { socket, ended: ended.promise };
}

const withoutPort = (
  { port, ...rest }: { hostname: string; port: number },
  other: number,
): Address => ({
  ...rest,
  port: other,
});

test("a client gets what it set, and ends its side before it has its replies", async () => {
  const client = await server.connect();
  const body = "x".repeat(1000);
  client.send(`set q 0 0 1000\r\n${body}\r\nget q\r\n`);
  client.shutdown();
  expect(await client.rest()).toBe(`STORED\r\nVALUE q 0 1000\r\n${body}\r\nEND\r\n`);
});

test("it is TLS 1.2 or 1.3", async () => {
  expect(await sClient(server.port, ["-tls1_2"])).toContain("VERSION ");
  expect(await sClient(server.port, ["-tls1_3"])).toContain("VERSION ");
  const old = await sClient(server.port, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
  expect(old).not.toContain("VERSION ");
  expect(old).toMatch(/alert protocol version|no protocols available/);
});

test.each(["-tls1_2", "-tls1_3"])("sessions are resumed: %s", async (version) => {
  const session = join(scratch(), "session");
  expect(await sClient(server.port, [version, "-sess_out", session])).toContain("New, TLSv1.");
  expect(await sClient(server.port, [version, "-sess_in", session])).toContain("Reused, TLSv1.");
});

test("a client without TLS is turned away, and others go on", async () => {
  const client = await server.connect();
  const plain = await connect(withoutPort({ hostname: "127.0.0.1", port: 0 }, server.port));
  plain.send("get q\r\n");
  await plain.closed;
  await client.inStep();
  await client.end();
});

describe("a handshake that is not finished", () => {
  test("is given up after ten seconds, also when bytes come now and then", async () => {
    const began = performance.now();
    const [quiet, slow] = [await silent(server.port), await silent(server.port)];
    const clock = setInterval(() => slow.socket.write("\x16"), 1000);
    await Promise.all([quiet.ended, slow.ended]);
    clearInterval(clock);
    expect(performance.now() - began).toBeGreaterThan(9000);
  });

  test("makes room for others when there are very many", async () => {
    const other = await startTls();
    // One that is ended at once may not even know that it was connected.
    const connecting = Array.from({ length: 1100 }, () => silent(other.port).catch(() => "gone"));
    const many = await Promise.all(connecting);
    // The oldest are ended without waiting for their time.
    const gone = await Promise.race(
      many
        .slice(0, 20)
        .map((one) => (typeof one === "string" ? one : one.ended.then(() => "gone"))),
    );
    expect(gone).toBe("gone");
    const client = await other.connect();
    await client.inStep();
    for (const one of many) if (typeof one !== "string") one.socket.terminate();
    await other.stop();
  });
});

describe("--tls-ca", () => {
  test("demands a certificate of that authority, also of a client that resumes its session", async () => {
    const [good, foreign] = [
      signedBy(authority, directory, "client"),
      selfSigned(directory, "foreign"),
    ];
    const other = await startTls(["--tls-ca", authority.cert]);
    const as = ({ cert, key }: Pair) => ["-cert", cert, "-key", key];
    const session = join(scratch(), "session");
    expect(await sClient(other.port, [...as(good), "-sess_out", session])).toContain("VERSION ");
    expect(await sClient(other.port, [...as(good), "-sess_in", session])).toMatch(
      /Reused[^]*VERSION /,
    );
    expect(await sClient(other.port)).not.toContain("VERSION ");
    expect(await sClient(other.port, as(foreign))).not.toContain("VERSION ");
    const expired = signedBy(authority, directory, "late", -1);
    expect(await sClient(other.port, as(expired))).not.toContain("VERSION ");
    await other.stop();
  });
});

describe("SIGHUP", () => {
  test("shows new clients the new certificate, on the page too, and old ones stay", async () => {
    const own = { cert: join(scratch(), "cert.pem"), key: join(scratch(), "key.pem") };
    const replace = ({ cert, key }: Pair) => {
      copyFileSync(cert, own.cert);
      copyFileSync(key, own.key);
    };
    replace(selfSigned(directory, "first"));
    const other = await startTls(["--http", "0", "--http-tls"], own);
    const [, web = ""] = await other.logged(/listening on http 127\.0\.0\.1:(\d+)$/m);
    const health = async () =>
      await (
        await fetch(`https://127.0.0.1:${web}/healthz`, {
          tls: { rejectUnauthorized: false },
          keepalive: false,
        })
      ).text();
    const [old, waiter] = [await other.connect(), await other.connect()];
    waiter.send("get q/t=60000\r\n");
    expect(await sClient(other.port)).toContain("CN = first");
    expect(await sClient(Number(web))).toContain("CN = first");
    expect(await health()).toBe("ok\n");

    replace(selfSigned(directory, "second"));
    other.kill("SIGHUP");
    await other.logged(/TLS: the certificate is that of CN=second/);
    await other.logged(/SIGHUP: read again: .*the certificate /);
    expect(await sClient(other.port)).toContain("CN = second");
    expect(await sClient(Number(web))).toContain("CN = second");
    expect(await health()).toBe("ok\n");
    await old.put("q", "x");
    expect((await waiter.messages()).map(({ body }) => body)).toEqual(["x"]);

    copyFileSync(pair.key, own.key);
    other.kill("SIGHUP");
    await other.logged(
      /error SIGHUP: the certificate \S+ is as before: --tls-key \S+: it is the key of another certificate/,
    );
    expect(await sClient(other.port)).toContain("CN = second");
    await old.inStep();
    await other.stop();
  });
});

describe("at the start", () => {
  const garbage = join(directory, "garbage.pem");
  writeFileSync(garbage, "no certificate");
  const late = signedBy(authority, directory, "late", -1);
  const { cert, key } = pair;
  const home = join(scratch(), "home");

  test.each([
    [
      "a file that is not there",
      ["--tls-cert", "/nowhere", "--tls-key", key],
      "--tls-cert /nowhere: there is no such file",
    ],
    [
      "no certificate",
      ["--tls-cert", garbage, "--tls-key", key],
      `--tls-cert ${garbage}: there is no certificate in PEM form`,
    ],
    [
      "no key",
      ["--tls-cert", cert, "--tls-key", garbage],
      `--tls-key ${garbage}: there is no key in PEM form`,
    ],
    [
      "both the wrong way round",
      ["--tls-cert", key, "--tls-key", cert],
      `--tls-cert ${key}: it has a key, where a certificate`,
    ],
    [
      "a foreign key",
      ["--tls-cert", cert, "--tls-key", authority.key],
      "it is the key of another certificate",
    ],
    ["an expired certificate", tlsFlags(late), "the certificate has expired on 20"],
    [
      "an authority without a certificate",
      [...tlsFlags(pair), "--tls-ca", garbage],
      `--tls-ca ${garbage}: there is no certificate`,
    ],
    [
      "an expired authority",
      [...tlsFlags(pair), "--tls-ca", late.cert],
      "the certificate has expired on 20",
    ],
    ["a certificate alone", ["--tls-cert", cert], "--tls-cert: it needs --tls-key"],
    ["a key alone", ["--tls-key", key], "--tls-key: it needs --tls-cert"],
    ["an authority alone", ["--tls-ca", cert], "--tls-ca: it needs --tls-cert"],
    ["the page's alone", ["--http", "0", "--http-tls"], "--http-tls: it needs --http, --tls-cert"],
    ["UDP", [...tlsFlags(pair), "-U", "11211"], "--tls-cert: it does not go with -U"],
    [
      "a Unix socket",
      [...tlsFlags(pair), "-s", join(directory, "socket")],
      "--tls-cert: it does not go with -s",
    ],
  ])("%s is refused, and the message says which", async (_, flags, reason) => {
    const { code, stderr } = await run(["-u", user, "-H", home, "-p", "0", ...flags]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(reason)]);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("--ping, --top and --drain-from", () => {
  const at = ["-l", "127.0.0.1", "-p", String(server.port)];

  test.each([
    ["the authority", ["--tls-ca", pair.cert], 0, ""],
    ["no look at the certificate", ["--tls-insecure"], 0, ""],
    ["the flags of the server itself", tlsFlags(pair), 0, ""],
    [
      "another authority",
      ["--tls-ca", authority.cert],
      1,
      "the TLS handshake failed: DEPTH_ZERO_SELF_SIGNED_CERT",
    ],
    ["no TLS", [], 1, "--ping 127.0.0.1:"],
  ])("a ping with %s", async (_, flags, code, reason) => {
    const exit = await run(["--ping", ...at, ...flags]);
    expect([exit.code, exit.stderr]).toEqual([code, expect.stringContaining(reason)]);
  });

  test("a ping shows a server that demands it its certificate", async () => {
    const own = signedBy(authority, directory, "queue");
    const other = await startTls(["--tls-ca", authority.cert], own);
    const there = ["--ping", "-l", "127.0.0.1", "-p", String(other.port)];
    expect((await run([...there, ...tlsFlags(own), "--tls-ca", authority.cert])).code).toBe(0);
    expect((await run([...there, "--tls-insecure"])).code).toBe(1);
    await other.stop();
  });

  test("a ping with the flags of the server succeeds where its own certificate is none that it demands of clients", async () => {
    const other = await startTls(["--tls-ca", authority.cert]);
    const there = ["--ping", "-l", "127.0.0.1", "-p", String(other.port)];
    const own = [...there, ...tlsFlags(pair), "--tls-ca", authority.cert];
    expect(await run(own)).toMatchObject({ code: 0, stderr: "" });
    await other.stop();
    expect((await run(own)).code).toBe(1);
  });

  test("the queues are shown, and brought over", async () => {
    const client = await server.connect();
    for (let i = 0; i < 50; i++) await client.put("moving", `${i}`);
    const shown = await run(["--top", ...at, "--tls-ca", pair.cert]);
    expect(shown.stdout).toContain("moving");
    const home = join(scratch(), "home");
    const from = [
      "--drain-from",
      `127.0.0.1:${server.port}`,
      "-u",
      user,
      "-H",
      home,
      "--queues",
      "moving",
    ];
    const refused = await run([...from, "--tls-ca", authority.cert]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("TLS handshake failed"),
    ]);
    const moved = await run([...from, "--tls-ca", pair.cert]);
    expect([moved.code, moved.stderr]).toEqual([0, expect.stringContaining("moved 50 messages")]);
    expect(await client.take("moving")).toBeUndefined();
    await client.end();
  });
});

test("the metrics tell of connections by TLS, of handshakes that failed, and when the certificate ends", async () => {
  const other = await startTls(["--http", "0"]);
  const [, web = ""] = await other.logged(/listening on http 127\.0\.0\.1:(\d+)$/m);
  const [one, two] = [await other.connect(), await other.connect()];
  const plain = await connect({ hostname: "127.0.0.1", port: other.port });
  plain.send("version\r\n");
  await plain.closed;
  const metrics = await (await fetch(`http://127.0.0.1:${web}/metrics`)).text();
  expect(metrics).toContain('memcacheq_connections_by_tls{tls="yes"} 2\n');
  expect(metrics).toContain('memcacheq_connections_by_tls{tls="no"} 0\n');
  expect(metrics).toContain("memcacheq_failed_handshakes_total 1\n");
  const [, end] = /^memcacheq_certificate_end_time_seconds (\d+)$/m.exec(metrics) ?? [];
  expect(Number(end) * 1000).toBeGreaterThan(Date.now());
  await one.end();
  await two.end();
  await other.stop();
});
