/**
 * A connection lasts, busy or idle: `bun test/server/lasting.ts`, after `bun build.ts`. It takes two minutes, so it is no
 * part of `bun test`.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connect } from "./client.ts";

/** Longer than the two minutes after which the runtime would end a connection of its own accord, in milliseconds. */
const LONG = 130_000;

const home = mkdtempSync(join(tmpdir(), "memcacheq-lasting-"));
const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
const socket = join(home, "memcacheq.sock");
const server = Bun.spawn([
  join(import.meta.dir, "../../dist/memcacheq"),
  ...["-u", user, "-H", home, "-s", socket],
]);
try {
  const address = { unix: socket };
  let busy = await connect(address).catch(() => undefined);
  while (busy === undefined) {
    assert.equal(server.exitCode, null);
    await Bun.sleep(10);
    busy = await connect(address).catch(() => undefined);
  }
  const idle = await connect(address);
  const waiting = await connect(address);
  await busy.put("q", "open");
  idle.send("get q/open\r\n");
  assert.equal((await idle.messages()).length, 1);
  waiting.send("get other/t=600000\r\n");
  for (const end = Date.now() + LONG; Date.now() < end; await Bun.sleep(100)) await busy.inStep();
  assert.equal(await idle.ask("get q/close"), "END");
  await busy.put("other", "x");
  assert.equal((await waiting.messages()).length, 1);
  console.log("ok: a busy, an idle and a waiting connection last");
} finally {
  server.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
}
process.exit(0);
