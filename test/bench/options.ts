import { resolve } from "node:path";
import { parseArgs } from "node:util";

import type { Address } from "./address.ts";
import { DELIVERIES, type DialectName, type Operation, OPERATIONS } from "./job.ts";
import { ROOT } from "./program.ts";
import { counts, namedPeer, names, peer, pidNumber, portNumber, seconds, whole } from "./values.ts";

export const MODES = ["durable", "nosync"] as const;
export type Mode = (typeof MODES)[number];

/** The parts of the report, in their order. */
export const PARTS = [
  "load",
  "goals",
  "ways",
  "flood",
  "packing",
  "disk",
  "fairness",
  "stalls",
  "start",
  "slow",
] as const;
export type Part = (typeof PARTS)[number];

/** A server that runs already. */
export type Peer = { name: string; dialect: DialectName; address: Address; pid: number | null };

/** Paths of other servers' programs; null is whatever PATH has. */
export type Programs = {
  redis: string | null;
  beanstalkd: string | null;
  memcached: string | null;
  rabbitmq: string | null;
  nats: string | null;
};

/** One table, printed. */
export type MatrixOptions = {
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

/** The page with charts. */
export type ReportOptions = {
  quick: boolean;
  parts: readonly Part[];
  /** The folder that the page is written to. */
  folder: string;
  peers: Peer[];
  programs: Programs;
  /** As it was typed, for whoever wants to repeat it. */
  typed: string[];
};

export type CommandLine =
  | { action: "help" }
  | { action: "matrix"; options: MatrixOptions }
  | { action: "report"; options: ReportOptions };

export const HELP = `usage: bun run bench [options]
       bun run bench --report [--quick] [--only <part,...>] [--out <folder>] [peers]

Starts the server of this repository, drives it with sets and gets, and prints one table.
Exits with 1 when a row failed, or got an answer that it should not get.

  --port <n>                measure the memcached-protocol server on this port instead
  --host <name>             ... on this host (127.0.0.1)
  --socket <path>           ... on this Unix socket
  --pid <n>                 ... whose CPU time and memory are those of this process
  --peer <name>=<port>[:<pid>]  measure this memcached-protocol server too (may be repeated)
  --redis <port>[:<pid>]    measure Redis lists too (RPUSH, LPOP)
  --connections <n,...>     clients at once (1,50,200)
  --depth <n,...>           commands a client sends before it waits for the answers (1,16)
  --operations <name,...>   of set, get, mixed (these three); mixed alternates set and get; and of this
                            server only, once: set with an id, lease: lease and delete in two trips,
                            close: open, and set/close= in two trips (with a depth of 1)
  --modes <name,...>        of durable, nosync (both); nosync starts the server with -N
  --size <bytes>            size of a message body (100)
  --seconds <n>             how long a row is measured (2.5)
  --ops <n>                 operations in a row, however long they take
  --self-test               measure the load generator, against a server that only answers
  --help                    print this

With --report it takes about 40 minutes, starts the peers that it finds too, and writes a page of
figures, RESULTS.md, with its charts.

  --quick                   small numbers and single runs, to try it out: a few minutes
  --only <part,...>         of ${PARTS.join(", ")} (all)
  --out <folder>            where to write (test/bench; with --quick or --only: dist/bench)
  --peer <name>=<port>[:<pid>]  measure this memcached-protocol server too (may be repeated)
  --redis-server <path>, --beanstalkd <path>, --memcached <path>, --rabbitmq-server <path>,
  --nats-server <path>      the peers' programs (those on PATH)
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
  report: { type: "boolean" },
  quick: { type: "boolean" },
  only: { type: "string" },
  out: { type: "string" },
  "redis-server": { type: "string" },
  beanstalkd: { type: "string" },
  memcached: { type: "string" },
  "rabbitmq-server": { type: "string" },
  "nats-server": { type: "string" },
} as const;

const OF_REPORT = [
  "quick",
  "only",
  "out",
  "redis-server",
  "beanstalkd",
  "memcached",
  "rabbitmq-server",
  "nats-server",
] as const;
const OF_BOTH: readonly string[] = ["report", "peer"];

type Values = ReturnType<typeof parseArgs<{ options: typeof FLAGS }>>["values"];

/** Reads the command line. Throws an Error whose message tells the user what is wrong. */
export function readOptions(args: string[]): CommandLine {
  const { values } = parseArgs({ args, options: FLAGS, strict: true, allowPositionals: false });
  if (values.help) return { action: "help" };
  return values.report
    ? { action: "report", options: reportOptions(values, args) }
    : { action: "matrix", options: matrixOptions(values) };
}

function clash(one: string, other: string): never {
  throw new Error(`${one} and ${other} exclude each other`);
}

function reportOptions(values: Values, typed: string[]): ReportOptions {
  const known: readonly string[] = [...OF_REPORT, ...OF_BOTH];
  const foreign = Object.keys(values).find((name) => !known.includes(name));
  if (foreign !== undefined) clash("--report", `--${foreign}`);
  const { quick = false, only, out, beanstalkd, memcached } = values;
  const folder = out ?? resolve(ROOT, quick || only !== undefined ? "dist/bench" : "test/bench");
  return {
    quick,
    parts: only === undefined ? PARTS : partsOf(only),
    folder: resolve(folder),
    peers: (values.peer ?? []).map(namedPeer),
    programs: {
      redis: program("--redis-server", values["redis-server"]),
      beanstalkd: program("--beanstalkd", beanstalkd),
      memcached: program("--memcached", memcached),
      rabbitmq: program("--rabbitmq-server", values["rabbitmq-server"]),
      nats: program("--nats-server", values["nats-server"]),
    },
    typed,
  };
}

/** In the report's order, whatever theirs is. */
function partsOf(text: string): Part[] {
  const wanted = names("--only", text, PARTS);
  return PARTS.filter((part) => wanted.includes(part));
}

function program(flag: string, path: string | undefined): string | null {
  if (path === undefined) return null;
  const found = Bun.which(path);
  if (found === null) throw new Error(`${flag} wants the path of a program, not "${path}"`);
  return resolve(found);
}

function matrixOptions(values: Values): MatrixOptions {
  refuseContradictions(values);
  const { redis } = values;
  return {
    selfTest: values["self-test"] ?? false,
    target: target(values),
    peers: [
      ...(values.peer ?? []).map(namedPeer),
      ...(redis === undefined ? [] : [peer("--redis", "redis", "redis", redis)]),
    ],
    modes: names("--modes", values.modes ?? MODES.join(), MODES),
    connections: counts("--connections", values.connections ?? "1,50,200", 4000),
    depths: counts("--depth", values.depth ?? "1,16", 1024),
    operations: names("--operations", values.operations ?? OPERATIONS.join(), [
      ...OPERATIONS,
      ...DELIVERIES,
    ]),
    size: whole("--size", values.size ?? "100", 1, 1_048_576),
    seconds: seconds(values.seconds ?? "2.5"),
    ops: values.ops === undefined ? null : whole("--ops", values.ops, 1, 50_000_000),
  };
}

function refuseContradictions(values: Values): void {
  for (const flag of OF_REPORT) {
    if (values[flag] !== undefined) throw new Error(`--${flag} needs --report`);
  }
  const running = values.port !== undefined || values.socket !== undefined;
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
