/** Kills the server at random moments under a mixed load, and compares what is there with what it acknowledged. */
import { join } from "node:path";

import type { Random } from "../protocol/random.ts";
import { auditCopy, auditInPlace, checkFile } from "./audit.ts";
import { complain } from "./complain.ts";
import { withFolder } from "./folder.ts";
import { type Ledger, newLedger } from "./ledger.ts";
import { QUEUES, startLoad } from "./load.ts";
import type { Part, Report } from "./part.ts";
import { launch, start } from "./server.ts";

/** A database is used for so many kills. */
const LIFE = 25;
/** Milliseconds that the load goes on before a kill, at most: now and then long enough for work that can wait. */
const LONGEST = [100, 400, 400, 1500];
/** Of few requests on their way it is known best what became of them; many make large commits. */
const DEPTHS = [[1], [1, 4], [1, 4, 16, 64]];
/** Milliseconds after which a server that is starting is killed, at most. */
const STARTING = 60;

export const crash: Part = { name: "crash", share: 10, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  for (const deadline = Date.now() + budget; Date.now() < deadline;) {
    await withFolder((folder) => live(join(folder, "home"), deadline, random, report));
  }
}

/** One database, from its beginning to its end. */
async function live(home: string, deadline: number, random: Random, report: Report): Promise<void> {
  const ledger = newLedger();
  const pages = ["-A", random.pick(["512", "4096", "4096", "16384"])];
  let rounds = 0;
  do {
    const flags = [...pages, ...flagsFor(random)];
    if (random.below(8) === 0) await killStarting(home, flags, random, report);
    else await killLoaded(home, ledger, flags, random, report);
    rounds++;
  } while (rounds < LIFE && Date.now() < deadline);
  await drainInPlace(home, ledger, [...pages, ...flagsFor(random)]);
  report.count("databases");
}

async function killLoaded(
  home: string,
  ledger: Ledger,
  flags: string[],
  random: Random,
  report: Report,
): Promise<void> {
  const server = await start({ home, flags });
  const running = await startLoad(server.address, {
    ledger,
    random,
    queues: QUEUES,
    clients: random.between(1, 12),
    depths: random.pick(DEPTHS),
    backlog: random.pick([100, 3000, 6000]),
    sets: random.pick([30, 50, 70]),
    drops: random.pick([5, 70]),
    failing: false,
  });
  await Bun.sleep(random.below(random.pick(LONGEST)));
  running.expectEnd();
  await server.kill();
  await running.ended();
  report.count(flags.includes("-N") ? "kills with -N" : "kills");
  report.count("requests", running.sent());
  await auditCopy(ledger, home, [...flags.filter((flag) => flag !== "-N"), "-N"]);
  report.count("messages found", ledger.backlog);
  complain(ledger, flags);
}

/** The next start has to cope with what a half-done start leaves. */
async function killStarting(
  home: string,
  flags: string[],
  random: Random,
  report: Report,
): Promise<void> {
  const { child } = launch({ home, flags });
  await Bun.sleep(random.below(STARTING));
  child.kill("SIGKILL");
  await child.exited;
  report.count("kills while starting");
}

/** At last the original is drained, instead of a copy, and ends cleanly. */
async function drainInPlace(home: string, ledger: Ledger, flags: string[]): Promise<void> {
  const server = await start({ home, flags });
  await auditInPlace(ledger, server);
  await server.stop();
  checkFile(ledger, home);
  complain(ledger, flags);
}

/** Small sizes, so that checkpoints, sweeps and vacuum happen all the time. */
export function flagsFor(random: Random): string[] {
  return [
    ...["-B", "1048576", "-D", "1000"],
    ...["-m", random.pick(["1", "4", "64"])],
    ...["-L", random.pick(["1", "32", "1024"])],
    ...["-E", random.pick(["8", "64", "1024", "16384"])],
    ...["-C", random.pick(["0", "1"])],
    ...["-T", random.pick(["0", "1"])],
    ...["-e", random.pick(["0", "60", "100"])],
    ...(random.below(2) === 0 ? ["-N"] : []),
    ...(random.below(3) === 0 ? ["-R"] : []),
  ];
}
