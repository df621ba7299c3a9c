/** How a server reaches its PostgreSQL: names, passwords, certificates, several hosts, and what it says when it cannot. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Cluster, startCluster } from "../queues/shared/cluster.ts";
import { selfSigned } from "./certificates.ts";
import { connect } from "./client.ts";
import { freePort, launch, type LaunchOptions, run, scratch, suite, user } from "./harness.ts";

suite();

const PASSWORD = "p%ss w:rd/é";
let cluster: Cluster;
let database = "";
/** Of that database, for the user locked, and of one for the user memcacheq. */
let place = "";
let open = "";
const basic = ["-v", "-u", user, "-l", "127.0.0.1", "-p", "0"];

beforeAll(async () => {
  const certificate = selfSigned(scratch());
  cluster = await startCluster();
  const data = join(cluster.directory, "data");
  for (const name of ["cert", "key"] as const) {
    copyFileSync(certificate[name], join(data, `${name}.pem`));
    // PostgreSQL wants to own its key.
    Bun.spawnSync(["chown", "--reference", data, join(data, `${name}.pem`)]);
    Bun.spawnSync(["chmod", "600", join(data, `${name}.pem`)]);
  }
  const lines = [
    "ssl = on",
    "ssl_cert_file = 'cert.pem'",
    "ssl_key_file = 'key.pem'",
    // The certificate is for the first of them.
    "listen_addresses = '127.0.0.1, 127.0.0.2'",
  ];
  writeFileSync(join(data, "postgresql.conf"), `${lines.join("\n")}\n`, { flag: "a" });
  writeFileSync(
    join(data, "pg_hba.conf"),
    "local all all trust\nhost all locked all scram-sha-256\nhost all all all trust\n",
  );
  cluster.stop("fast");
  await cluster.start();
  database = await cluster.newDatabase();
  cluster.psql(
    database,
    `create role locked login password '${PASSWORD}'; create role weak login;
     grant create on database ${database} to locked;`,
  );
  place = `127.0.0.1:${cluster.port}/${database}`;
  open = `127.0.0.1:${cluster.port}/${await cluster.newDatabase()}`;
});
afterAll(() => cluster.dispose());

/** Starts a server, sets and takes a message, and looks at what it tells. */
async function works(flags: readonly string[], options: LaunchOptions = {}): Promise<void> {
  const server = launch([...basic, "--http", "0", ...flags], options);
  const [, port] = await server.logged(/listening on 127\.0\.0\.1:(\d+)$/m);
  const client = await connect({ hostname: "127.0.0.1", port: Number(port) });
  await client.put("q", "x");
  expect(await client.take("q")).toBe("x");
  const [, site] = await server.logged(/listening on http (\S+)$/m);
  const page = await (await fetch(`http://${site}/data/overview`)).text();
  expect(page).toMatch(/"place":"postgres:\/\/\w+@[^"]+\/\w+"/);
  const metrics = await (await fetch(`http://${site}/metrics`)).text();
  const line = readFileSync(`/proc/${server.pid}/cmdline`, "latin1");
  server.kill("SIGTERM");
  const { code, stderr } = await server.exit();
  expect(code).toBe(0);
  // Nothing of the password is in ps, page, metrics or log, in any form.
  for (const said of [page, metrics, line, stderr]) expect(said).not.toMatch(/w:rd|w%3Ard/);
}

/** Why a server does not start: one line, without its password. */
async function refusal(
  flags: readonly string[],
  environment: Record<string, string> = {},
): Promise<string> {
  const { code, stderr } = await run([...basic, "--store-grace", "1", ...flags], { environment });
  expect(code).toBe(1);
  const [line = "", ...others] = stderr.trimEnd().split("\n");
  expect(others).toEqual([]);
  expect(line).not.toContain("w:rd");
  return line;
}

describe("a password", () => {
  test("of PGPASSWORD", async () => {
    await works(["--store", `postgres://locked@${place}`], {
      environment: { PGPASSWORD: PASSWORD },
    });
  });

  test("of a file", async () => {
    const file = join(scratch(), "password");
    writeFileSync(file, `${PASSWORD}\n`);
    const flags = ["--store", `postgres://locked@${place}`, "--store-password-file", file];
    await works(flags, { environment: { PGPASSWORD: "another one" } });
  });

  test("of the URL in the environment", async () => {
    const store = `postgres://locked:${encodeURIComponent(PASSWORD)}@${place}`;
    await works([], { environment: { MEMCACHEQ_STORE: store } });
  });

  test("that is wrong, or is not there, or not in its file", async () => {
    const flags = ["--store", `postgres://locked@${place}`];
    expect(await refusal(flags, { PGPASSWORD: "wrong" })).toContain(
      'password authentication failed for user "locked"',
    );
    expect(await refusal(flags)).toMatch(/password/);
    const file = join(scratch(), "none");
    expect(await refusal([...flags, "--store-password-file", file])).toStartWith(
      `memcacheq: --store-password-file ${file}: there is no such file`,
    );
    writeFileSync(file, "two\nlines\n");
    expect(await refusal([...flags, "--store-password-file", file])).toStartWith(
      `memcacheq: --store-password-file ${file}: it has one line, the password`,
    );
  });
});

