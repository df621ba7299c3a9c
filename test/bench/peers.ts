import type { Contender, Product } from "./contender.ts";
import { running } from "./contender.ts";
import type { Peer, Programs } from "./options.ts";
import { currentUser, type Kind } from "./server.ts";

/** Other servers of this machine, and how they are started; null where there is no such program. */
export type Peers = {
  redisAlways: Product | null;
  redisNo: Product | null;
  beanstalkdAlways: Product | null;
  beanstalkdNever: Product | null;
  memcached: Product | null;
  /** Those that run already. */
  others: Contender[];
  /** What each program says its version is, or that it is missing. */
  versions: Record<string, string>;
};

// Rewriting the file that it appends to would cost Redis time that it is not asked to spend.
const REDIS = ["--save", "", "--auto-aof-rewrite-percentage", "0", "--maxclients", "4096"];

/** Looks for the programs: at the paths given, otherwise on PATH. */
export function findPeers(programs: Programs, others: Peer[]): Peers {
  const redis = programs.redis ?? Bun.which("redis-server");
  const beanstalkd = programs.beanstalkd ?? Bun.which("beanstalkd");
  const memcached = programs.memcached ?? Bun.which("memcached");
  const appending = (name: string, sync: string): Product | null =>
    product(name, "redis", redis, ({ data, port }) => [
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", data, ...REDIS],
      ...["--appendonly", "yes", "--appendfsync", sync],
    ]);
  const logging = (name: string, sync: string): Product | null =>
    product(name, "beanstalkd", beanstalkd, ({ data, port }) => [
      ...["-l", "127.0.0.1", "-p", String(port), "-z", "2097152", "-b", data, sync],
    ]);
  return {
    redisAlways: appending("Redis, AOF always", "always"),
    redisNo: appending("Redis, AOF no", "no"),
    beanstalkdAlways: logging("beanstalkd -f0", "-f0"),
    beanstalkdNever: logging("beanstalkd -F", "-F"),
    memcached: product("memcached", "memcached", memcached, ({ port }) => [
      ...["-l", "127.0.0.1", "-p", String(port), "-U", "0", "-u", currentUser()],
      ...["-m", "1024", "-I", "8m", "-c", "4096"],
    ]),
    others: others.map(running),
    versions: {
      "redis-server": versionOf(redis, "--version"),
      beanstalkd: versionOf(beanstalkd, "-v"),
      memcached: versionOf(memcached, "-V"),
    },
  };
}

function product(
  name: string,
  dialect: Kind["dialect"],
  program: string | null,
  flags: Kind["command"],
): Product | null {
  if (program === null) return null;
  const command: Kind["command"] = (place) => [program, ...flags(place)];
  return { name, kind: { dialect, command, env: {}, overSocket: false } };
}

function versionOf(program: string | null, flag: string): string {
  if (program === null) return "not found, so not measured";
  const { stdout, stderr } = Bun.spawnSync([program, flag]);
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? "unknown";
}
