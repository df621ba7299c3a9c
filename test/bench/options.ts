import { parseArgs } from "node:util";

import type { Address } from "./address.ts";
import { type DialectName, type Operation, OPERATIONS } from "./job.ts";

export const MODES = ["durable", "nosync"] as const;
export type Mode = (typeof MODES)[number];

/** A server that runs already. */
export type Peer = { name: string; dialect: DialectName; address: Address; pid: number | null };

export type Options = {
  help: boolean;
  selfTest: boolean;
  /** The server to measure; null is the one of this repository. */
  target: Peer | null;
  peers: Peer[];
  modes: Mode[];
  connections: number[];
  depths: number[];
  operations: Operation[];
  size: number;
  seconds: number;
  ops: number | null;
};

export const HELP = `usage: bun run bench [options]

Starts the server of this repository, drives it with sets and gets, and prints one table.
Exits with 1 when a row failed, or got an answer that it should not get.

  --port <n>                measure the memcached-protocol server on this port instead
  --host <name>             ... on this host (127.0.0.1)
  --socket <path>           ... on this Unix socket
  --pid <n>                 ... whose CPU time and memory are those of this process
  --peer <name>=<port>[:<pid>]  measure this memcached-protocol server too (may be repeated)
  --redis <port>[:<pid>]    measure Redis lists too (LPUSH, RPOP)
  --connections <n,...>     clients at once (1,50,200)
  --depth <n,...>           commands a client sends before it waits for the answers (1,16)
  --operations <name,...>   of set, get, mixed (all three); mixed alternates set and get
  --modes <name,...>        of durable, nosync (both); nosync starts the server with -N
  --size <bytes>            size of a message body (100)
  --seconds <n>             how long a row is measured (2.5)
  --ops <n>                 operations in a row, however long they take
  --self-test               measure the load generator, against a server that only answers
  --help                    print this
`;

const FLAGS = {
  help: { type: "boolean" },
  "self-test": { type: "boolean" },
  port: { type: "string" },
  host: { type: "string" },
  socket: { type: "string" },
  pid: { type: "string" },
  peer: { type: "string", multiple: true },
  redis: { type: "string" },
  connections: { type: "string" },
  depth: { type: "string" },
  operations: { type: "string" },
  modes: { type: "string" },
  size: { type: "string" },
  seconds: { type: "string" },
  ops: { type: "string" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof FLAGS }>>["values"];

/** Reads the command line. Throws an Error whose message tells the user what is wrong. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({ args, options: FLAGS, strict: true, allowPositionals: false });
  refuseContradictions(values);
  const { redis } = values;
  return {
    help: values.help ?? false,
    selfTest: values["self-test"] ?? false,
    target: target(values),
    peers: [
      ...(values.peer ?? []).map((text) => memcachedPeer(text)),
      ...(redis === undefined ? [] : [peer("--redis", "redis", "redis", redis)]),
    ],
    modes: names("--modes", values.modes ?? MODES.join(), MODES),
    connections: counts("--connections", values.connections ?? "1,50,200", 4000),
    depths: counts("--depth", values.depth ?? "1,16", 1024),
    operations: names("--operations", values.operations ?? OPERATIONS.join(), OPERATIONS),
    size: whole("--size", values.size ?? "100", 1, 1_048_576),
    seconds: seconds(values.seconds ?? "2.5"),
    ops: values.ops === undefined ? null : whole("--ops", values.ops, 1, 50_000_000),
  };
}

function refuseContradictions(values: Values): void {
  const running = values.port !== undefined || values.socket !== undefined;
  const clash = (one: string, other: string): never => {
    throw new Error(`${one} and ${other} exclude each other`);
  };
  if (values.port !== undefined && values.socket !== undefined) clash("--port", "--socket");
  if (values.socket !== undefined && values.host !== undefined) clash("--host", "--socket");
  if (values.ops !== undefined && values.seconds !== undefined) clash("--ops", "--seconds");
  if (running && values.modes !== undefined) clash("--modes", "a running server");
  if (values.host !== undefined && !running) throw new Error("--host needs --port");
  if (values.pid !== undefined && !running) throw new Error("--pid needs --port or --socket");
  if (!values["self-test"]) return;
  for (const flag of ["port", "socket", "peer", "redis", "modes", "operations"] as const) {
    if (values[flag] !== undefined) clash("--self-test", `--${flag}`);
  }
}

function target({ port, host, socket, pid }: Values): Peer | null {
  if (port === undefined && socket === undefined) return null;
  const address =
    socket === undefined
      ? { hostname: host ?? "127.0.0.1", port: portNumber("--port", port ?? "") }
      : { unix: socket };
  return { name: "target", dialect: "memcached", address, pid: pidNumber("--pid", pid) };
}

function memcachedPeer(text: string): Peer {
  const [, name, where] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || where === undefined) {
    throw new Error(`--peer wants name=port, not "${text}"`);
  }
  return peer("--peer", name, "memcached", where);
}

function peer(flag: string, name: string, dialect: DialectName, where: string): Peer {
  const [port = "", pid, ...rest] = where.split(":");
  if (rest.length > 0) throw new Error(`${flag} wants port or port:pid, not "${where}"`);
  const address = { hostname: "127.0.0.1", port: portNumber(flag, port) };
  return { name, dialect, address, pid: pidNumber(flag, pid) };
}

function whole(flag: string, text: string, least: number, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
}

const portNumber = (flag: string, text: string): number => whole(flag, text, 1, 65_535);

function pidNumber(flag: string, text: string | undefined): number | null {
  return text === undefined ? null : whole(flag, text, 1, 4_194_304);
}

function seconds(text: string): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (number >= 0.1 && number <= 60) return number;
  throw new Error(`--seconds wants a number from 0.1 to 60, not "${text}"`);
}

function counts(flag: string, text: string, most: number): number[] {
  return text.split(",").map((part) => whole(flag, part, 1, most));
}

function names<Name extends string>(flag: string, text: string, known: readonly Name[]): Name[] {
  return text.split(",").map((part) => {
    const name = known.find((candidate) => candidate === part);
    if (name !== undefined) return name;
    throw new Error(`${flag} wants a list of ${known.join(", ")}, not "${part}"`);
  });
}
