/** Tides of messages for as long as one likes, with checkpoints, vacuum and restarts: nothing grows with time. */
import { statSync } from "node:fs";
import { join } from "node:path";

import { memoryOf } from "../bench/usage.ts";
import type { Random } from "../protocol/random.ts";
import { auditInPlace, checkFile, countersOf, detailsOf } from "./audit.ts";
import { complain } from "./complain.ts";
import { withFolder } from "./folder.ts";
import { fault, type Ledger, newLedger } from "./ledger.ts";
import { QUEUES, startLoad } from "./load.ts";
import type { Part, Report } from "./part.ts";
import { setOne } from "./probe.ts";
import { databaseIn, logIn, type Server, start } from "./server.ts";
import { connect } from "./wire.ts";

const MB = 1024 * 1024;
const PAGE = 4096;
const EXTENT_PAGES = 256;
const MEMORY = 16;
const FLAGS = [
  ...["-B", `${MB}`, "-E", `${EXTENT_PAGES}`, "-m", `${MEMORY}`, "-C", "2", "-T", "1", "-e", "100"],
];

/** How many messages a tide brings, and how few are left when it is low. */
const HIGH = 12_000;
const LOW = 1000;
/** Milliseconds: how long high and low water are waited for, and how long both kinds of clients are about then. */
const LONGEST_PHASE = 20_000;
const MIXED = 500;
/** The server is started anew so often, by turns after a clean stop and after a kill. */
const RESTARTS = 3;

/** How long disk space may take to come back, milliseconds; and how much more than what is left the file may have. */
const SHRINKING = 10_000;
const SLACK = 1.2;
/** An empty database has its own few pages. */
const TABLES = 16 * PAGE;
/** The last third of the tides may have so much more than the first third, of its median and on top. */
const GROWTH = 1.25;
const MORE_MEMORY = 24 * MB;
const MORE_LATENCY = 10;
/** What the program may need beside -m, bytes. */
const MOST_MEMORY = (MEMORY + 150) * MB;

/** What one tide left behind. */
interface Sample {
  /** Bytes. */
  memory: number;
  database: number;
  log: number;
  /** Milliseconds that half of the sets take at most, 99 of 100, and the slowest. */
  p50: number;
  p99: number;
  longest: number;
}

export const soak: Part = { name: "soak", share: 2, run };

function run(budget: number, random: Random, report: Report): Promise<void> {
  return withFolder((folder) => goOn(join(folder, "home"), budget, random, report));
}

async function goOn(home: string, budget: number, random: Random, report: Report): Promise<void> {
  const ledger = newLedger();
  const since = Date.now();
  const lives: Sample[][] = [];
  let server = await start({ home, flags: FLAGS });
  while (Date.now() - since < budget) {
    const life = Math.floor((RESTARTS * (Date.now() - since)) / budget);
    await flow(server, ledger, random, HIGH, report);
    if (lives.length > 0 && life >= lives.length) {
      await (life % 2 === 0 ? server.stop() : server.kill());
      server = await start({ home, flags: life % 2 === 0 ? FLAGS : [...FLAGS, "-N"] });
      report.count("restarts");
    }
    const latencies = await mix(server, ledger, random, report);
    await flow(server, ledger, random, LOW, report);
    await expectSpace(server, ledger);
    (lives[life] ??= []).push(sample(server, latencies));
    await auditInPlace(ledger, server);
    await expectSpace(server, ledger);
    complain(ledger, FLAGS);
    report.count("tides");
  }
  await server.stop();
  checkFile(ledger, home);
  judge(
    lives.filter((life) => life !== undefined),
    ledger,
    report,
  );
  complain(ledger, FLAGS);
}

/** Lets clients set more than they take, or take more than they set, until there are so many messages. */
async function flow(
  server: Server,
  ledger: Ledger,
  random: Random,
  goal: number,
  report: Report,
): Promise<void> {
  const rising = ledger.backlog < goal;
  const running = await startLoad(server.address, {
    ledger,
    random,
    queues: QUEUES,
    clients: 8,
    depths: [1, 4, 16, 64],
    backlog: HIGH,
    sets: rising ? 80 : 10,
    drops: 4,
    failing: false,
  });
  const isThere = () => (rising ? ledger.backlog >= goal : ledger.backlog <= goal);
  const deadline = Date.now() + LONGEST_PHASE;
  while (!isThere() && Date.now() < deadline) await Bun.sleep(5);
  await running.finish();
  report.count("requests", running.sent());
}

