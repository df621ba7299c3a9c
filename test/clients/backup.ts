/**
 * Makes the backups that the documents show, with Debian's sqlite3, while producers and workers are busy, and starts a server
 * on each copy: `bun test/clients/backup.ts`, after `bun build.ts`.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { codeBlock } from "../documents.ts";
import { connect } from "../server/client.ts";

const project = join(import.meta.dir, "../..");
const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
const QUEUES = ["a", "b", "c"];
/** Messages in each queue before the load begins; so many of 500 bytes are more pages than one step of a backup copies. */
const BEFORE = 4000;

/** What became of the messages of one queue, which are numbered from 0 on. */
interface Ledger {
  stored: number;
  taken: number;
}

async function start(home: string) {
  const flags = ["-v", "-u", user, "-l", "127.0.0.1", "-p", "0", "-H", home];
  const child = Bun.spawn([join(project, "dist/memcacheq"), ...flags], { stderr: "pipe" });
  const decoder = new TextDecoder();
  let log = "";
  for await (const chunk of child.stderr) {
    log += decoder.decode(chunk, { stream: true });
    const [, port] = /listening on \S+:(\d+)\n/.exec(log) ?? [];
    if (port === undefined) continue;
    const address = { hostname: "127.0.0.1", port: Number(port) };
    async function stop(): Promise<void> {
      child.kill("SIGTERM");
      assert.equal(await child.exited, 0);
    }
    return { address, stop, kill: () => child.kill("SIGKILL") };
  }
  throw new Error(`the server did not start: ${log}`);
}

const body = (n: number) => `${n};`.padEnd(500, "x");
const numberIn = (text: string | undefined) => Number(text?.split(";")[0]);

type Server = Awaited<ReturnType<typeof start>>;

/** Sets and takes, in order, until told otherwise. */
function busy({ address }: Server, queue: string, ledger: Ledger, isOver: () => boolean) {
  async function produce(): Promise<void> {
    const client = await connect(address);
    while (!isOver()) {
      await client.put(queue, body(ledger.stored));
      ledger.stored++;
    }
  }
  async function work(): Promise<void> {
    const client = await connect(address);
    while (!isOver()) {
      assert.equal(numberIn(await client.take(queue)), ledger.taken);
      ledger.taken++;
    }
  }
  return Promise.all([produce(), work()]);
}

async function fill({ address }: Server, queue: string): Promise<Ledger> {
  const client = await connect(address);
  for (let n = 0; n < BEFORE; n++) client.send(`set ${queue} 0 0 500 noreply\r\n${body(n)}\r\n`);
  await client.inStep();
  await client.end();
  return { stored: BEFORE, taken: 0 };
}

/** Each way to make a copy of that section, made to work on these two files. */
function commands(from: string, to: string): string[] {
  const ways = codeBlock("sh", "mv /backup/memcacheq.db.new").trimEnd().split("\n\n");
  return ways.map((way) =>
    way.replaceAll("/var/lib/memcacheq/memcacheq.db", from).replaceAll("/backup/memcacheq.db", to),
  );
}

/** All messages of the copy, checked against what was known when the copy began and ended. */
async function verify(home: string, queue: string, before: Ledger, after: Ledger): Promise<void> {
  const server = await start(home);
  try {
    const client = await connect(server.address);
    const first = numberIn(await client.take(queue));
    assert.ok(first >= before.taken, `message ${first} was taken before the copy began`);
    assert.ok(first <= after.taken + 1, `message ${first - 1} was never taken, and is missing`);
    let last = first;
    for (let text = await client.take(queue); text !== undefined; text = await client.take(queue)) {
      assert.equal(text, body(++last));
    }
    assert.ok(
      last >= before.stored - 1,
      `message ${before.stored - 1} was stored before the copy began`,
    );
    assert.ok(last <= after.stored, `message ${last} was not stored when the copy ended`);
    console.log(`ok: queue ${queue} of the copy has messages ${first} to ${last}`);
  } finally {
    await server.stop();
  }
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
  for (const { home, before, after } of copies) {
    for (const queue of QUEUES) {
      await verify(home, queue, before.get(queue) as Ledger, after.get(queue) as Ledger);
    }
  }
  await server.stop();
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
