/** A disk that fills up and has room again, a file size limit, a directory that disappears. */
import { dlopen } from "bun:ffi";
import { mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeFolder, removeFolder } from "../bench/folder.ts";
import type { Random } from "../protocol/random.ts";
import { auditCopy, auditInPlace } from "./audit.ts";
import { complain } from "./crash.ts";
import { fault, type Ledger, newLedger, noteRead } from "./ledger.ts";
import type { Part, Report } from "./part.ts";
import { probe, setOne } from "./probe.ts";
import { type Server, start } from "./server.ts";
import { ask, connect, type Wire } from "./wire.ts";

/** What stands in the way of writing, and how it goes away. */
export interface Obstacle {
  name: string;
  /** Before the server starts: where its home shall be. */
  prepare(folder: string): string;
  /** With the server running: from now on there is little room, or none. */
  begin(server: Server): void;
  end(server: Server): void;
  /** When nobody uses the home any more. */
  remove(folder: string): void;
}

const MB = 1024 * 1024;
const QUEUE = "filling";
/** How many messages of one size are tried at most. */
const MOST_TRIED = 400;
const FLAGS = ["-B", "1048576", "-E", "8", "-m", "1", "-C", "0", "-T", "0"];
/** SIGXFSZ is left as it is: it must not end the server. */
const RLIMIT_FSIZE = 1;
const NO_LIMIT = 0xffff_ffff_ffff_ffffn;

export const disk: Part = { name: "disk", share: 2, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const obstacles = [sizeLimit, directoryMoved];
  if (mayMount()) obstacles.push(fullDisk);
  else report.note("no tmpfs: mounting is not permitted here");
  const deadline = Date.now() + budget;
  do {
    await removeDirectory(report);
    for (const obstacle of obstacles) {
      for (const ending of ["stop", "kill"] as const) {
        await overcome(obstacle, ending, random, report);
      }
    }
  } while (Date.now() < deadline);
}

/** The process may not make any file longer than this. */
export const sizeLimit: Obstacle = {
  name: "file size limit",
  prepare: (folder) => join(folder, "home"),
  begin: ({ pid }) => limitFiles(pid, BigInt(2 * MB)),
  end: ({ pid }) => limitFiles(pid, NO_LIMIT),
  remove() {},
};

/** A file system of a few megabytes, in which somebody else's file takes most of the room. */
export const fullDisk: Obstacle = {
  name: "full disk",
  prepare(folder) {
    const mounted = join(folder, "disk");
    mkdirSync(mounted);
    command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", mounted);
    return join(mounted, "home");
  },
  begin: ({ home }) => writeFileSync(join(home, "../ballast"), Buffer.alloc(13 * MB)),
  end: ({ home }) => unlinkSync(join(home, "../ballast")),
  remove: (folder) => command("umount", join(folder, "disk")),
};

/** The directory goes away, and comes back as it was. */
export const directoryMoved: Obstacle = {
  name: "directory moved away",
  prepare: (folder) => join(folder, "home"),
  begin: ({ home }) => renameSync(home, `${home}.away`),
  end: ({ home }) => renameSync(`${home}.away`, home),
  remove() {},
};

/** Runs into the obstacle with sets, then with gets, and goes on when it is away. */
export async function overcome(
  obstacle: Obstacle,
  ending: "stop" | "kill",
  random: Random,
  report: Report,
): Promise<void> {
  const folder = makeFolder();
  const home = obstacle.prepare(folder);
  const ledger = newLedger();
  try {
    const server = await start({ home, flags: FLAGS });
    const wire = await connect(server.address);
    const producer = ++ledger.producers;
    for (let n = 1; n <= 20; n++) await store(ledger, wire, producer, n);
    obstacle.begin(server);
    const refused = await runInto(ledger, wire, producer, random);
    report.count(`sets refused (${obstacle.name})`, refused);
    if (refused === 0) fault(ledger, "every set is answered STORED");
    await takeSome(ledger, wire, report, obstacle.name);
    await ask(wire, "db_checkpoint\r\n");
    await takeSome(ledger, wire, report, obstacle.name);
    obstacle.end(server);
    await probe(ledger, server);
    for (let n = 1; n <= 20; n++) await store(ledger, wire, producer, 1_000_000 + n);
    wire.reset();
    if (random.below(2) === 0) await auditInPlace(ledger, server);
    await server[ending]();
    await auditCopy(ledger, home, FLAGS);
    checkReasons(ledger);
    complain(ledger, [obstacle.name, ending]);
  } finally {
    obstacle.remove(folder);
  }
  removeFolder(folder);
}

