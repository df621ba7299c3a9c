/** The directory with the database disappears while the server runs, and may come back. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { auditCopy } from "./audit.ts";
import { complain } from "./complain.ts";
import { withFolder } from "./folder.ts";
import { fault, type Ledger, newLedger } from "./ledger.ts";
import type { Report } from "./part.ts";
import { probe, setOne } from "./probe.ts";
import { type Server, start } from "./server.ts";
import { connect } from "./wire.ts";

const FLAGS = ["-C", "0", "-T", "0"];
const QUEUE = "q";
/** How long the server may take to notice, milliseconds. */
const NOTICING = 1000;

/** Nobody finds again what is stored now: the server says so, and goes on running. */
export async function removeDirectory(report: Report): Promise<void> {
  await withFolder(async (folder) => {
    const home = join(folder, "home");
    const ledger = newLedger();
    const server = await start({ home, flags: FLAGS });
    await expectSet(ledger, server, "STORED");
    rmSync(home, { recursive: true });
    await expectRefusals(ledger, server);
    report.count("directories removed");
    await server.kill();
    complain(ledger, ["the directory removed"]);
  });
}

/** Until it is back where it was: then everything goes on. */
export async function moveDirectory(report: Report): Promise<void> {
  await withFolder(async (folder) => {
    const home = join(folder, "home");
    const ledger = newLedger();
    const server = await start({ home, flags: FLAGS });
    await expectSet(ledger, server, "STORED");
    renameSync(home, `${home}.away`);
    await expectRefusals(ledger, server);
    renameSync(`${home}.away`, home);
    await probe(ledger, server);
    await expectSet(ledger, server, "STORED");
    report.count("directories moved away and back");
    await server.kill();
    await auditCopy(ledger, home, FLAGS);
    complain(ledger, ["the directory moved"]);
  });
}

/** Sets are refused from some moment on, and stay so. */
async function expectRefusals(ledger: Ledger, server: Server): Promise<void> {
  const deadline = Date.now() + NOTICING;
  while ((await setOnce(ledger, server)) === "STORED") {
    if (Date.now() > deadline) return fault(ledger, "STORED, where nobody finds it again");
    await Bun.sleep(10);
  }
  for (let n = 0; n < 3; n++) await expectSet(ledger, server, "SERVER_ERROR");
}

async function expectSet(ledger: Ledger, server: Server, expected: string): Promise<void> {
  const answer = await setOnce(ledger, server);
  if (!answer.startsWith(expected)) fault(ledger, `a set is answered ${answer}, not ${expected}`);
  if (answer !== "STORED") ledger.reasons.add(answer);
}

async function setOnce(ledger: Ledger, server: Server): Promise<string> {
  const wire = await connect(server.address);
  const origin = { queue: QUEUE, producer: ++ledger.producers, sequence: 1 };
  const answer = await setOne(ledger, wire, origin, 100);
  wire.reset();
  return answer;
}
