/** Calls on the database's files fail at random moments, in commits, checkpoints and vacuum, and work again. */
import { join } from "node:path";

import type { Random } from "../protocol/random.ts";
import { auditCopy, auditInPlace } from "./audit.ts";
import { complain } from "./complain.ts";
import { flagsFor } from "./crash.ts";
import { withFolder } from "./folder.ts";
import { type Ledger, newLedger } from "./ledger.ts";
import { QUEUES, type Running, startLoad } from "./load.ts";
import type { Part, Report } from "./part.ts";
import { probe } from "./probe.ts";
import { refuseEach } from "./refusal.ts";
import { type Server, start } from "./server.ts";
import { CALLS, ERRORS, type Fault, FILES, makeShim, type Shim } from "./shim.ts";

/** What fails: the name is for the table. */
const KINDS: readonly [name: string, calls: number, files: number][] = [
  ["writes of the log failed", CALLS.write, FILES.log],
  ["syncs of the log failed", CALLS.sync, FILES.log],
  ["truncations of the log failed", CALLS.truncate, FILES.log],
  ["reads of the log failed", CALLS.read, FILES.log],
  ["reads of the database failed", CALLS.read, FILES.database],
  ["writes of the database failed", CALLS.write, FILES.database],
  ["syncs of the database failed", CALLS.sync, FILES.database],
  ["truncations of the database failed", CALLS.truncate, FILES.database],
  [
    "calls of any kind failed",
    CALLS.write + CALLS.sync + CALLS.truncate + CALLS.read,
    FILES.log + FILES.database,
  ],
];

/** Killed or stopped, while calls fail or later; or drained while it goes on. */
const ENDINGS = ["killed failing", "killed", "stopped failing", "stopped", "audited"] as const;
type Ending = (typeof ENDINGS)[number];

/** A database is used for so many rounds. */
const LIFE = 10;
const FOREVER = 2 ** 30;

export const failing: Part = { name: "failing", share: 2, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const deadline = Date.now() + budget;
  await refuseEach(report);
  for (; Date.now() < deadline;) {
    await withFolder(async (folder) => {
      const shim = makeShim(folder);
      const ledger = newLedger();
      for (let n = 0; n < LIFE && Date.now() < deadline; n++) {
        await round(join(folder, "home"), ledger, shim, random, report);
      }
    });
  }
}

async function round(
  home: string,
  ledger: Ledger,
  shim: Shim,
  random: Random,
  report: Report,
): Promise<void> {
  shim.disarm();
  const flags = flagsFor(random);
  const server = await start({ home, flags, env: shim.env });
  const running = await startLoad(server.address, {
    ledger,
    random,
    queues: QUEUES,
    clients: random.between(1, 8),
    depths: [1, 4, 16, 64],
    backlog: 2000,
    sets: random.pick([30, 50, 60]),
    drops: 20,
    failing: true,
  });
  const ending = random.pick(ENDINGS);
  const faults: string[] = [];
  for (let n = random.between(1, 4); n > 0; n--) {
    await Bun.sleep(random.between(5, 60));
    faults.push(await failFor(random.pick([5, 50, 100, 700]), shim, random, report));
    if (n === 1 && ending.endsWith(" failing")) break;
    shim.disarm();
    await probe(ledger, server);
  }
  report.count("requests", running.sent());
  await end(server, running, ending);
  shim.disarm();
  if (ending === "audited") {
    await auditInPlace(ledger, server);
    await server.stop();
  }
  await auditCopy(ledger, home, flags);
  complain(ledger, [...flags, ending, ...faults]);
  report.count(ending);
}

async function end(server: Server, running: Running, ending: Ending): Promise<void> {
  if (ending === "audited") return running.finish();
  if (ending.startsWith("stopped")) {
    await running.finish();
    return server.stop();
  }
  running.expectEnd();
  await server.kill();
  await running.ended();
}

/** @returns what failed, in words */
async function failFor(
  milliseconds: number,
  shim: Shim,
  random: Random,
  report: Report,
): Promise<string> {
  const [name, calls, files] = random.pick(KINDS);
  const error = random.pick(["EIO", "EFBIG", "ENOSPC", "EROFS", "EDQUOT"] as const);
  const chosen: Fault = {
    calls,
    files,
    error: ERRORS[error],
    after: random.pick([0, 0, 1, 2, 5, 20]),
    times: random.pick([1, 2, FOREVER]),
    partly: random.below(2) === 0,
  };
  shim.arm(chosen);
  await Bun.sleep(milliseconds);
  report.count(name, shim.failed());
  return `(${name}: ${JSON.stringify(chosen)}, ${shim.failed()} failed)`;
}
