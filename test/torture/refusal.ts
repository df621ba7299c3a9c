/** What is refused because it could not be synced did not happen, not even when the server is killed right after. */
import { join } from "node:path";

import { withFolder } from "./folder.ts";
import type { Report } from "./part.ts";
import { start } from "./server.ts";
import { CALLS, ERRORS, FILES, makeShim } from "./shim.ts";
import { ask, connect, setBytes, type Wire } from "./wire.ts";

const REQUESTS = ["set q 0 0 5\r\nthree", "get q", "delete q", "flush q", "flush_all"] as const;
const FLAGS = ["-C", "0", "-T", "0"];
const TWO = ["one", "two"];

/** Refuses each kind of change once, with nothing else going on. */
export async function refuseEach(report: Report): Promise<void> {
  for (const request of REQUESTS) {
    for (const ending of ["kill", "stop"] as const) {
      await withFolder((folder) => refuse(folder, request, ending));
      report.count("refused and not done");
    }
  }
}

async function refuse(folder: string, request: string, ending: "kill" | "stop"): Promise<void> {
  const shim = makeShim(folder);
  const home = join(folder, "home");
  const server = await start({ home, flags: FLAGS, env: shim.env });
  const wire = await connect(server.address);
  for (const body of TWO) await ask(wire, setBytes("q", 0, Buffer.from(body)));
  const { sync } = CALLS;
  shim.arm({ calls: sync, files: FILES.log, error: ERRORS.EIO, after: 0, times: 1, partly: false });
  const { line } = await ask(wire, `${request}\r\n`);
  if (!line.startsWith("SERVER_ERROR ")) throw new Error(`${request} is answered ${line}`);
  await server[ending]();
  const again = await start({ home, flags: FLAGS });
  const bodies = await takeAll(await connect(again.address));
  await again.kill();
  if (Bun.deepEquals(bodies, TWO)) return;
  const what = request.split("\r\n", 1);
  throw new Error(`${what} is refused, and after a ${ending} there is "${bodies.join()}"`);
}

async function takeAll(wire: Wire): Promise<string[]> {
  const { values } = await ask(wire, "get q q q q\r\n", "list");
  return values.map(({ body }) => body.toString());
}
