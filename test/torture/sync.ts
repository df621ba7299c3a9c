/** Traces the server's calls: no answer leaves before what it says is synced, and with -N nothing is synced. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../protocol/random.ts";
import { flagsOf, makeBody } from "./body.ts";
import { withFolder } from "./folder.ts";
import { judge, type Verdict } from "./order.ts";
import type { Part, Report } from "./part.ts";
import { start } from "./server.ts";
import { readTrace } from "./trace.ts";
import { ask, connect, type Reply, setBytes, type Wire } from "./wire.ts";

const CALLS = "pwrite64,fsync,fdatasync,sendto,sendmsg,write,writev,recvfrom,read";
/** No checkpoint while the trace is taken; pages large enough that no body is split over two. */
const FLAGS = ["-C", "0", "-T", "0", "-A", "16384"];
const LONGEST_STRING = 20_000;
const CLIENTS = 6;
const ROUNDS = 25;
const QUEUE = "sync";

export const sync: Part = { name: "sync", share: 1, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  if (Bun.which("strace") === null) throw new Error("strace is needed (Debian: strace)");
  const deadline = Date.now() + budget;
  do {
    for (const synced of [true, false]) {
      await withFolder((folder) => traceOne(folder, synced, random, report));
    }
  } while (Date.now() < deadline);
}

async function traceOne(
  folder: string,
  synced: boolean,
  random: Random,
  report: Report,
): Promise<void> {
  const verdict = await record(join(folder, "home"), join(folder, "trace"), synced, random);
  const { stored, values, syncs, commits, faults } = verdict;
  const mode = synced ? "" : " with -N";
  const asked = CLIENTS * ROUNDS;
  if (stored < asked || values < asked) faults.push(`${stored} STORED and ${values} VALUE seen`);
  if (commits === 0 || synced !== syncs > 0)
    faults.push(`${syncs} syncs, ${commits} commits${mode}`);
  if (faults.length > 0) throw new Error(faults.slice(0, 10).join("\n"));
  report.count(`STORED${mode}`, stored);
  report.count(`VALUE${mode}`, values);
  report.count(`commits${mode}`, commits);
  report.count(`syncs${mode}`, syncs);
}

/** Runs a server under strace while clients set and then get. */
async function record(
  home: string,
  trace: string,
  synced: boolean,
  random: Random,
): Promise<Verdict> {
  const strace = [
    "strace",
    "-f",
    "-y",
    "-s",
    `${LONGEST_STRING}`,
    "-e",
    `trace=${CALLS}`,
    "-o",
    trace,
  ];
  const flags = synced ? FLAGS : [...FLAGS, "-N"];
  const server = await start({ home, flags, before: strace });
  const wires = await Promise.all(Array.from({ length: CLIENTS }, () => connect(server.address)));
  const [pid] = readFileSync(trace, "utf8").split(" ", 1);
  try {
    await Promise.all(wires.map((wire, at) => setAll(wire, at, random)));
    // One after the other first, so that there is no other commit that could be taken for a request's own.
    for (const wire of wires) await take(wire, 1);
    await Promise.all(wires.map((wire) => takeAll(wire, random)));
  } finally {
    process.kill(Number(pid), "SIGTERM");
    await server.ended;
  }
  return judge(readTrace(readFileSync(trace, "latin1")), synced);
}

async function setAll(wire: Wire, at: number, random: Random): Promise<void> {
  let sequence = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const count = random.between(1, 8);
    const answers = Array.from({ length: count }, () => {
      const origin = { queue: QUEUE, producer: at, sequence: ++sequence };
      return ask(wire, setBytes(origin.queue, flagsOf(origin), makeBody(origin, 0)));
    });
    expectAll(await Promise.all(answers), "STORED");
  }
}

/** Takes messages until there are no more. */
async function takeAll(wire: Wire, random: Random): Promise<void> {
  for (let more = true; more;) more = await take(wire, random.between(1, 8));
}

/** Asks for `count` messages without waiting in between: false when there were fewer. */
async function take(wire: Wire, count: number): Promise<boolean> {
  const asked = Array.from({ length: count }, () => ask(wire, `get ${QUEUE}\r\n`, "list"));
  const replies = await Promise.all(asked);
  expectAll(replies, "END");
  return replies.every(({ values }) => values.length === 1);
}

function expectAll(replies: Reply[], line: string): void {
  const wrong = replies.find((reply) => reply.line !== line);
  if (wrong !== undefined) throw new Error(`${line} expected, not ${wrong.line}`);
}