/** As much comes as goes. @returns how long sets took beside that, in milliseconds, ascending */
async function mix(
  server: Server,
  ledger: Ledger,
  random: Random,
  report: Report,
): Promise<number[]> {
  const running = await startLoad(server.address, {
    ledger,
    random,
    queues: QUEUES,
    clients: 8,
    depths: [1, 4, 16, 64],
    backlog: HIGH,
    sets: 50,
    drops: 4,
    failing: false,
  });
  const wire = await connect(server.address);
  const producer = ++ledger.producers;
  const latencies: number[] = [];
  for (const end = Date.now() + MIXED; Date.now() < end;) {
    const since = performance.now();
    const origin = { queue: QUEUES[0], producer, sequence: latencies.length + 1 };
    const answer = await setOne(ledger, wire, origin, 100);
    if (answer !== "STORED") fault(ledger, `a set is answered ${answer}`);
    latencies.push(performance.now() - since);
  }
  await running.finish();
  wire.reset();
  report.count("requests", running.sent());
  return latencies.toSorted((a, b) => a - b);
}

/** The file shrinks to what is left, and one extent. */
async function expectSpace(server: Server, ledger: Ledger): Promise<void> {
  const left = await bytesLeft(server);
  const most = SLACK * left + EXTENT_PAGES * PAGE + TABLES;
  for (const deadline = Date.now() + SHRINKING; Date.now() < deadline; await Bun.sleep(20)) {
    if (sizeOf(databaseIn(server.home)) <= most) return;
  }
  fault(
    ledger,
    `the file has ${sizeOf(databaseIn(server.home))} bytes, with ${left} bytes of messages`,
  );
}

/** Bytes of the bodies of all messages. */
async function bytesLeft(server: Server): Promise<number> {
  const wire = await connect(server.address);
  let bytes = 0;
  for (const queue of (await countersOf(wire)).keys()) {
    bytes += (await detailsOf(wire, queue)).bytes ?? 0;
  }
  wire.reset();
  return bytes;
}

function sample(server: Server, latencies: number[]): Sample {
  return {
    memory: memoryOf(server.pid) ?? 0,
    database: sizeOf(databaseIn(server.home)),
    log: sizeOf(logIn(server.home)),
    p50: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    longest: latencies.at(-1) ?? 0,
  };
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Memory is compared within the life of each process, the rest over all. */
function judge(lives: Sample[][], ledger: Ledger, report: Report): void {
  const all = lives.flat();
  compare(all, "log", GROWTH, 4 * MB, ledger);
  compare(all, "p50", GROWTH, MORE_LATENCY, ledger);
  // The first tide of a process finds it small.
  for (const life of lives) compare(life.slice(1), "memory", GROWTH, MORE_MEMORY, ledger);
  const most = Math.max(...all.map(({ memory }) => memory));
  if (most > MOST_MEMORY) fault(ledger, `the server needed ${most} bytes of memory`);
  report.note(`memory ${thirds(all, "memory", MB)} MB`);
  report.note(`file when low ${thirds(all, "database", MB)} MB`);
  report.note(`log ${thirds(all, "log", MB)} MB`);
  for (const name of ["p50", "p99", "longest"] as const) {
    report.note(`set ${name} ${thirds(all, name, 1)} ms`);
  }
}

function compare(
  samples: Sample[],
  name: keyof Sample,
  times: number,
  more: number,
  ledger: Ledger,
): void {
  const [first, last] = mediansOf(samples, name);
  if (last <= first * times + more) return;
  fault(ledger, `${name} was ${first} at first, and ${last} at last, of ${samples.length} tides`);
}

/** Of the first and of the last third. */
function mediansOf(samples: Sample[], name: keyof Sample): [number, number] {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return [median(samples.slice(0, third), name), median(samples.slice(-third), name)];
}

function median(samples: Sample[], name: keyof Sample): number {
  const values = samples.map((one) => one[name]).toSorted((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}

function thirds(samples: Sample[], name: keyof Sample, unit: number): string {
  return mediansOf(samples, name)
    .map((value) => (value / unit).toFixed(1))
    .join(" then ");
}
