/**
 * Makes the backups that the documents show, with Debian's sqlite3, while producers and workers are busy, and starts a server
 * on each copy: `bun test/clients/backup.ts`, after `bun build.ts`.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { codeBlock } from "../documents.ts";
import { connect } from "../server/client.ts";
import { busy, fill, type Ledger, start, verify } from "./busy.ts";

const QUEUES = ["a", "b", "c"];

/** Each way to make a copy of that section, made to work on these two files. */
function commands(from: string, to: string): string[] {
  const ways = codeBlock("sh", "mv /backup/memcacheq.db.new").trimEnd().split("\n\n");
  return ways.map((way) =>
    way.replaceAll("/var/lib/memcacheq/memcacheq.db", from).replaceAll("/backup/memcacheq.db", to),
  );
}

/** Restores a copy, as root, for a server that runs as another user and has gone on since. */
async function restore(folder: string, copy: string): Promise<void> {
  const home = join(folder, "restored");
  chmodSync(folder, 0o755);
  const server = await start(home, ["-u", "nobody"]);
  await fill(server, "other");
  await server.kill();
  const lines = codeBlock("sh", "install -m 600")
    .split("\n")
    .filter((line) => !line.startsWith("systemctl"));
  const command = lines.join("\n").replaceAll("/backup/memcacheq.db", copy);
  await shell(command.replaceAll("/var/lib/memcacheq", home));
  const [file, directory] = [statSync(join(home, "memcacheq.db")), statSync(home)];
  assert.deepEqual([file.mode & 0o777, file.uid, file.gid], [0o600, directory.uid, directory.gid]);
  assert.notEqual(file.uid, 0);
  const restored = await start(home, ["-u", "nobody"]);
  const client = await connect(restored.address);
  for (const queue of QUEUES) assert.notEqual(await client.take(queue), undefined);
  assert.equal(await client.take("other"), undefined);
  await client.end();
  await restored.stop();
  console.log("ok: a server of another user runs on what was restored");
}

async function shell(command: string): Promise<void> {
  const child = Bun.spawn(["sh", "-c", command], { stdout: "inherit", stderr: "inherit" });
  assert.equal(await child.exited, 0);
}

const folder = mkdtempSync(join(tmpdir(), "memcacheq-backup-"));
const server = await start(join(folder, "home"));
try {
  const ledgers = new Map<string, Ledger>();
  for (const queue of QUEUES) ledgers.set(queue, await fill(server, queue));
  let over = false;
  const load = [...ledgers].map(([queue, ledger]) => busy(server, queue, ledger, () => over));
  const snapshot = () => structuredClone(ledgers);
  const copies: { home: string; before: Map<string, Ledger>; after: Map<string, Ledger> }[] = [];
  const wanted = commands(join(folder, "home/memcacheq.db"), "");
  for (let i = 0; i < wanted.length; i++) {
    const home = join(folder, `copy${i}`);
    mkdirSync(home);
    const [command = ""] = commands(
      join(folder, "home/memcacheq.db"),
      join(home, "memcacheq.db"),
    ).slice(i);
    await shell(command);
    // The night after.
    const before = snapshot();
    const since = performance.now();
    await shell(command);
    const after = snapshot();
    assert.equal(statSync(join(home, "memcacheq.db")).mode & 0o777, 0o600);
    const stored = QUEUES.map(
      (queue) => (after.get(queue)?.stored ?? 0) - (before.get(queue)?.stored ?? 0),
    );
    const took = performance.now() - since;
    console.log(
      `${command.replaceAll(folder, "")}: ${took.toFixed(0)} ms, with ${stored.join(", ")} sets beside it`,
    );
    copies.push({ home, before, after });
  }
  over = true;
  await Promise.all(load);
  assert.ok(copies.length > 0);
  await restore(folder, join(copies[0]?.home ?? "", "memcacheq.db"));
  for (const { home, before, after } of copies) {
    for (const queue of QUEUES) {
      await verify(home, queue, before.get(queue) as Ledger, after.get(queue) as Ledger);
    }
  }
  await server.stop();
} finally {
  void server.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
