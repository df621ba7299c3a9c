/**
 * Has Litestream copy the database of a busy server, kills both, restores the copy and starts a server on it:
 * `bun test/clients/litestream.ts <its executable>`, after `bun build.ts`. The settings are those that the documents show.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { codeBlock } from "../documents.ts";
import { connect } from "../server/client.ts";
import { busy, fill, type Ledger, type Server, start, verify } from "./busy.ts";

const [executable = "litestream"] = process.argv.slice(2);
const QUEUES = ["a", "b", "c"];
/** How long the load runs before both are killed, in milliseconds. */
const LOAD_MS = 20_000;
/** Pieces of the log that are copied before what was stored until now is in the copy: one may have begun before. */
const PIECES = 2;

const folder = mkdtempSync(join(tmpdir(), "memcacheq-litestream-"));
const home = join(folder, "home");
const replica = join(folder, "replica");

/** The settings of the documents, with a folder in place of an object store. */
async function writeSettings(): Promise<string> {
  const shown = codeBlock("yaml", "dbs:");
  const path = join(folder, "litestream.yml");
  await Bun.write(
    path,
    shown
      .replace("/var/lib/memcacheq/memcacheq.db", join(home, "memcacheq.db"))
      .replace(/url: s3:.*/, `path: ${replica}`),
  );
  return path;
}

/** Starts the copying; `pieces` resolves when so many more pieces of the log are copied. */
function replicate(settings: string) {
  const command = [executable, "replicate", "-config", settings];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  let log = "";
  let count = 0;
  const waiters: { at: number; resolve: () => void }[] = [];
  async function read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      log += text;
      count += text.match(/wal segment written/g)?.length ?? 0;
      for (const { at, resolve } of waiters) if (count >= at) resolve();
    }
  }
  const ended = Promise.all([read(child.stdout), read(child.stderr), child.exited]).then(() => {
    throw new Error(`Litestream ended: ${log}`);
  });
  ended.catch(() => undefined);
  return {
    kill: () => child.kill("SIGKILL"),
    pieces(more: number): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiters.push({ at: count + more, resolve });
      return Promise.race([promise, ended]);
    },
  };
}

/** Sets one message after the other, and notes how long the slowest took, in milliseconds. */
async function measure({ address }: Server, slowest: { ms: number }): Promise<void> {
  const client = await connect(address);
  for (;;) {
    const since = performance.now();
    await client.put("measured", "x");
    slowest.ms = Math.max(slowest.ms, performance.now() - since);
  }
}

const server = await start(home, ["-D", "1000", "-C", "0"]);
const copying = replicate(await writeSettings());
try {
  const ledgers = new Map<string, Ledger>();
  for (const queue of QUEUES) ledgers.set(queue, await fill(server, queue));
  const slowest = { ms: 0 };
  const load = [...ledgers].map(([queue, ledger]) => busy(server, queue, ledger, () => false));
  // They fail when the server is killed.
  for (const part of [...load, measure(server, slowest)]) part.catch(() => undefined);
  await Bun.sleep(LOAD_MS);
  const before = structuredClone(ledgers);
  await copying.pieces(PIECES);
  server.kill();
  copying.kill();
  const after = structuredClone(ledgers);
  const copy = join(folder, "copy");
  mkdirSync(copy);
  const restore = [executable, "restore", "-o", join(copy, "memcacheq.db"), `file://${replica}`];
  const restored = Bun.spawnSync(restore);
  assert.equal(restored.exitCode, 0, restored.stderr.toString());
  for (const queue of QUEUES) {
    await verify(copy, queue, before.get(queue) as Ledger, after.get(queue) as Ledger);
  }
  const stored = [...after.values()].reduce((sum, { stored }) => sum + stored, 0);
  const took = slowest.ms.toFixed(0);
  console.log(
    `ok: ${stored} sets until both were killed; one at a time, the slowest took ${took} ms`,
  );
} finally {
  server.kill();
  copying.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