describe("TLS", () => {
  test("is asked for with sslmode", async () => {
    const file = join(cluster.directory, "data/cert.pem");
    for (const query of ["sslmode=require", `sslmode=verify-full&sslrootcert=${file}`]) {
      await works(["--store", `postgres://memcacheq@localhost:${open.slice(10)}?${query}`]);
    }
  });

  test("with a certificate of another authority, or for another name", async () => {
    const url = `postgres://memcacheq@${open}`;
    expect(await refusal(["--store", `${url}?sslmode=verify-full`])).toMatch(/certificate/);
    const file = join(cluster.directory, "data/cert.pem");
    const other = `postgres://memcacheq@127.0.0.2:${open.slice(10)}`;
    await works(["--store", `${other}?sslmode=verify-ca&sslrootcert=${file}`]);
    expect(await refusal(["--store", `${other}?sslmode=verify-full&sslrootcert=${file}`])).toMatch(
      /certificate|name/,
    );
    const { cert } = selfSigned(scratch());
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      expect(await refusal(["--store", `${url}?sslmode=${mode}&sslrootcert=${cert}`])).toMatch(
        /certificate/,
      );
    }
  });
});

test("a Unix socket, and a database with the name of the user", async () => {
  cluster.psql("postgres", "create role own login");
  cluster.psql("postgres", "create database own owner own");
  const directory = encodeURIComponent(cluster.directory);
  await works(["--store", `postgres://own@${directory}:${cluster.port}`]);
});

test("several hosts: the first that answers", async () => {
  const dead = freePort();
  const url = `postgres://memcacheq@127.0.0.1:${dead},${open}`;
  await works(["--store", url]);
});

describe("that cannot be used is one line", () => {
  test("away", async () => {
    const line = await refusal(["--store", `postgres://memcacheq@127.0.0.1:${freePort()}/q`]);
    expect(line).toMatch(/^memcacheq: .*(refused|PostgreSQL|connect)/i);
  });

  test("no such database", async () => {
    const url = `postgres://memcacheq@127.0.0.1:${cluster.port}/none`;
    expect(await refusal(["--store", url])).toContain('database "none" does not exist');
  });

  test("no right to make the schema", async () => {
    const other = await cluster.newDatabase();
    const url = `postgres://weak@127.0.0.1:${cluster.port}/${other}`;
    expect(await refusal(["--store", url])).toEndWith(
      `user weak may not make the schema memcacheq in database ${other}: GRANT CREATE ON DATABASE is needed, or that the schema is this user's`,
    );
  });
});

test("--drain-from brings the queues of a server with a file", async () => {
  const home = join(scratch(), "home");
  const old = launch([...basic, "-H", home]);
  const [, port] = await old.logged(/listening on 127\.0\.0\.1:(\d+)$/m);
  const client = await connect({ hostname: "127.0.0.1", port: Number(port) });
  for (let n = 1; n <= 100; n++) await client.put("moved", `${n}`);
  await client.end();
  const store = ["--store", cluster.url(await cluster.newDatabase())];
  const drained = await run(["-u", user, ...store, "--drain-from", `127.0.0.1:${port}`]);
  expect([drained.code, drained.stderr.trimEnd().split("\n").at(-1)]).toEqual([
    0,
    `memcacheq: moved 100 messages from 127.0.0.1:${port}`,
  ]);
  old.kill("SIGTERM");
  await old.exit();
  const next = launch([...basic, ...store]);
  const [, at] = await next.logged(/listening on 127\.0\.0\.1:(\d+)$/m);
  const reader = await connect({ hostname: "127.0.0.1", port: Number(at) });
  for (let n = 1; n <= 100; n++) expect(await reader.take("moved")).toBe(`${n}`);
  expect(await reader.take("moved")).toBeUndefined();
  next.kill("SIGTERM");
  await next.exit();
});