async function store(ledger: Ledger, wire: Wire, producer: number, sequence: number) {
  const answer = await setOne(ledger, wire, { queue: QUEUE, producer, sequence }, 500);
  if (answer !== "STORED") fault(ledger, `with room on the disk a set is answered ${answer}`);
}

/** Sets large and ever smaller messages until none of them finds room. @returns how many were refused */
async function runInto(
  ledger: Ledger,
  wire: Wire,
  producer: number,
  random: Random,
): Promise<number> {
  let refused = 0;
  let sequence = 1000;
  for (const most of [300_000, 20_000, 1000, 1]) {
    for (let inRow = 0; inRow < 5;) {
      const origin = { queue: QUEUE, producer, sequence: ++sequence };
      const answer = await setOne(ledger, wire, origin, random.between(1, most));
      if (sequence > MOST_TRIED) return refused;
      inRow = answer === "STORED" ? 0 : inRow + 1;
      if (answer === "STORED") continue;
      refused++;
      ledger.reasons.add(answer);
    }
  }
  return refused;
}

/** Looks at the oldest message, and takes some, or is told why not. */
async function takeSome(ledger: Ledger, wire: Wire, report: Report, name: string): Promise<void> {
  for (let n = 0; n < 3; n++) {
    for (const [options, taking] of [
      ["/peek", "peek"],
      ["", "take"],
    ] as const) {
      const askedAt = ++ledger.clock;
      const reply = await ask(wire, `get ${QUEUE}${options}\r\n`, "list");
      for (const value of reply.values) noteRead(ledger, QUEUE, value, taking, askedAt);
      if (reply.line !== "END") {
        ledger.reasons.add(reply.line);
        report.count(`gets refused (${name})`);
      } else if (reply.values.length === 0) fault(ledger, `${QUEUE} is empty (${options})`);
    }
  }
}

/** An error says that it is the disk. */
export function checkReasons(ledger: Ledger): void {
  for (const reason of ledger.reasons) {
    if (!/^SERVER_ERROR .*(disk|full|I\/O|read-?only|directory|gone)/i.test(reason)) {
      fault(ledger, `an error that doesn't say what is wrong: ${reason}`);
    }
  }
}

/** The database is gone for good: nothing is stored any more, and the server says so as long as it runs. */
export async function removeDirectory(report: Report): Promise<void> {
  const folder = makeFolder();
  const home = join(folder, "home");
  const ledger = newLedger();
  const server = await start({ home, flags: FLAGS });
  const wire = await connect(server.address);
  const producer = ++ledger.producers;
  for (let n = 1; n <= 5; n++) await store(ledger, wire, producer, n);
  rmSync(home, { recursive: true });
  for (let n = 6; n <= 10; n++) {
    const answer = await setOne(ledger, wire, { queue: QUEUE, producer, sequence: n }, 100);
    if (answer === "STORED") fault(ledger, "STORED, and the directory is gone");
    else report.count("sets refused (directory removed)");
    await Bun.sleep(1);
  }
  if (!server.isAlive()) fault(ledger, "the server ended when its directory was removed");
  await server.kill();
  complain(ledger, ["directory removed"]);
  removeFolder(folder);
}

function limitFiles(pid: number, bytes: bigint): void {
  const { prlimit } = dlopen("libc.so.6", {
    prlimit: { args: ["i32", "i32", "buffer", "ptr"], returns: "i32" },
  }).symbols;
  const limit = new BigUint64Array([bytes, NO_LIMIT]);
  if (prlimit(pid, RLIMIT_FSIZE, limit, null) !== 0) throw new Error("prlimit failed");
}

function mayMount(): boolean {
  const folder = makeFolder();
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", folder]).success;
  if (mounted) command("umount", folder);
  removeFolder(folder);
  return mounted;
}

function command(...words: string[]): void {
  const done = Bun.spawnSync(words);
  if (!done.success) throw new Error(`${words.join(" ")}: ${done.stderr.toString().trim()}`);
}
