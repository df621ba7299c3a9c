import type { Address } from "../import/peer.ts";
import { program, version } from "../util/version.ts";

/** What the command line asks for, in units that the code works with. */
export interface Options {
  /** TCP port; 0 lets the system pick one. */
  port: number;
  /** UDP port; 0 is off. */
  udpPort: number;
  /** Path of the Unix socket that replaces the network. */
  socket: string | undefined;
  /** Access mode of the Unix socket, such as 0o700. */
  socketMode: number;
  /** Address of the interface; undefined is all. */
  address: string | undefined;
  daemon: boolean;
  coreFiles: boolean;
  user: string | undefined;
  /** Most client connections at once. */
  connections: number;
  /** How often `-v` was given. */
  verbosity: number;
  pidFile: string | undefined;
  threads: number;
  /** Memory budget, bytes. */
  memory: number;
  /** Page size of a new database, bytes. */
  pageSize: number;
  /** Directory of the database. */
  home: string;
  /** Most bytes of log that one commit gathers. */
  logBuffer: number;
  /** 0 is never, for all three. */
  checkpointSeconds: number;
  trickleSeconds: number;
  statsSeconds: number;
  tricklePercent: number;
  /** Free pages that are given back to the file system together; 0 is never. */
  extentPages: number;
  /** Largest message body, bytes. */
  maxBody: number;
  /** Milliseconds to wait for another process's lock on the database. */
  lockWait: number;
  noSync: boolean;
  removeLogs: boolean;
  /** Most messages in one queue; Infinity is no limit. */
  maxMessages: number;
  /** Most bytes of bodies in all queues; Infinity is no limit. */
  maxBytes: number;
  /** Where metrics, health and the page are served. */
  http: HttpAddress | undefined;
  /** The page can flush and delete queues. */
  httpAdmin: boolean;
  /** The server to bring messages over from, instead of serving. */
  drainFrom: Address | undefined;
  /** The queues to drain; undefined is all. A byte of a name is a character from U+0000 to U+00FF. */
  queues: readonly string[] | undefined;
}

export interface HttpAddress {
  hostname: string;
  port: number;
}

export type CommandLine =
  { action: "run" | "ping"; options: Options } | { action: "help" } | { action: "license" };

/** A command line that cannot be meant; the message says what is wrong and what is accepted. */
export class OptionError extends Error {}

/** What the environment holds: `process.env`, or a part of it. */
export type Environment = Record<string, string | undefined>;

/** A flag as people read about it. */
export interface Row {
  /** As it is typed: `-p`, `--max-messages`. */
  name: string;
  /** What its value is called, `<num>`; undefined for a flag without a value. */
  hint: string | undefined;
  help: string;
  /** The default as help shows it. */
  standard: string | undefined;
  /** The variable of the environment that stands for it, `MEMCACHEQ_PORT`. */
  variable: string | undefined;
}

/** What a value has to be: `rule` says it, `read` answers undefined for text that is not so. */
interface Kind<T> {
  rule: string;
  read: (text: string) => T | undefined;
}

/** One row of the table. */
interface Flag<T> extends Omit<Row, "variable"> {
  initial: T;
  rule: string;
  /** What a value, given after `before`, makes of the option. */
  read: (text: string, before: T) => T | undefined;
  /** How the variable of the environment is read. */
  setting: Kind<T>;
}

const KILO = 1024;
const MEGA = 1024 * 1024;
const MOST_MILLISECONDS = 2 ** 31 - 1; // a timer takes no more
const MOST_SECONDS = Math.floor(MOST_MILLISECONDS / 1000);
const MOST_PAGES = 2 ** 32 - 2; // a database has no more
const HELP_WIDTH = 80;

