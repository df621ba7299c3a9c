/** A disk that fills up and has room again, and a file size limit. */
import { dlopen } from "bun:ffi";
import { existsSync, mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeFolder, removeFolder } from "../bench/folder.ts";
import type { Random } from "../protocol/random.ts";
import { auditCopy, auditInPlace } from "./audit.ts";
import { complain } from "./complain.ts";
import { withFolder } from "./folder.ts";
import { fault, type Ledger, newLedger, noteRead } from "./ledger.ts";
import type { Part, Report } from "./part.ts";
import { probe, setOne } from "./probe.ts";
import { killAll, type Server, start } from "./server.ts";
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
/** A signal comes with it, SIGXFSZ, which must not end the server. */
const RLIMIT_FSIZE = 1;
const NO_LIMIT = 0xffff_ffff_ffff_ffffn;

const { prlimit } = dlopen(existsSync("/etc/alpine-release") ? "libc.so" : "libc.so.6", {
  prlimit: { args: ["i32", "i32", "buffer", "ptr"], returns: "i32" },
}).symbols;

export const disk: Part = { name: "disk", share: 2, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const obstacles = [sizeLimit];
  if (mayMount()) obstacles.push(fullDisk);
  else report.note("no tmpfs: mounting is not permitted here");
  const deadline = Date.now() + budget;
  do {
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
    // Before anything else that is done at the exit, which may come at any time: a mount point cannot be removed.
    process.prependListener("exit", () => void Bun.spawnSync(["umount", "-l", mounted]));
    command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", mounted);
    return join(mounted, "home");
  },
  begin: ({ home }) => writeFileSync(join(home, "../ballast"), Buffer.alloc(13 * MB)),
  end: ({ home }) => unlinkSync(join(home, "../ballast")),
  remove: (folder) => command("umount", join(folder, "disk")),
};

/** Runs into the obstacle with sets, then with gets, and goes on when it is away. */
export function overcome(
  obstacle: Obstacle,
  ending: "stop" | "kill",
  random: Random,
  report: Report,
): Promise<void> {
  return withFolder(async (folder) => {
    const home = obstacle.prepare(folder);
    try {
      await runIntoAndGoOn(obstacle, home, ending, random, report);
    } finally {
      await killAll();
      obstacle.remove(folder);
    }
  });
}

async function runIntoAndGoOn(
  obstacle: Obstacle,
  home: string,
  ending: "stop" | "kill",
  random: Random,
  report: Report,
): Promise<void> {
  const ledger = newLedger();
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
  complain(ledger, [obstacle.name, ending]);
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
    for (let inRow = 0, tried = 0; inRow < 5 && tried < MOST_TRIED; tried++) {
      const origin = { queue: QUEUE, producer, sequence: ++sequence };
      const answer = await setOne(ledger, wire, origin, random.between(1, most));
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

function limitFiles(pid: number, bytes: bigint): void {
  if (prlimit(pid, RLIMIT_FSIZE, new BigUint64Array([bytes, NO_LIMIT]), null) !== 0) {
    throw new Error(`the limits of process ${pid} cannot be changed`);
  }
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
