/**
 * A change whose sync failed is answered "outcome unknown". The server asks the file at once: what it shows from then on
 * is what is there after a kill, too.
 */
import { join } from "node:path";

import { withFolder } from "./folder.ts";
import { isUnknown } from "./ledger.ts";
import type { Report } from "./part.ts";
import { start } from "./server.ts";
import { CALLS, ERRORS, FILES, makeShim } from "./shim.ts";
import { ask, connect, setBytes, type Wire } from "./wire.ts";

const TWO = ["one", "two"];
/** Each kind of change, and the messages that are there when it happened. */
const REQUESTS: readonly [request: string, after: string[]][] = [
  ["set q 0 0 5\r\nthree", [...TWO, "three"]],
  ["get q", ["two"]],
  ["delete q", []],
  ["flush q", []],
  ["flush_all", []],
];
const FLAGS = ["-C", "0", "-T", "0"];

/** Lets the sync of each kind of change fail once, with nothing else going on. */
export async function refuseEach(report: Report): Promise<void> {
  for (const [request, after] of REQUESTS) {
    for (const ending of ["kill", "stop"] as const) {
      await withFolder((folder) => refuse(folder, request, after, ending));
      report.count("outcomes unknown and decided");
    }
  }
}

async function refuse(
  folder: string,
  request: string,
  after: string[],
  ending: "kill" | "stop",
): Promise<void> {
  const shim = makeShim(folder);
  const home = join(folder, "home");
  const server = await start({ home, flags: FLAGS, env: shim.env });
  const wire = await connect(server.address);
  for (const body of TWO) await ask(wire, setBytes("q", 0, Buffer.from(body)));
  const { sync } = CALLS;
  shim.arm({ calls: sync, files: FILES.log, error: ERRORS.EIO, after: 0, times: 1, partly: false });
  const { line } = await ask(wire, `${request}\r\n`);
  const [what] = request.split("\r\n", 1);
  if (!isUnknown(line)) throw new Error(`${what} is answered ${line}`);
  const shown = await look(wire);
  await server[ending]();
  const again = await start({ home, flags: FLAGS });
  const there = await connect(again.address);
  const shownAgain = await look(there);
  const bodies = await takeAll(there);
  await again.kill();
  const isPossible = Bun.deepEquals(bodies, TWO) || Bun.deepEquals(bodies, after);
  if (isPossible && shown === shownAgain) return;
  throw new Error(
    `${what} has an unknown outcome, then "${shown}" is shown, and after a ${ending} "${shownAgain}", with ${bodies.join()}`,
  );
}

/** The counters of the queue, and its oldest message. */
async function look(wire: Wire): Promise<string> {
  const { stats } = await ask(wire, "stats queue\r\n", "list");
  const { values } = await ask(wire, "get q/peek\r\n", "list");
  return [...stats, ...values.map(({ body }) => body.toString())].join(", ");
}

async function takeAll(wire: Wire): Promise<string[]> {
  const { values } = await ask(wire, "get q q q q\r\n", "list");
  return values.map(({ body }) => body.toString());
}
