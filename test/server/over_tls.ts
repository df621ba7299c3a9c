/** Runs tests of connections once more, with all servers and clients over TLS: `bun test/server/over_tls.ts`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { selfSigned } from "./certificates.ts";

/** Those of half-closed, slow, refused and many connections, and of how bytes are cut. */
const FILES = ["backpressure", "connections", "noreply", "pipelining", "stopping", "swallowing"];

const directory = mkdtempSync(join(tmpdir(), "memcacheq-tls-"));
const { cert, key } = selfSigned(directory);
const { exitCode } = Bun.spawnSync(
  [
    process.execPath,
    "test",
    "--parallel",
    ...FILES.map((name) => join(import.meta.dir, `${name}.test.ts`)),
  ],
  {
    env: { ...process.env, MEMCACHEQ_TEST_CERT: cert, MEMCACHEQ_TEST_KEY: key },
    stdout: "inherit",
    stderr: "inherit",
  },
);
rmSync(directory, { recursive: true });
process.exit(exitCode);
