/** A log whose end is missing or wrong, as a machine that lost power may leave it: all before the damage is there. */
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../protocol/random.ts";
import { checkFile, drain } from "./audit.ts";
import { flagsOf, makeBody, readBody } from "./body.ts";
import { complain } from "./complain.ts";
import { withFolder } from "./folder.ts";
import { newLedger } from "./ledger.ts";
import type { Part, Report } from "./part.ts";
import { databaseIn, logIn, start } from "./server.ts";
import { ask, connect, setBytes, type Wire } from "./wire.ts";

/** What was in the queue after a commit, and how long the log was then, in bytes. */
interface Commit {
  end: number;
  first: number;
  last: number;
}

/** No checkpoint but that of the start: the log keeps every commit. */
const FLAGS = ["-B", "1048576", "-C", "0", "-T", "0", "-E", "0"];
const QUEUE = "q";
const COMMITS = 60;
/** How often one log is damaged. */
const DAMAGES = 8;

export const torn: Part = { name: "torn", share: 1, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const deadline = Date.now() + budget;
  do await withFolder((folder) => damageOne(folder, random, report));
  while (Date.now() < deadline);
}

async function damageOne(folder: string, random: Random, report: Report): Promise<void> {
  const home = join(folder, "home");
  const flags = [...FLAGS, ...(random.below(2) === 0 ? ["-N"] : [])];
  const commits = await fill(home, flags, random);
  const log = readFileSync(logIn(home));
  for (let n = 0; n < DAMAGES; n++) {
    const { bytes, at, what } = damage(log, random);
    const copy = join(folder, "copy");
    rmSync(copy, { recursive: true, force: true });
    cpSync(home, copy, { recursive: true });
    // It is shared memory: a machine that lost power has none of it.
    rmSync(`${databaseIn(copy)}-shm`, { force: true });
    writeFileSync(logIn(copy), bytes);
    try {
      await expectPrefix(copy, flags, commits, at);
    } catch (error) {
      throw new Error(`a log of ${log.length} bytes ${what} at ${at}: ${(error as Error).message}`);
    }
    report.count(`logs ${what}`);
  }
}

/** Commits sets and gets one by one, and ends as a crash does. */
async function fill(home: string, flags: string[], random: Random): Promise<Commit[]> {
  const server = await start({ home, flags });
  const wire = await connect(server.address);
  let [first, last] = [1, 0];
  const lengthNow = () => statSync(logIn(home)).size;
  const commits: Commit[] = [{ end: lengthNow(), first, last }];
  while (commits.length < COMMITS) {
    if (first <= last && random.below(3) === 0) {
      await ask(wire, `get ${QUEUE}\r\n`, "list");
      first++;
    } else {
      const origin = { queue: QUEUE, producer: 1, sequence: ++last };
      const body = makeBody(origin, random.below(random.pick([100, 10_000])));
      const { line } = await ask(wire, setBytes(QUEUE, flagsOf(origin), body));
      if (line !== "STORED") throw new Error(`a set is answered ${line}`);
    }
    commits.push({ end: lengthNow(), first, last });
  }
  await server.kill();
  return commits;
}

/** The same log with its end cut off or overwritten from `at` on. */
function damage(log: Buffer, random: Random): { bytes: Buffer; at: number; what: string } {
  const length = random.between(1, random.pick([10, 5000, log.length]));
  const at = log.length - length;
  const kept = log.subarray(0, at);
  switch (random.below(3)) {
    case 0:
      return { bytes: kept, at, what: "cut" };
    case 1:
      return { bytes: Buffer.concat([kept, random.bytes(length)]), at, what: "garbled" };
    default:
      return { bytes: Buffer.concat([kept, Buffer.alloc(length)]), at, what: "zeroed" };
  }
}

/** The server finds the state after one of the commits, no earlier one than the last before the damage, and goes on. */
async function expectPrefix(
  home: string,
  flags: string[],
  commits: Commit[],
  at: number,
): Promise<void> {
  const server = await start({ home, flags });
  const wire = await connect(server.address);
  const found = (await drain(wire, QUEUE)).map(({ body }) => readBody(body)?.sequence ?? NaN);
  const { sets, gets } = await countersOf(wire);
  const least = commits.findLastIndex(({ end }) => end <= at);
  const state = commits.slice(Math.max(0, least)).find(({ first, last }) => {
    return last === sets && first - 1 === gets - found.length;
  });
  if (state === undefined) {
    const wanted = commits[least];
    throw new Error(
      `${sets}/${gets - found.length} found, and ${wanted?.last}/${(wanted?.first ?? 1) - 1} was before the damage`,
    );
  }
  const expected = Array.from({ length: state.last - state.first + 1 }, (_, n) => state.first + n);
  if (!Bun.deepEquals(found, expected)) throw new Error(`messages ${found.join()}`);
  const { line } = await ask(wire, setBytes(QUEUE, 0, Buffer.from("more")));
  if (line !== "STORED") throw new Error(`a set after it is answered ${line}`);
  wire.reset();
  await server.stop();
  const ledger = newLedger();
  checkFile(ledger, home);
  complain(ledger, flags);
}

async function countersOf(wire: Wire): Promise<{ sets: number; gets: number }> {
  const { stats } = await ask(wire, "stats queue\r\n", "list");
  const [, sets = 0, gets = 0] = /^q (\d+)\/(\d+)$/.exec(stats[0] ?? "") ?? [];
  return { sets: Number(sets), gets: Number(gets) };
}