const table: { [K in keyof Options]: Flag<Options[K]> } = {
  port: flag("-p <num>", "TCP port; 0: the system picks one", port(), "22201"),
  udpPort: flag("-U <num>", "UDP port; 0 is off", port(), "0"),
  socket: optional(
    "-s <file>",
    "listen on this Unix socket instead of the network",
    some("a path"),
  ),
  socketMode: flag("-a <mask>", "access mode of the Unix socket, octal", octal(), "0700"),
  address: optional("-l <addr>", "interface to listen on", some("an address"), "all"),
  daemon: toggle(
    "-d",
    "run as a daemon: a new session, working directory /, standard streams to /dev/null; " +
      "with -v the output streams stay, with -r the directory",
  ),
  coreFiles: toggle("-r", "raise the core file limit to its maximum"),
  user: optional("-u <user>", "become this user; required for root, else ignored", some("a user")),
  connections: flag(
    "-c <num>",
    "most connections at once",
    integer("the connections are a number", 1, 1_000_000),
    "1024",
  ),
  verbosity: count("-v", "log warnings and statistics; -vv: log every command and reply too"),
  pidFile: optional(
    "-P <file>",
    "with -d, write the process id here, and remove the file at exit",
    some("a path"),
  ),
  threads: flag(
    "-t <num>",
    "threads; accepted and checked, while stats reports what really runs",
    integer("the threads are a number", 1, 1024),
    "4",
  ),
  memory: flag(
    "-m <num>",
    "memory budget, megabytes: the database's page cache and the messages kept in memory together",
    scaled(MEGA, integer("the memory is a number of megabytes", 1, MEGA)),
    "64",
  ),
  pageSize: flag("-A <num>", "page size of a new database, bytes", powerOfTwo(512, 65536), "4096"),
  home: flag(
    "-H <dir>",
    "home directory: holds the database, made if absent; one server at a time",
    some("a path"),
    "/data1/memcacheq",
  ),
  logBuffer: flag(
    "-L <num>",
    "log that forces a commit when gathering it took as long as the last commit, kilobytes; 1024 always do",
    scaled(KILO, integer("the log buffer is a number of kilobytes", 1, MEGA)),
    "32",
  ),
  checkpointSeconds: flag(
    "-C <num>",
    "full checkpoint every so many seconds, 0 never",
    seconds("checkpoints"),
    "300",
  ),
  trickleSeconds: flag(
    "-T <num>",
    "passive checkpoint every so many seconds, 0 never, when -e asks for it",
    seconds("trickles"),
    "30",
  ),
  statsSeconds: flag(
    "-S <num>",
    "with -v, log the queues' statistics every so many seconds, 0 never",
    seconds("statistics"),
    "30",
  ),
  tricklePercent: flag(
    "-e <num>",
    "percent of the log that -T keeps in the database",
    integer("the share is a number of percent", 0, 100),
    "60",
  ),
  extentPages: flag(
    "-E <num>",
    "give disk space back whenever this many pages are free, 0 never",
    integer("the pages are a number", 0, MOST_PAGES, "never"),
    "16384",
  ),
  maxBody: flag(
    "-B <num>",
    "largest message body, bytes",
    integer("the largest body is a number of bytes", 1, 64 * MEGA),
    "1024",
  ),
  lockWait: flag(
    "-D <num>",
    "milliseconds to wait for another process's lock on the database (a backup, a shell), " +
      "0 not at all",
    integer("the wait is a number of milliseconds", 0, MOST_MILLISECONDS, "not at all"),
    "100",
  ),
  noSync: toggle("-N", "do not sync the log at each commit"),
  removeLogs: toggle("-R", "shrink the log after a checkpoint instead of reusing its space"),
  maxMessages: limit(
    "--max-messages <num>",
    "most messages in one queue; a set beyond it is answered NOT_STORED",
    integer("the limit is a number of messages", 1, Number.MAX_SAFE_INTEGER),
  ),
  maxBytes: limit(
    "--max-bytes <size>",
    "most bytes of messages in all queues together, with k, m or g behind it for units of 1024",
    size(),
  ),
  http: optional(
    "--http <[addr:]port>",
    "serve a page to look at the queues, /metrics for Prometheus and /healthz over HTTP; " +
      "without an address only to this machine",
    httpAddress(),
  ),
  httpAdmin: toggle("--http-admin", "let the page of --http flush and delete queues"),
  drainFrom: optional(
    "--drain-from <server>",
    "bring over the messages of the server at host:port, and end; safe to stop and run again",
    serverAddress(),
  ),
  queues: optional(
    "--queues <names>",
    "drain these queues only, with commas between",
    names(),
    "all",
  ),
};

