import type { DialectName } from "./job.ts";
import type { Mode, Peer } from "./options.ts";
import { findProgram } from "./program.ts";
import {
  currentUser,
  type Kind,
  type Server,
  startAnswerer,
  startFresh,
  type Transport,
} from "./server.ts";

/** One that is measured: every measurement gets it from `start`, fresh or as it runs already. */
export type Contender = { name: string; dialect: DialectName; start: () => Promise<Server> };

/** A server that can be started, and what it is called. */
export type Product = { name: string; kind: Kind };

export const MODE_TITLES: Record<Mode, string> = { durable: "durable", nosync: "-N" };

const NAMES: Record<Mode, string> = { durable: "memcacheq", nosync: "memcacheq -N" };

/** The server of this repository, as its executable; with more flags, or over another transport, if asked. */
export function ours(mode: Mode, flags: string[] = [], transport: Transport = "tcp"): Product {
  const program = findProgram();
  const user = currentUser();
  const command: Kind["command"] = ({ data, port, socket }) => [
    ...[...program.command, "-u", user],
    ...(flags.includes("--store") ? [] : ["-H", data]),
    ...(socket === null ? ["-l", "127.0.0.1", "-p", String(port)] : ["-s", socket]),
    ...["-m", "64", "-B", "1048576", "-c", "4096"],
    ...(mode === "nosync" ? ["-N"] : []),
    ...flags,
  ];
  return { name: NAMES[mode], kind: { dialect: "memcached", command, env: {}, transport } };
}

/** Started on an empty folder for each measurement. */
export function fresh({ name, kind }: Product): Contender {
  return { name, dialect: kind.dialect, start: () => startFresh(kind) };
}

/** As it runs already, and goes on running after each measurement. */
export function running({ name, dialect, address, pid }: Peer): Contender {
  const server: Server = { address, pid, lastWords: () => "", stop: async () => {} };
  return { name, dialect, start: async () => server };
}

/** As `server`, which was started before and goes on running. */
export function attached({ name, kind }: Product, server: Server): Contender {
  const { dialect } = kind;
  return { name, dialect, start: async () => ({ ...server, stop: async () => {} }) };
}

/** Against it the load generator measures itself. */
export function answerer(size: number): Contender {
  return { name: "answers", dialect: "memcached", start: () => startAnswerer(size) };
}
