import { answerer, type Contender, fresh, MODE_TITLES, ours, running } from "../contender.ts";
import { dataRoot } from "../folder.ts";
import { BASE, type Operation, type Report } from "../job.ts";
import { describeMachine, syncCost } from "../machine.ts";
import { measure } from "../measure.ts";
import { complaint, rate } from "../measurement.ts";
import type { MatrixOptions, Peer } from "../options.ts";
import { cells, columns, type Row } from "./row.ts";
import { header, line } from "./table.ts";

const NOTES = `
A connection sends <depth> commands, waits for all their answers, and goes on; a latency is from
sending to the command's answer. Gets take from a queue that was filled before. A lease with its
delete, and an open with its set/close=, are one operation of two trips. load % is the load
generator's share of a core: near 100 it is the limit, not the server.`;

/** Measured side by side; the first is the one that the others are compared with. */
type Group = [Contender, ...Contender[]];

/** What is measured, and a line that says so. */
type Field = { groups: Group[]; about: string };

type Case = { connections: number; depth: number; operation: Operation };

/** Prints the table as it grows. Returns how many rows got answers that they should not get. */
export async function printMatrix(options: MatrixOptions): Promise<number> {
  const { groups, about } = fieldOf(options);
  const names = groups.flat().map(({ name }) => name);
  const shape = columns(names, options.peers.length > 0);
  console.log(`${describeMachine()}, bodies of ${options.size} bytes`);
  console.log(`${about}\n\n${header(shape)}`);
  let wrong = 0;
  for await (const row of rowsOf(groups, options)) {
    const note = complaint(row.report);
    if (note !== "") wrong++;
    console.log(line(shape, cells(row), note));
  }
  console.log(NOTES);
  return wrong;
}

function fieldOf({ selfTest, target, peers, modes, size }: MatrixOptions): Field {
  const others = peers.map(running);
  if (selfTest) {
    return {
      groups: [[answerer(size)]],
      about: "load generator against a server that only answers",
    };
  }
  if (target !== null) return { groups: [[running(target), ...others]], about: place(target) };
  return {
    groups: modes.map((mode) => [fresh({ ...ours(mode), name: MODE_TITLES[mode] }), ...others]),
    about:
      `dist/memcacheq, fresh for each row; data in ${dataRoot()}, ` +
      `where a sync of 4 KB takes ${syncCost().toFixed(0)} µs`,
  };
}

function place({ address }: Peer): string {
  return `server at ${"unix" in address ? address.unix : `${address.hostname}:${address.port}`}`;
}

/** Measures every case with every contender, one after the other, and gives a row for each. */
async function* rowsOf(groups: Group[], options: MatrixOptions): AsyncGenerator<Row> {
  const { size, seconds, ops } = options;
  for (const group of groups) {
    for (const where of casesOf(options)) {
      let first: Report | null = null;
      for (const contender of group) {
        const report = await measure(contender, { ...BASE, ...where, size, seconds, ops });
        yield { mode: contender.name, ...where, report, ratio: ratio(first, report) };
        first ??= report;
      }
    }
  }
}

function casesOf({ connections, depths, operations, selfTest }: MatrixOptions): Case[] {
  // The server that only answers has no message to give.
  const driven: Operation[] = selfTest ? ["set"] : operations;
  return connections.flatMap((clients) =>
    depths.flatMap((depth) =>
      driven
        // A client has one message of a queue open.
        .filter((operation) => operation !== "close" || depth === 1)
        .map((operation) => ({ connections: clients, depth, operation })),
    ),
  );
}

function ratio(first: Report | null, peer: Report): number | null {
  if (first === null || "failure" in first || "failure" in peer) return null;
  return rate(first.measurement) / rate(peer.measurement);
}
