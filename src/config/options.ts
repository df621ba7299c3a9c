import type { Address, Interface } from "./address.ts";
import { counter, limit, type Option, optional, repeated, toggle, withDefault } from "./option.ts";
import type { QueueRule } from "./queue_settings.ts";
import { secretStoreAddress, type StoreAddress, storeAddress } from "./store_address.ts";
import {
  accessMode,
  integer,
  interfaces,
  KILO,
  listenAddress,
  MAX_MILLISECONDS,
  MEGA,
  pageSize,
  port,
  queueNames,
  queueRule,
  scaled,
  seconds,
  serverAddress,
  size,
  text,
} from "./values.ts";

/** What the server is asked to do, in units that the code works with. */
export interface Options {
  /** TCP port; 0 lets the system pick one. */
  port: number;
  /** UDP port; 0 is off. */
  udpPort: number;
  /** Path of the Unix socket that replaces the network. */
  socket: string | undefined;
  /** Access mode of the Unix socket, such as 0o700. */
  socketMode: number;
  /** The addresses to listen on; undefined is all. */
  address: readonly Interface[] | undefined;
  daemon: boolean;
  coreFiles: boolean;
  user: string | undefined;
  /** The maximum of client connections at once. */
  connections: number;
  /** How often `-v` was given. */
  verbosity: number;
  pidFile: string | undefined;
  threads: number;
  /** Memory budget, bytes. */
  memory: number;
  /** Page size of a new database, bytes; undefined: as -B needs it. */
  pageSize: number | undefined;
  /** Directory of the database. */
  home: string;
  /** PostgreSQL keeps the queues, in place of the directory. */
  store: StoreAddress | undefined;
  storePasswordFile: string | undefined;
  /** How long clients wait while PostgreSQL is away, in milliseconds. */
  storeGrace: number;
  /** The maximum of bytes that one commit gathers, once gathering took as long as a commit. */
  logBuffer: number;
  /** 0 is never, for all three. */
  checkpointSeconds: number;
  trickleSeconds: number;
  statsSeconds: number;
  tricklePercent: number;
  /** As many free pages are given back to the file system together; 0 is never. */
  extentPages: number;
  /** Largest message body, bytes. */
  maxBody: number;
  /** Milliseconds to wait for another process's lock on the database. */
  lockWait: number;
  noSync: boolean;
  removeLogs: boolean;
  /** The maximum of messages in one queue; Infinity is no limit. */
  maxMessages: number;
  /** The maximum of bytes of bodies in all queues; Infinity is no limit. */
  maxBytes: number;
  /** Clients may end the server. */
  allowShutdown: boolean;
  /** `stats` tells of each queue, if there are not more than so many. */
  statsQueues: number;
  /** Bytes of the disk that sets leave free; undefined when they may fill it. */
  minFree: number | undefined;
  /** Queues `q+name` get copies of the messages of `q`. */
  fanout: boolean;
  /** The exptime of a set counts. */
  expiry: boolean;
  /** The maximum of ids of messages that are remembered. */
  maxIds: number;
  /** What the command line says about single queues, and the file that says more. */
  queue: readonly QueueRule[];
  queuesFile: string | undefined;
  /** Where metrics, health and the page are served. */
  http: Address | undefined;
  /** How many queues /metrics tells of by name. */
  metricsQueues: number;
  /** The page can flush and delete queues. */
  httpAdmin: boolean;
  /** The names that clients authenticate with, their secrets and rights; undefined: all clients may do everything. */
  authFile: string | undefined;
  /** The name and the secret that --top and --drain-from authenticate with. */
  loginFile: string | undefined;
  /** Certificate and key that TCP is served with over TLS; undefined: without TLS. */
  tlsCert: string | undefined;
  tlsKey: string | undefined;
  /** The authority whose certificates are demanded of clients, and that --ping, --top and --drain-from trust. */
  tlsCa: string | undefined;
  /** --ping, --top and --drain-from speak TLS with a server whose certificate they do not look at. */
  tlsInsecure: boolean;
  /** The page and metrics are served over TLS, too. */
  httpTls: boolean;
  /** The server to bring messages over from, instead of serving. */
  drainFrom: Address | undefined;
  /** The queues to drain; undefined is all. A byte of a name is a character from U+0000 to U+00FF. */
  queues: readonly string[] | undefined;
}

