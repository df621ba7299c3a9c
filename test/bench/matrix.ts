import { join } from "node:path";

import { owned } from "./cleanup.ts";
import type { Contender, Group } from "./contender.ts";
import type { Job, Operation, Report } from "./job.ts";
import type { Options } from "./options.ts";
import { rate, type Row } from "./row.ts";
import type { Server } from "./server.ts";

const LOAD = join(import.meta.dir, "load.ts");

type Case = { connections: number; depth: number; operation: Operation };

/** Measures every case with every contender, one after the other, and gives a row for each. */
export async function* rowsOf(groups: Group[], options: Options): AsyncGenerator<Row> {
  for (const group of groups) {
    for (const place of casesOf(options)) {
      let first: Report | null = null;
      for (const contender of group) {
        const report = await measure(contender, place, options);
        yield { mode: contender.mode, ...place, report, ratio: ratio(first, report) };
        first ??= report;
      }
    }
  }
}

function casesOf({ connections, depths, operations, selfTest }: Options): Case[] {
  // The server that only answers has no message to give.
  const driven: Operation[] = selfTest ? ["set"] : operations;
  return connections.flatMap((clients) =>
    depths.flatMap((depth) =>
      driven.map((operation) => ({ connections: clients, depth, operation })),
    ),
  );
}

async function measure(contender: Contender, place: Case, options: Options): Promise<Report> {
  try {
    const server = await contender.start();
    try {
      const { size, seconds, ops } = options;
      const { address, pid } = server;
      const { dialect } = contender;
      const report = await load({ address, pid, dialect, ...place, size, seconds, ops });
      return "failure" in report ? withLastWords(report.failure, server) : report;
    } finally {
      await server.stop();
    }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

function withLastWords(failure: string, server: Server): Report {
  const said = server.lastWords();
  return { failure: said === "" ? failure : `${failure}; the server said: ${said}` };
}

/** Runs one job in a process of its own, so that nothing else is in its way. */
async function load(job: Job): Promise<Report> {
  const child = owned(
    Bun.spawn([process.execPath, LOAD, JSON.stringify(job)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const [printed, said] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return JSON.parse(printed) as Report;
  return { failure: `the load generator ended: ${said.trim() || child.signalCode}` };
}

function ratio(ours: Report | null, peer: Report): number | null {
  if (ours === null || "failure" in ours || "failure" in peer) return null;
  return rate(ours.measurement) / rate(peer.measurement);
}
