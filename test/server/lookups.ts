/**
 * The system is not even asked for what lies where the executable is started: `bun test/server/lookups.ts`. It needs
 * `strace`, so it is no part of `bun test`.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { cleanUpAtExit } from "../bench/cleanup.ts";
import { withFolder } from "../torture/folder.ts";
import { start } from "../torture/server.ts";
import { connect } from "./client.ts";
import { trap } from "./trap.ts";

cleanUpAtExit();
await withFolder(async (folder) => {
  const cwd = join(folder, "cwd");
  mkdirSync(cwd);
  trap(cwd);
  const calls = join(folder, "calls");
  // With -D the process itself is the server, and who traces it is its child.
  const before = ["strace", "-D", "-f", "-qq", "-e", "trace=%file", "-o", calls];
  const server = await start({ home: join(folder, "home"), flags: [], before, cwd });
  await (await connect(server.address)).inStep();
  await server.stop();
  const asked = readFileSync(calls, "latin1");
  assert.match(asked, /memcacheq\.db/);
  assert.doesNotMatch(asked, /\.env|bunfig|tsconfig|jsconfig|package\.json|node_modules|trap\.js/);
});
console.log("ok: nothing is looked for where the executable is started");
process.exit(0);