/** The flags that ask for something else than a server. */
const actions: (Row & { does: Exclude<CommandLine["action"], "run"> })[] = [
  action(
    "--ping",
    "ask the server at -s, or -l and -p, for its version: exit code 0 if it answers within a second",
    "ping",
  ),
  action("-h", "print this help", "help"),
  action("-i", "print the licence", "license"),
];

const keys = Object.keys(table) as (keyof Options)[];
const keyOf = new Map(keys.map((key) => [table[key].name, key]));

/**
 * Reads the arguments after the program's name, the way getopt does; a flag given twice counts as the last one. What
 * they don't say is taken from the environment. Throws an {@link OptionError} at the first flag or value that is wrong.
 */
export function parseCommandLine(
  args: readonly string[],
  environment: Environment = {},
): CommandLine {
  const given: Partial<Options> = {};
  const rest = [...args];
  const strays: string[] = [];
  let action: "run" | "ping" = "run";
  for (let arg = rest.shift(); arg !== undefined && arg !== "--"; arg = rest.shift()) {
    if (arg === "-" || !arg.startsWith("-")) strays.push(arg);
    else {
      const asked = readFlags(arg, rest, given);
      if (asked === "help" || asked === "license") return { action: asked };
      action = asked ?? action;
    }
  }
  const [stray] = [...strays, ...rest];
  if (stray !== undefined) throw wrong(`"${stray}"`, "flags and their values are all it takes");
  return { action, options: complete(given, environment) };
}

type Asked = (typeof actions)[number]["does"] | undefined;

/** Reads one argument, such as `-p22201` or `-drv`, and its value from `rest` if it has one there. */
function readFlags(arg: string, rest: string[], given: Partial<Options>): Asked {
  if (arg.startsWith("--")) return readLongFlag(arg, rest, given);
  for (let at = 1; at < arg.length; at++) {
    const name = `-${String.fromCodePoint(arg.codePointAt(at) ?? 0)}`;
    const action = actions.find((row) => row.name === name);
    if (action !== undefined) return action.does;
    const key = keyOf.get(name);
    if (key === undefined) throw wrong(name, "there is no such flag");
    const { hint } = table[key];
    if (hint === undefined) apply(given, key, "");
    else {
      const value = arg.slice(at + 1) || rest.shift();
      if (value === undefined) throw wrong(name, `its value is missing: ${name} ${hint}`);
      apply(given, key, value);
      return undefined;
    }
  }
  return undefined;
}

/** Reads `--name value`, `--name=value` or `--name`. */
function readLongFlag(arg: string, rest: string[], given: Partial<Options>): Asked {
  const [name = arg] = arg.split("=", 1);
  const joined = name.length < arg.length ? arg.slice(name.length + 1) : undefined;
  const action = actions.find((row) => row.name === name);
  const key = keyOf.get(name);
  if (action === undefined && key === undefined) throw wrong(name, "there is no such flag");
  const hint = key && table[key].hint;
  if (hint === undefined && joined !== undefined) throw wrong(arg, `${name} takes no value`);
  const value = hint === undefined ? "" : (joined ?? rest.shift());
  if (value === undefined) throw wrong(name, `its value is missing: ${name} ${hint}`);
  if (key !== undefined) apply(given, key, value);
  return action?.does;
}

function apply<K extends keyof Options>(given: Partial<Options>, key: K, text: string): void {
  const { name, rule, read, initial } = table[key];
  const value = read(text, given[key] ?? initial);
  if (value === undefined) throw wrong(`${name} ${text === "" ? '""' : text}`, rule);
  given[key] = value;
}

function complete(given: Partial<Options>, environment: Environment): Options {
  const options = { ...given } as Options;
  for (const key of keys) if (!(key in given)) take(options, key, environment);
  const { http, httpAdmin, drainFrom, queues, daemon } = options;
  if (httpAdmin && http === undefined) throw wrong("--http-admin", "it needs --http");
  if (queues !== undefined && drainFrom === undefined) {
    throw wrong("--queues", "it needs --drain-from");
  }
  if (daemon && drainFrom !== undefined) throw wrong("--drain-from", "it does not go with -d");
  return options;
}