/** A row for each option: no row, or one without help text, does not compile. */
export type OptionTable = { readonly [K in keyof Options]: Option<Options[K]> };

/** A database has no more. */
const MAX_QUEUES = 2 ** 20 - 1;
const MAX_PAGES = 2 ** 32 - 2;

export const optionTable: OptionTable = {
  port: withDefault("-p <num>", "TCP port; 0: the system picks one", port(), "22201"),
  udpPort: withDefault("-U <num>", "UDP port; 0 is off", port(), "0"),
  socket: optional(
    "-s <file>",
    "listen on this Unix socket instead of the network",
    text("a path"),
  ),
  socketMode: withDefault(
    "-a <mask>",
    "access mode of the Unix socket, octal",
    accessMode(),
    "0700",
  ),
  address: optional(
    "-l <addr>",
    "address to listen on; several with commas between, each with a TCP port of its own if you like: 10.0.0.1:22202,[::1]",
    interfaces(),
    "all",
  ),
  daemon: toggle(
    "-d",
    "run as a daemon: a new session, working directory /, standard streams to /dev/null; with -v the output streams stay, with -r the directory",
  ),
  coreFiles: toggle("-r", "raise the core file limit to its maximum"),
  user: optional("-u <user>", "become this user; required for root, else ignored", text("a user")),
  connections: withDefault(
    "-c <num>",
    "most connections at once",
    integer("the connections are a number", 1, 1_000_000),
    "1024",
  ),
  verbosity: counter(
    "-v",
    "log warnings, start, stop and statistics; -vv: log every command and reply too",
  ),
  pidFile: optional(
    "-P <file>",
    "write the process id here, and remove the file at exit",
    text("a path"),
  ),
  threads: withDefault(
    "-t <num>",
    "threads; accepted and checked, while stats reports what really runs",
    integer("the threads are a number", 1, 1024),
    "4",
  ),
  memory: withDefault(
    "-m <num>",
    "memory budget, megabytes: the database's page cache and the messages kept in memory together",
    scaled(MEGA, integer("the memory is a number of megabytes", 1, MEGA)),
    "64",
  ),
  pageSize: optional(
    "-A <num>",
    "page size of a new database, bytes; unless it is given, 16384 where -B is that or more",
    pageSize(512, 65536),
    "4096",
  ),
  home: withDefault(
    "-H <dir>",
    "home directory: holds the database, made if absent; one server at a time",
    text("a path"),
    "/data1/memcacheq",
  ),
  store: optional(
    "--store <url>",
    "keep the queues in PostgreSQL: postgres://user@host/database; any number of servers may have them in common; -H, -A, -C, -T, -e, -E, -D, -R and --min-free do not go with it",
    storeAddress(),
    undefined,
    secretStoreAddress(),
  ),
  storePasswordFile: optional(
    "--store-password-file <file>",
    "the password for --store; without it that of the URL in the variable, or of PGPASSWORD",
    text("a path"),
  ),
  storeGrace: withDefault(
    "--store-grace <num>",
    "seconds that clients wait while PostgreSQL is away, before they have an error",
    scaled(1000, integer("the time is a number of seconds", 0, 3600)),
    "5",
  ),
  logBuffer: withDefault(
    "-L <num>",
    "log that forces a commit when gathering it took as long as the last commit, kilobytes; 1024 always do",
    scaled(KILO, integer("the log buffer is a number of kilobytes", 1, MEGA)),
    "32",
  ),
  checkpointSeconds: withDefault(
    "-C <num>",
    "full checkpoint every so many seconds, 0 never",
    seconds("checkpoints"),
    "300",
  ),
  trickleSeconds: withDefault(
    "-T <num>",
    "passive checkpoint every so many seconds, 0 never, when -e asks for it",
    seconds("trickles"),
    "30",
  ),
  statsSeconds: withDefault(
    "-S <num>",
    "with -v, log the queues' statistics every so many seconds, 0 never",
    seconds("statistics"),
    "30",
  ),
  tricklePercent: withDefault(
    "-e <num>",
    "percent of the log that -T keeps in the database",
    integer("the share is a number of percent", 0, 100),
    "60",
  ),
  extentPages: withDefault(
    "-E <num>",
    "give disk space back whenever this many pages are free, 0 never",
    integer("the pages are a number", 0, MAX_PAGES, "never"),
    "16384",
  ),
  maxBody: withDefault(
    "-B <num>",
    "largest message body, bytes",
    integer("the largest body is a number of bytes", 1, 64 * MEGA),
    "1024",
  ),
  lockWait: withDefault(
    "-D <num>",
    "milliseconds to wait for another process's lock on the database (a backup, a shell), 0 not at all",
    integer("the wait is a number of milliseconds", 0, MAX_MILLISECONDS, "not at all"),
    "100",
  ),
  noSync: toggle("-N", "do not sync the log at each commit"),
  removeLogs: toggle("-R", "shrink the log after a checkpoint instead of reusing its space"),
  maxMessages: limit(
    "--max-messages <num>",
    "most messages in one queue; a set beyond it is answered NOT_STORED",
    integer("the limit is a number of messages", 1, Number.MAX_SAFE_INTEGER),
  ),
  minFree: optional(
    "--min-free <size>",
    "refuse sets while less of the disk is free, so that messages can still be taken, which makes space",
    size(),
  ),
  maxBytes: limit(
    "--max-bytes <size>",
    "most bytes of messages in all queues together, with k, m or g behind it for units of 1024",
    size(),
  ),
  allowShutdown: toggle(
    "--allow-shutdown",
    "clients may end the server, with the command shutdown",
  ),
  statsQueues: withDefault(
    "--stats-queues <num>",
    "stats tells of each queue when there are at most so many, 0 never; else only how many there are",
    integer("the queues are a number", 0, MAX_QUEUES, "never"),
    "1000",
  ),
  expiry: toggle(
    "--expiry",
    "messages expire at the exptime of their set, as memcached reads it; by default it is ignored",
  ),
  fanout: toggle(
    "--fanout",
    "a queue q+name, from the first get of it on, has a copy of each message that is set to q, as in Kestrel",
  ),
  maxIds: withDefault(
    "--max-ids <num>",
    "ids of messages that are remembered, the last ones of all queues together: with id= a message is set once",
    integer("the limit is a number of ids", 1, 10_000_000),
    "1000000",
  ),
  queue: repeated(
    "--queue <rule>",
    "settings of queues: <pattern>:<setting>=<value>,… with * for any part of a name; may be given again, the first that matches a queue counts",
    queueRule(),
  ),
  queuesFile: optional(
    "--queues-file <file>",
    "more such rules, one a line, behind those of --queue",
    text("a path"),
  ),
  http: optional(
    "--http <[addr:]port>",
    "serve a page to look at the queues, /metrics for Prometheus and /healthz over HTTP; without an address only to this machine",
    listenAddress(),
  ),
  metricsQueues: withDefault(
    "--metrics-queues <num>",
    "most queues that /metrics tells of by name: the deepest ones and those with the oldest messages",
    integer("the queues are a number", 0, 1_048_576),
    "1000",
  ),
  httpAdmin: toggle("--http-admin", "let the page of --http change queues and messages"),
  authFile: optional(
    "--auth-file <file>",
    "clients authenticate first, as a name with a secret and rights: a line name:secret or name:secret:rights each; SIGHUP reads it again",
    text("a path"),
  ),
  loginFile: optional(
    "--login-file <file>",
    "with --top, --drain-from: authenticate with the name and secret of this file, one line name:secret",
    text("a path"),
  ),
  tlsCert: optional(
    "--tls-cert <file>",
    "serve the TCP port over TLS, with this certificate and those between it and its authority, PEM; SIGHUP reads the files again",
    text("a path"),
  ),
  tlsKey: optional("--tls-key <file>", "the key of that certificate, PEM", text("a path")),
  tlsCa: optional(
    "--tls-ca <file>",
    "demand client certificates of this authority, PEM; with --ping, --top, --drain-from: speak TLS with a server that has one of its certificates",
    text("a path"),
  ),
  tlsInsecure: toggle(
    "--tls-insecure",
    "with --ping, --top, --drain-from: speak TLS with whatever certificate the server has",
  ),
  httpTls: toggle("--http-tls", "serve --http over TLS as well, with the same certificate"),
  drainFrom: optional(
    "--drain-from <server>",
    "bring over the messages of the server at host:port, and end; safe to stop and run again",
    serverAddress(),
  ),
  queues: optional(
    "--queues <names>",
    "drain these queues only, with commas between",
    queueNames(),
    "all",
  ),
};

/** The options in the order of the table. */
export const optionKeys = Object.keys(optionTable) as readonly (keyof Options)[];
