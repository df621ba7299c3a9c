/**
 * Kills the server at random moments under workers that take jobs and store their results, in every way that a commit
 * can do both: each job gives exactly one result. The books are in jobs.ts.
 */
import { join } from "node:path";

import type { Random } from "../protocol/random.ts";
import { checkFile, detailsOf } from "./audit.ts";
import { flagsFor } from "./crash.ts";
import { withFolder } from "./folder.ts";
import {
  checkRows,
  clock,
  DELIVERIES,
  forgetEnded,
  type Jobs,
  newJobs,
  RETRY,
  type Row,
  SOURCES,
} from "./jobs.ts";
import { newLedger } from "./ledger.ts";
import type { Part, Report } from "./part.ts";
import { crowd, type Orders, produce, RING } from "./producer.ts";
import { readRows } from "./rows.ts";
import { type Server, start } from "./server.ts";
import { connect, type Wire } from "./wire.ts";
import { type Staff, work } from "./worker.ts";

/** A database is used for so many kills. */
const LIFE = 12;
/** What workers have done before a kill, at most; and how long that is waited for, milliseconds. */
const MOST_DONE = [5, 50, 50, 200];
const LONGEST = 1500;
/** How long what is there may take to be finished at last, milliseconds. */
const PATIENCE = 30_000;
/** Of many faults the first tell enough. */
const SHOWN = 10;

/** The limit of the ring is another one after each start, and so may be lower than what it holds. */
function rulesFor(random: Random): string[] {
  const most = random.between(1, RING.messages);
  return [
    ...["--queue", `in:deliveries=${DELIVERIES},retry=${RETRY.first}..${RETRY.longest}`],
    ...["--queue", "mid:dead=in.dead"],
    ...["--queue", `${RING.name}:max-messages=${most},drop-oldest=yes`],
  ];
}

export const delivery: Part = { name: "delivery", share: 5, run };

/** What goes on with one database. */
interface Life {
  home: string;
  jobs: Jobs;
  orders: Orders;
  random: Random;
  report: Report;
}

async function run(budget: number, random: Random, report: Report): Promise<void> {
  for (const deadline = Date.now() + budget; Date.now() < deadline;) {
    await withFolder((folder) => live(join(folder, "home"), deadline, random, report));
  }
}

async function live(home: string, deadline: number, random: Random, report: Report): Promise<void> {
  const orders: Orders = { unanswered: new Set(), delays: new Map() };
  const life: Life = { home, jobs: newJobs(), orders, random, report };
  for (let n = 0; n < LIFE && Date.now() < deadline; n++) await killLoaded(life);
  await finish(life);
  report.count("databases");
  report.count("jobs", life.jobs.all.size);
}

async function killLoaded(life: Life): Promise<void> {
  const { home, jobs, random, report } = life;
  const flags = [...flagsFor(random), ...rulesFor(random)];
  const server = await start({ home, flags });
  const load = startStaff(server, life, () => false);
  const due = random.below(random.pick(MOST_DONE));
  for (const since = clock(); load.done() < due && clock() - since < LONGEST;) await Bun.sleep(1);
  await Bun.sleep(random.below(10));
  load.expectEnd();
  const at = clock();
  await server.kill();
  await load.ended();
  checkHome(life, at);
  forgetEnded(jobs);
  complain(jobs, flags);
  report.count("kills");
}

/** The file has what the books have, and a server that starts with it counts as much. */
function checkHome({ home, jobs, report }: Life, at: number): Row[] {
  const { rows, faults } = readRows(home);
  jobs.faults.push(...faults);
  checkRows(jobs, rows, at);
  const ring = rows.filter(({ queue }) => queue === RING.name).length;
  if (ring > RING.messages) jobs.faults.push(`${ring} messages in ${RING.name}`);
  report.count("messages found", rows.length);
  return rows;
}

/** Workers and producers come again and again, until they are to end. */
function startStaff(server: Server, life: Life, isLate: () => boolean) {
  const { random, jobs, orders, report } = life;
  const wires = new Set<Wire>();
  let isEnding = false;
  let done = 0;
  const count = (what: string) => {
    done++;
    report.count(what);
  };

  async function employ(kind: (staff: Staff) => Promise<void>): Promise<void> {
    while (!isEnding) {
      try {
        const wire = await connect(server.address);
        wires.add(wire);
        await kind({ jobs, random, wire, isLate, count });
        wires.delete(wire);
        wire.reset();
        return;
      } catch {
        // Its connection has ended: a worker may do that, or it was the kill.
        if (!server.isAlive() && !isEnding) jobs.faults.push("the server ended by itself");
        if (!server.isAlive()) return;
      }
    }
  }

  const workers = Array.from({ length: random.between(1, 8) }, () => employ(work));
  const producers = Array.from({ length: random.between(1, 4) }, () =>
    employ((staff) => produce(staff, orders)),
  );
  const crowds = random.below(2) === 0 ? [employ(crowd)] : [];
  return {
    done: () => done,
    expectEnd() {
      isEnding = true;
    },
    dismiss() {
      for (const wire of wires) wire.reset();
    },
    async ended() {
      await Promise.all([...workers, ...producers, ...crowds]);
    },
  };
}

/** No more kills: what is there is finished, and gives one result each. */
async function finish(life: Life): Promise<void> {
  const { home, jobs, random } = life;
  const flags = [...flagsFor(random), ...rulesFor(random)];
  const server = await start({ home, flags });
  const wire = await connect(server.address);
  const load = startStaff(server, life, () => true);
  const deadline = Date.now() + PATIENCE;
  while (life.orders.unanswered.size > 0 || (await countSources(wire)) > 0) {
    if (Date.now() > deadline) {
      jobs.faults.push(`${await countSources(wire)} jobs are not finished after ${PATIENCE} ms`);
      break;
    }
    await Bun.sleep(5);
  }
  load.expectEnd();
  load.dismiss();
  await load.ended();
  wire.reset();
  await server.stop();
  for (const job of jobs.all.values()) job.finishedAt = Math.min(job.finishedAt, clock());
  checkHome(life, clock());
  checkFile(newLedger(), home);
  complain(jobs, flags);
}

async function countSources(wire: Wire): Promise<number> {
  let messages = 0;
  for (const queue of SOURCES) messages += (await detailsOf(wire, queue)).messages ?? 0;
  return messages;
}

/** Throws what the books have against the server. */
function complain({ faults }: Jobs, circumstances: string[]): void {
  if (faults.length === 0) return;
  const shown = faults.slice(0, SHOWN).join("\n");
  throw new Error(`${faults.length} faults with ${circumstances.join(" ")}:\n${shown}`);
}
