import { dataRoot } from "./folder.ts";
import type { DialectName } from "./job.ts";
import { syncCost } from "./machine.ts";
import type { Mode, Options, Peer } from "./options.ts";
import { findProgram } from "./program.ts";
import { type Server, startAnswerer, startServer } from "./server.ts";

/** One that is measured: every row gets it from `start`, fresh or as it runs already. */
export type Contender = { mode: string; dialect: DialectName; start: () => Promise<Server> };

/** Measured side by side; the first is the one that the others are compared with. */
export type Group = [Contender, ...Contender[]];

/** What is measured, and a line that says so. */
export type Field = { groups: Group[]; about: string };

const MODE_TITLES: Record<Mode, string> = { durable: "durable", nosync: "-N" };

/** Throws an Error when there is nothing to start. */
export function fieldOf({ selfTest, target, peers, modes, size }: Options): Field {
  const others = peers.map(running);
  if (selfTest) {
    return {
      groups: [[answerer(size)]],
      about: "load generator against a server that only answers",
    };
  }
  if (target !== null) return { groups: [[running(target), ...others]], about: place(target) };
  const program = findProgram();
  const ours = (mode: Mode): Contender => ({
    mode: MODE_TITLES[mode],
    dialect: "memcached",
    start: () => startServer(program, mode),
  });
  return {
    groups: modes.map((mode) => [ours(mode), ...others]),
    about: `${program.name}, fresh for each row; ${storage()}`,
  };
}

function storage(): string {
  return `data in ${dataRoot()}, where a sync of 4 KB takes ${syncCost().toFixed(0)} µs`;
}

function answerer(size: number): Contender {
  return { mode: "answers", dialect: "memcached", start: () => startAnswerer(size) };
}

function running({ name, dialect, address, pid }: Peer): Contender {
  const server: Server = { address, pid, lastWords: () => "", stop: async () => {} };
  return { mode: name, dialect, start: async () => server };
}

function place({ address }: Peer): string {
  return `server at ${"unix" in address ? address.unix : `${address.hostname}:${address.port}`}`;
}
