import { join } from "node:path";

/** Bytes of any value, the same without CR, those up to 127, or those from 32 to 95. */
export type Bodies = "bytes" | "no CR" | "ascii" | "printable";

/** A client library, in one of the dialects that it speaks. */
export interface Client {
  /** As its users know it, and where the tests have it from. */
  name: string;
  origin: "Debian" | "npm";
  dialect: "text" | "meta" | "binary";
  /** What it protects itself with: a name and a password, or TLS. */
  secure?: "password" | "TLS";
  /** What starts its driver in the folder of this run. */
  driver: (folder: string) => string[];
  /** Whether it makes a large value smaller before it is stored. */
  compresses?: boolean;
  /** What it can have in a body, when that is less than any byte. */
  bodies?: Bodies;
  /** What else its user should know. */
  note?: string;
}

/** The folder of a run has these in it. */
export const GO_DRIVER = "go-driver";
export const NEWER_DALLI = "dalli";
export const NPM_CLIENTS = ["memjs@1.3.2", "memcached@2.2.2", "memcache@1.7.0"];

const DRIVERS = join(import.meta.dir, "drivers");
const script = (name: string) => join(DRIVERS, name);

// The system's own interpreters, which have the system's packages; others may come first on PATH.
const php = () => ["/usr/bin/php", script("php.php")];
const python = () => ["/usr/bin/python3", script("python.py")];
const perl = () => ["/usr/bin/perl", script("perl.pl")];
const ruby = () => ["/usr/bin/ruby", script("ruby.rb")];
const newerRuby = (folder: string) => [
  "/usr/bin/ruby",
  "-I",
  join(folder, NEWER_DALLI),
  script("ruby.rb"),
];
const go = (folder: string) => [join(folder, GO_DRIVER)];
const node = () => ["node", script("node.mjs")];
const tools = () => ["sh", script("tools.sh")];

type Interpreter = (folder: string) => string[];

/** @param library what the driver knows it as */
function client(
  name: string,
  origin: Client["origin"],
  dialect: Client["dialect"],
  interpreter: Interpreter,
  library: string,
  more: Pick<Client, "compresses" | "bodies" | "note" | "secure"> = {},
): Client {
  const driver = (folder: string) => [...interpreter(folder), library, dialect];
  return { name, origin, dialect, driver, ...more };
}

const compresses = true;
const password = "password";
const DALLI_GROWS = "what it compresses may become larger, and too large for -B";

export const CLIENTS: readonly Client[] = [
  client("php-memcache", "Debian", "text", php, "memcache", { compresses }),
  client("php-memcached", "Debian", "text", php, "memcached", { compresses }),
  client("php-memcached", "Debian", "binary", php, "memcached", { compresses }),
  client("php-memcached", "Debian", "binary", php, "memcached", { compresses, secure: password }),
  client("python3-memcache", "Debian", "text", python, "memcache", { compresses }),
  client("python3-pymemcache", "Debian", "text", python, "pymemcache"),
  client("python3-pymemcache", "Debian", "text", python, "pymemcache", { secure: "TLS" }),
  client("python3-pylibmc", "Debian", "text", python, "pylibmc", { compresses }),
  client("python3-pylibmc", "Debian", "binary", python, "pylibmc", { compresses }),
  client("python3-pylibmc", "Debian", "binary", python, "pylibmc", {
    compresses,
    secure: password,
  }),
  client("libcache-memcached-perl", "Debian", "text", perl, "Cache::Memcached", { compresses }),
  client("libcache-memcached-fast-perl", "Debian", "text", perl, "Cache::Memcached::Fast", {
    compresses,
  }),
  client("ruby-dalli", "Debian", "binary", ruby, "dalli", { compresses, note: DALLI_GROWS }),
  client("ruby-dalli", "Debian", "binary", ruby, "dalli", {
    compresses,
    note: DALLI_GROWS,
    secure: password,
  }),
  client("ruby-dalli", "Debian", "meta", newerRuby, "dalli", {
    compresses,
    bodies: "no CR",
    note: `that of Debian 13, the older one has no meta; a CR LF in a body ends it, with memcached too; ${DALLI_GROWS}`,
  }),
  client("libmemcached-tools", "Debian", "text", tools, "tools"),
  client("libmemcached-tools", "Debian", "binary", tools, "tools"),
  client("gomemcache", "Debian", "text", go, "gomemcache"),
  client("memjs", "npm", "binary", node, "memjs"),
  client("memcached", "npm", "text", node, "memcached", {
    bodies: "printable",
    note: "strings without CR and LF only: what else is in one it writes as other bytes",
  }),
  client("memcache", "npm", "text", node, "memcache", {
    bodies: "ascii",
    note: "strings only",
  }),
];
