/** A synchronous standby takes over: what was acknowledged is there, once. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { findPrograms, startCluster } from "./cluster.ts";
import { consume, faults, newLedger, produce } from "./ledger.ts";
import { drain, newServer, type Server } from "./shop.ts";

setDefaultTimeout(180_000);

const programs = findPrograms() as string;
const primary = await startCluster(["wal_level = replica", "max_wal_senders = 10"]);
const data = join(primary.directory, "standby");
const port = freePort();

afterAll(() => {
  asPostgres(join(programs, "pg_ctl"), "-D", data, "-m", "immediate", "stop");
  primary.dispose();
  rmSync(data, { recursive: true, force: true });
});

function asPostgres(...words: string[]): void {
  const prefix =
    process.getuid?.() === 0
      ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
      : [];
  const { success, stderr } = Bun.spawnSync([...prefix, ...words], { cwd: "/" });
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** Starts a standby, and has commits wait for it. */
async function startStandby(): Promise<void> {
  const from = ["-h", "127.0.0.1", "-p", `${primary.port}`, "-U", "postgres"];
  asPostgres(
    join(programs, "pg_basebackup"),
    ...from,
    "-D",
    data,
    "-R",
    "-X",
    "stream",
    "-c",
    "fast",
  );
  const log = join(primary.directory, "standby.log");
  asPostgres(
    join(programs, "pg_ctl"),
    "-D",
    data,
    "-o",
    `-c port=${port}`,
    "-l",
    log,
    "-w",
    "start",
  );
  primary.psql(
    "postgres",
    "alter system set synchronous_standby_names = '*'; select pg_reload_conf();",
  );
  const isSynchronous = "select count(*) from pg_stat_replication where sync_state = 'sync'";
  while (primary.psql("postgres", isSynchronous).trim() !== "1") await Bun.sleep(50);
}

test("nothing is lost or doubled when a synchronous standby takes over", async () => {
  const database = await primary.newDatabase();
  await startStandby();
  const hosts = [primary.port, port].map((each) => ({ host: "127.0.0.1", port: each }));
  const store = { hosts, user: "memcacheq", database, password: undefined, sslrootcert: undefined };
  const servers = await Promise.all(
    [1, 2].map(() =>
      newServer(port, database, { store: { ...store, sslmode: "disable" }, graceMs: 60_000 }),
    ),
  );
  const [a, b] = servers as [Server, Server];
  const ledger = newLedger();
  let isOver = false;
  const work = [
    produce(a, "a", () => isOver, ledger),
    produce(b, "b", () => isOver, ledger),
    consume(b, () => isOver, ledger),
  ];
  while (ledger.stored.size < 150) await Bun.sleep(10);
  primary.stop("immediate");
  asPostgres(join(programs, "pg_ctl"), "-D", data, "-w", "promote");
  const before = ledger.stored.size;
  while (ledger.stored.size < before + 150) await Bun.sleep(10);
  isOver = true;
  await Promise.all(work);
  await b.backend.close();
  ledger.delivered.push(...(await drain(a, "q")));
  expect(faults(ledger)).toEqual({ lost: [], twice: [], refused: [] });
  expect(ledger.unknown.size).toBe(0);
  await a.backend.close();
});
