/**
 * Runs every client of the list through the same cases, against the real server, and prints the table that CLIENTS.md
 * has. Clients that are not on this machine are told as not run; with --all that is a failure, too, and so is a row
 * that CLIENTS.md does not have.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { version } from "../../src/util/version.ts";
import { cleanUpAtExit } from "../bench/cleanup.ts";
import { makeFolder } from "../bench/folder.ts";
import { findProgram, type Program } from "../bench/program.ts";
import { read } from "../documents.ts";
import { runCases } from "./cases.ts";
import { type Client, CLIENTS } from "./clients.ts";
import { type Driver, Missing, startDriver } from "./driver.ts";
import { install } from "./install.ts";
import { protect } from "./protect.ts";
import { startServer, stopServer } from "./server.ts";

const HELP = `usage: bun run clients [--all] [<name>...]

Runs the clients with these names, or all that there are, through the same cases.
  --all    a client that is not on this machine fails the run, as with CI=1
`;
/** Above what any client compresses. */
const MAX_BODY = 8192;

/** What became of a client. */
interface Outcome {
  client: Client;
  version: string;
  result: "all" | "failed" | "not run";
  notes: string[];
}

async function runClient(program: Program, folder: string, client: Client): Promise<Outcome> {
  const home = join(folder, [client.name, client.dialect, client.secure ?? "open"].join("-"));
  const protection = protect(client, folder);
  const flags = ["-B", `${MAX_BODY}`, ...protection.flags];
  let server = await startServer(program, home, 0, flags);
  const { port } = server;
  const notes = client.note === undefined ? [] : [client.note];
  const another = () =>
    startDriver([...client.driver(folder), `${port}`, ...protection.words], folder);
  let driver: Driver | undefined;
  try {
    driver = await another();
    const failures = await runCases({
      driver,
      another,
      plain: () => protection.connect(port),
      version,
      maxBody: MAX_BODY,
      bodies: client.bodies ?? "bytes",
      compresses: client.compresses === true,
      async restart() {
        await stopServer(server);
        server = await startServer(program, home, port, flags);
      },
      note: (text) => notes.push(text),
    });
    const result = failures.length === 0 ? "all" : "failed";
    return { client, version: driver.version, result, notes: [...failures, ...notes] };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { client, version: "", result: "not run", notes: [error.message] };
  } finally {
    driver?.end();
    await stopServer(server);
  }
}

function row({ client, version, result, notes }: Outcome): string {
  const { name, origin, dialect, secure } = client;
  const way = secure === undefined ? dialect : `${dialect}, ${secure}`;
  return `| ${[`${name} (${origin})`, version, way, [result, ...new Set(notes)].join("; ")].join(" | ")} |`;
}

const TITLE = ["| client | version | dialect | cases |", "| --- | --- | --- | --- |"];

async function main(args: string[]): Promise<boolean> {
  if (args.includes("--help")) {
    console.log(HELP);
    return true;
  }
  const all = args.includes("--all") || process.env.CI === "1";
  const names = args.filter((arg) => arg !== "--all");
  const chosen = CLIENTS.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0) throw new Error(`there is no client ${names.join(", ")}`);

  const program = findProgram();
  const folder = makeFolder();
  mkdirSync(folder, { recursive: true });
  await install(folder);
  console.log([`${program.name}, each client with a server of its own`, "", ...TITLE].join("\n"));
  const rows: string[] = [];
  const results = new Set<Outcome["result"]>();
  for (const client of chosen) {
    const outcome = await runClient(program, folder, client);
    rows.push(row(outcome));
    results.add(outcome.result);
    console.log(row(outcome));
  }
  if (!all) return !results.has("failed");
  const printed = new Set(read("test/clients/CLIENTS.md").split("\n").map(withoutVersion));
  const missing = rows.filter((row) => !printed.has(withoutVersion(row)));
  for (const row of missing) console.error(`CLIENTS.md has not: ${row}`);
  return missing.length === 0 && !results.has("failed") && !results.has("not run");
}

/** A row of the table without its second cell: that a client is a little newer is no reason to fail. */
function withoutVersion(row: string): string {
  return row.replace(/^(\|[^|]*\|)[^|]*\|/, "$1");
}

try {
  cleanUpAtExit();
  process.exit((await main(process.argv.slice(2))) ? 0 : 1);
} catch (error) {
  console.error(`clients: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