/** Takes the option from the environment, where an empty value is none, or else its default. */
function take<K extends keyof Options>(options: Options, key: K, environment: Environment): void {
  const { setting, initial } = table[key];
  const variable = variableOf(key);
  const text = environment[variable] ?? "";
  // Kubernetes tells each container of a namespace where its service `memcacheq` is, in MEMCACHEQ_PORT.
  const isSet = text !== "" && !(key === "port" && text.startsWith("tcp://"));
  const value = isSet ? setting.read(text) : initial;
  if (isSet && value === undefined) throw wrong(`${variable}=${text}`, setting.rule);
  options[key] = value as Options[K];
}

/** `checkpointSeconds` is MEMCACHEQ_CHECKPOINT_SECONDS. */
function variableOf(key: keyof Options): string {
  return `MEMCACHEQ_${key.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
}

function wrong(what: string, rule: string): OptionError {
  return new OptionError(`${what}: ${rule} (see ${program} -h)`);
}

/** All flags, in the order of help: first those of one letter. */
export function flagRows(): Row[] {
  const rows = [...keys.map((key) => ({ ...table[key], variable: variableOf(key) })), ...actions];
  const isLong = ({ name }: Row) => name.startsWith("--");
  return [...rows.filter((row) => !isLong(row)), ...rows.filter(isLong)];
}

/** The text of `-h`, at most 80 columns wide. */
export function help(): string {
  return [
    `${program} ${version}`,
    "",
    `usage: ${program} [flags]`,
    "",
    "What no flag says is taken from the environment, under the name in brackets.",
    "",
    ...listFlags(flagRows()),
    "",
  ].join("\n");
}

function listFlags(rows: Row[]): string[] {
  const usage = rows.map(({ name, hint }) => `  ${name}${hint === undefined ? "" : ` ${hint}`}  `);
  const letters = usage.filter((_, row) => !rows[row]?.name.startsWith("--"));
  const indent = Math.max(...letters.map(({ length }) => length));
  return rows.flatMap(({ help, standard, variable }, row) => {
    const start = usage[row] ?? "";
    const lines = wrap(
      help +
        (standard === undefined ? "" : ` (default:\u00a0${standard})`) +
        (variable === undefined ? "" : ` [${variable}]`),
      HELP_WIDTH - indent,
    );
    const indented = lines.map((line) => " ".repeat(indent) + line);
    if (start.length > indent) return [start.trimEnd(), ...indented];
    return [start.padEnd(indent) + (lines[0] ?? ""), ...indented.slice(1)];
  });
}

/** Breaks text at its spaces; a no-break space keeps words together. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((line) => line.replace("\u00a0", " "));
}

/** A flag with a value and a default, written as a user would type it. */
function flag<T>(usage: string, help: string, kind: Kind<T>, standard: string): Flag<T> {
  const initial = kind.read(standard);
  if (initial === undefined) throw new Error(`the default of ${usage} is wrong: ${kind.rule}`);
  return { ...named(usage), help, standard, initial, ...kind, setting: kind };
}

/** A flag with a value and no default; `standard` says what its absence means. */
function optional<T>(
  usage: string,
  help: string,
  kind: Kind<T>,
  standard?: string,
): Flag<T | undefined> {
  return { ...named(usage), help, standard, initial: undefined, ...kind, setting: kind };
}

/** A limit that is not there unless it is asked for. */
function limit(usage: string, help: string, kind: Kind<number>): Flag<number> {
  return { ...named(usage), help, standard: "none", initial: Infinity, ...kind, setting: kind };
}

function toggle(usage: string, help: string): Flag<boolean> {
  const read = () => true;
  const setting = yesOrNo();
  return { ...named(usage), help, standard: undefined, initial: false, rule: "", read, setting };
}

function count(usage: string, help: string): Flag<number> {
  const read = (_: string, before: number) => before + 1;
  const setting = integer("how often it is given is a number", 0, 2);
  return { ...named(usage), help, standard: undefined, initial: 0, rule: "", read, setting };
}

function action<T>(name: string, help: string, does: T): Row & { does: T } {
  return { name, hint: undefined, help, standard: undefined, variable: undefined, does };
}

function named(usage: string): { name: string; hint: string | undefined } {
  const [name = usage, hint] = usage.split(" ");
  return { name, hint };
}

function yesOrNo(): Kind<boolean> {
  const yes = ["1", "true", "yes", "on"];
  const no = ["0", "false", "no", "off"];
  return {
    rule: `${yes.join(", ")} is yes, and ${no.join(", ")} is no`,
    read: (text) => {
      const word = text.toLowerCase();
      return yes.includes(word) ? true : no.includes(word) ? false : undefined;
    },
  };
}

/** Decimal digits and nothing else; `zero` is what 0 stands for, if it is special. */
function integer(what: string, min: number, max: number, zero?: string): Kind<number> {
  const least = zero === undefined ? `${min}` : `${min} (${zero})`;
  return {
    rule: `${what} from ${least} to ${max}`,
    read: (text) => within(min, max, /^[0-9]+$/.test(text) ? Number(text) : NaN),
  };
}

/** Bytes, kilobytes, megabytes or gigabytes. */
function size(): Kind<number> {
  const units: Record<string, number> = { "": 1, k: KILO, m: MEGA, g: KILO * MEGA };
  return {
    rule: "a size is a number of bytes above 0, or of k, m or g (1024 bytes and so on)",
    read: (text) => {
      const [, digits = "", unit = ""] = /^([0-9]+)([kmg]?)$/i.exec(text) ?? [];
      const bytes = Number(digits) * (units[unit.toLowerCase()] ?? NaN);
      return within(1, Number.MAX_SAFE_INTEGER, bytes);
    },
  };
}

function serverAddress(): Kind<Address> {
  const { read } = httpAddress();
  return {
    rule: "a server is host:port, such as 127.0.0.1:22201 or [::1]:22201",
    read: (text) => {
      const found = text.includes(":") ? read(text) : undefined;
      return found?.port === 0 ? undefined : found;
    },
  };
}

function names(): Kind<readonly string[]> {
  return {
    rule: "queues are names with commas between, each of 1 to 250 bytes without space or slash",
    read: (text) => {
      const all = text.split(",").map((name) => Buffer.from(name).toString("latin1"));
      return all.every((name) => /^[^ /\r\n]{1,250}$/.test(name)) ? all : undefined;
    },
  };
}

function port(): Kind<number> {
  return integer("a port is a number", 0, 65535);
}

function httpAddress(): Kind<HttpAddress> {
  const { read } = port();
  return {
    rule: "a port is needed, and an address before it for other machines: 9150, 0.0.0.0:9150, [::]:9150",
    read: (text) => {
      const [, name = "127.0.0.1", digits = ""] =
        /^(?:(\[[0-9a-f:.]+\]|[^\s:[\]/]+):)?([0-9]+)$/i.exec(text) ?? [];
      const number = read(digits);
      const hostname = name.replace(/^\[(.*)\]$/, "$1");
      return number === undefined ? undefined : { hostname, port: number };
    },
  };
}

function seconds(what: string): Kind<number> {
  return integer(`the time between ${what} is a number of seconds`, 0, MOST_SECONDS, "never");
}

/** A number that is typed in a unit of `factor`. */
function scaled(factor: number, { rule, read }: Kind<number>): Kind<number> {
  return {
    rule,
    read: (text) => {
      const value = read(text);
      return value === undefined ? undefined : value * factor;
    },
  };
}

function octal(): Kind<number> {
  return {
    rule: "an access mode is an octal number from 0 to 0777",
    read: (text) => within(0, 0o777, /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN),
  };
}

function powerOfTwo(min: number, max: number): Kind<number> {
  const { read } = integer("", min, max);
  return {
    rule: `a page size is a power of two from ${min} to ${max}`,
    read: (text) => {
      const value = read(text);
      return value !== undefined && Number.isInteger(Math.log2(value)) ? value : undefined;
    },
  };
}

function some(what: string): Kind<string> {
  return { rule: `${what} is needed`, read: (text) => text || undefined };
}

function within(min: number, max: number, value: number): number | undefined {
  return value >= min && value <= max ? value : undefined;
}
