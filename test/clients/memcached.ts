/**
 * What memcached's own tests and libmemcached's memcapable expect, where it concerns what a queue has: asked of memcached
 * and of this server side by side. An answer that differs must be the one that is written down here, and a test of
 * memcapable that fails must be one of those that PROTOCOL.md lists.
 */
import { join } from "node:path";

import { cleanUpAtExit, owned } from "../bench/cleanup.ts";
import { makeFolder } from "../bench/folder.ts";
import { findProgram } from "../bench/program.ts";
import { connect } from "../server/client.ts";
import { EXPECTATIONS } from "./expectations.ts";
import { eventually, runProcess } from "./process.ts";
import { startServer, stopServer } from "./server.ts";

const MEMCAPABLE = "memccapable";
const PROTOCOL = join(import.meta.dir, "../../src/protocol/PROTOCOL.md");
const VERSION = /^VERSION \S+/gm;

let failures = 0;

function check(what: string, actual: string, expected: string): void {
  if (actual === expected) return console.log(`ok: ${what}`);
  failures++;
  console.log(`not ok: ${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** All that is answered, until the server or the client ends. */
async function converse(port: number, sent: string): Promise<string> {
  const client = await connect({ hostname: "127.0.0.1", port });
  client.send(sent);
  client.shutdown();
  const answer = await client.rest();
  await client.end();
  return answer.replaceAll(VERSION, "VERSION");
}

async function startMemcached(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  const flags = ["-u", "nobody", "-l", "127.0.0.1", "-p", `${port}`];
  owned(Bun.spawn(["memcached", ...flags], { stdin: "ignore", stdout: "ignore" }));
  await eventually("memcached", async () => {
    return await converse(port, "version\r\n").then(
      (answer) => answer !== "",
      () => false,
    );
  });
  return port;
}

/** The names of the tests that fail, such as `ascii add`. */
async function failingTests(port: number, dialect: "-a" | "-b"): Promise<string[]> {
  const command = [MEMCAPABLE, "-h", "127.0.0.1", "-p", `${port}`, "-t", "5", dialect];
  const { stdout } = await runProcess(command, "/", 120_000);
  // It writes [pass] behind the name of one that passes, and [FAIL] to its standard error.
  const names = [...stdout.matchAll(/((?:ascii|binary)(?: [a-z]+)+) {2,}(\[pass\])?/g)];
  if (names.length < 20) throw new Error(`${MEMCAPABLE} has run ${names.length} tests`);
  return names.flatMap(([, name = "", passed]) => (passed === undefined ? [name] : []));
}

/** Those that PROTOCOL.md explains: the rows of its table whose first cell names them. */
async function explainedTests(): Promise<string[]> {
  const text = await Bun.file(PROTOCOL).text();
  const rows = text.match(/^\| `(?:ascii|binary) .*$/gm) ?? [];
  return rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
}

async function main(): Promise<void> {
  cleanUpAtExit();
  const program = findProgram();
  const server = await startServer(program, join(makeFolder(), "home"), 0, ["-B", "1048576"]);
  const memcached = await startMemcached();
  for (const { what, sent, memcached: theirs, here = theirs } of EXPECTATIONS) {
    for (const [name, port, expected] of [
      ["memcached", memcached, theirs],
      ["here", server.port, here],
    ] as const) {
      await converse(port, "flush_all\r\n");
      check(`${name}: ${what}`, await converse(port, sent), expected);
    }
  }
  for (const dialect of ["-a", "-b"] as const) {
    check("memcapable with memcached", (await failingTests(memcached, dialect)).join(), "");
  }
  const failing = [
    ...(await failingTests(server.port, "-a")),
    ...(await failingTests(server.port, "-b")),
  ];
  const explained = await explainedTests();
  check("memcapable here", failing.toSorted().join(), explained.toSorted().join());
  await stopServer(server);
}

try {
  await main();
  process.exit(failures === 0 ? 0 : 1);
} catch (error) {
  console.error(`memcached: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
