/**
 * Runs each file of a release that this machine can run: `bun test/container/release.ts`, after `bun build.ts --all`, on
 * Linux on x64 with glibc as a root who may mount, with Debian's packages `musl` and `gcc`.
 *
 * The files for musl run in a root folder with musl's loader. They need a C++ library, too; where they are meant to run
 * that is Alpine's, and here it is Debian's with what glibc has beyond musl put beside it.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  addFile,
  addLibraries,
  connectTo,
  freePort,
  newRoot,
  removeRoot,
  type Root,
  runIn,
} from "./root.ts";

const project = join(import.meta.dir, "../..");
const dist = join(project, "dist");
/** Milliseconds to the first answer, of the best of so many starts: what else this machine does is not counted. */
const LONGEST_START = 2000;
const STARTS = 5;

function addMusl(root: Root): void {
  const shim = join(tmpdir(), `memcacheq-shim-${process.pid}.so`);
  const made = Bun.spawnSync([
    ...["gcc", "-shared", "-fPIC", "-O1", "-nostdlib", "-o", shim],
    join(import.meta.dir, "shim.c"),
  ]);
  assert.ok(made.success, made.stderr.toString());
  addFile(root, "/lib/x86_64-linux-musl/libc.so", "/lib/ld-musl-x86_64.so.1");
  addFile(root, "/lib/x86_64-linux-musl/libc.so", "/lib/libc.musl-x86_64.so.1");
  addFile(root, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/lib/libstdc++.so.6");
  addFile(root, "/lib/x86_64-linux-gnu/libgcc_s.so.1", "/lib/libgcc_s.so.1");
  // The name under which the C++ library asks for glibc's loader.
  addFile(root, shim, "/lib/ld-linux-x86-64.so.2");
}

async function tryFile(name: string): Promise<number> {
  const root = newRoot("/data");
  try {
    addFile(root, join(dist, name), "/memcacheq");
    if (name.includes("-musl")) addMusl(root);
    else addLibraries(root, join(dist, name));
    let best = Infinity;
    for (let n = 0; n < STARTS; n++) best = Math.min(best, await tryServer(root));
    return best;
  } finally {
    removeRoot(root);
  }
}

/** Starts it, sets and gets, and stops it; resolves to the milliseconds that the first answer took. */
async function tryServer(root: Root): Promise<number> {
  const port = freePort();
  const flags = ["-l", "127.0.0.1", "-p", String(port), "-H", "/data", "-c", "100", "--http", "0"];
  const since = performance.now();
  const server = runIn(root, ["/memcacheq", ...flags], {});
  const client = await connectTo(server, { hostname: "127.0.0.1", port });
  assert.match(await client.ask("version"), /^VERSION /);
  const took = performance.now() - since;
  await client.put("q", "x".repeat(1000));
  assert.equal(await client.take("q"), "x".repeat(1000));
  server.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  return took;
}

const names = readdirSync(dist).filter((name) => /-linux-x64(-musl)?(-baseline)?$/.test(name));
assert.equal(names.length, 4, "bun build.ts --all makes four of them");
const sums = Bun.spawnSync(["sha256sum", "--check", "--quiet", "SHA256SUMS"], { cwd: dist });
assert.ok(sums.success, sums.stdout.toString());
console.log("ok: the sums are right");
for (const name of names) {
  const packed = Bun.spawnSync(["tar", "--list", "--file", `${name}.tar.gz`], { cwd: dist });
  const paths = packed.stdout.toString().trim().split("\n");
  const expected = ["", "LICENSE", "completions/", "memcacheq", "memcacheq.1", "memcacheq.service"];
  assert.deepEqual(
    paths.filter((path) => !path.includes("completions/") || path.endsWith("/")).toSorted(),
    expected.map((path) => `${name}/${path}`),
  );
  assert.equal(paths.length, expected.length + 3, "completions for three shells");
}
console.log("ok: the archives have all that they should");
for (const name of names) {
  const took = await tryFile(name);
  assert.ok(took < LONGEST_START, `${name}: the first answer took ${took} ms`);
  console.log(`ok: ${name}: the first answer after ${took.toFixed(0)} ms`);
}
process.exit(0);
