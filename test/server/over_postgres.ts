/**
 * Runs tests once more, with all servers over PostgreSQL, and those that need it: `bun test/server/over_postgres.ts`.
 * Behind it may stand the names of files, `server/leases http/page`. With --where-found
 * a few of them are run, and it is no failure when there is no PostgreSQL.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { findPrograms, startCluster } from "../queues/shared/cluster.ts";

const TESTS = join(import.meta.dir, "..");

/** Tests of servers that have files, too: the few that are run where PostgreSQL is found, and all others. */
const FEW = ["server/conversation", "server/leases", "server/once"];
const OTHERS = [
  "http/basic",
  "http/held",
  "http/single",
  "server/binary",
  "server/delay",
  "server/dialects",
  "server/early",
  "server/either",
  "server/family",
  "server/fanout",
  "server/hand_over",
  "server/holders",
  "server/limits",
  "server/lines",
  "server/meta",
  "server/noreply",
  "server/pause",
  "server/peek",
  "server/reliable",
  "server/settings",
  "server/stats",
  "server/expiry",
  "server/rights",
  "server/waiting",
];

const words = process.argv.slice(2);
const isWhereFound = words[0] === "--where-found";
const named = words.slice(isWhereFound ? 1 : 0);
if (isWhereFound && findPrograms() === undefined) {
  console.error(
    "The tests over PostgreSQL were NOT run: there is none in /usr/lib/postgresql (Debian: apt install postgresql).",
  );
  process.exit(0);
}

const files = named.length > 0 ? named : isWhereFound ? FEW : [...FEW, ...OTHERS];
const paths = files.map((name) => join(TESTS, `${name}.test.ts`));
if (named.length === 0) paths.push(...own());
const cluster = await startCluster();
const owner = `postgres://postgres@127.0.0.1:${cluster.port}/postgres`;
const { exitCode } = Bun.spawnSync([process.execPath, "test", "--parallel", ...paths], {
  env: { ...process.env, MEMCACHEQ_TEST_STORE: owner },
  stdout: "inherit",
  stderr: "inherit",
});
cluster.dispose();
process.exit(exitCode);

/** The files of tests that need PostgreSQL. */
function own(): string[] {
  return readdirSync(TESTS, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".postgres.ts"))
    .map((path) => join(TESTS, path));
}
