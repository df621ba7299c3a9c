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
  rabbitmq: Product | null;
  nats: Product | null;
  /** Those that run already. */
  others: Contender[];
  /** What each program says its version is, or that it is missing. */
  versions: Record<string, string>;
};

// Rewriting the file that it appends to would cost Redis time that it is not asked to spend.
const REDIS = ["--save", "", "--auto-aof-rewrite-percentage", "0", "--maxclients", "4096"];

/** The script on PATH starts it as another user, which the folder does not belong to. */
const RABBITMQ_PLACE = "/usr/lib/rabbitmq/bin";

/** Looks for the programs: at the paths given, otherwise on PATH. */
export function findPeers(programs: Programs, others: Peer[]): Peers {
  const redis = programs.redis ?? Bun.which("redis-server");
  const beanstalkd = programs.beanstalkd ?? Bun.which("beanstalkd");
  const memcached = programs.memcached ?? Bun.which("memcached");
  const rabbitmq =
    programs.rabbitmq ??
    Bun.which("rabbitmq-server", { PATH: `${RABBITMQ_PLACE}:${process.env["PATH"]}` });
  const nats = programs.nats ?? Bun.which("nats-server");
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
      ...["-m", "1024", "-I", "8m", "-c", "4096", "-t", "1"],
    ]),
    rabbitmq: rabbitmq === null ? null : rabbitProduct(rabbitmq),
    // It answers before a sync, as ours with -N.
    nats: product("NATS JetStream", "nats", nats, ({ data, port }) => [
      ...["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", data],
    ]),
    others: others.map(running),
    versions: {
      "redis-server": versionOf(redis, "--version"),
      beanstalkd: versionOf(beanstalkd, "-v"),
      memcached: versionOf(memcached, "-V"),
      "rabbitmq-server": rabbitVersion(rabbitmq),
      "nats-server": versionOf(nats, "--version"),
    },
  };
}

/** A node of its own: its name, its files and its second port come from the place. */
function rabbitProduct(program: string): Product {
  const command: Kind["command"] = ({ data, port }) => [
    "env",
    // Without this the script stays, and the server is another process.
    "RABBITMQ_ALLOW_INPUT=1",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput",
    `HOME=${data}`,
    `RABBITMQ_NODENAME=bench${port}@localhost`,
    "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
    `RABBITMQ_NODE_PORT=${port}`,
    `RABBITMQ_DIST_PORT=${port < 40_000 ? port + 20_000 : port - 20_000}`,
    `RABBITMQ_MNESIA_BASE=${data}`,
    "RABBITMQ_LOGS=-",
    `RABBITMQ_ENABLED_PLUGINS_FILE=${data}/plugins`,
    `RABBITMQ_CONFIG_FILE=${data}/none`,
    `RABBITMQ_FEATURE_FLAGS_FILE=${data}/features`,
    `RABBITMQ_PID_FILE=${data}/pid`,
    program,
  ];
  return { name: "RabbitMQ", kind: { dialect: "rabbitmq", command, env: {}, transport: "tcp" } };
}

/** Debian's package tells it; the program itself would have to start. */
function rabbitVersion(program: string | null): string {
  if (program === null) return "not found, so not measured";
  const { stdout } = Bun.spawnSync(["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"]);
  return stdout.toString() || "unknown";
}

function product(
  name: string,
  dialect: Kind["dialect"],
  program: string | null,
  flags: Kind["command"],
): Product | null {
  if (program === null) return null;
  const command: Kind["command"] = (place) => [program, ...flags(place)];
  return { name, kind: { dialect, command, env: {}, transport: "tcp" } };
}

function versionOf(program: string | null, flag: string): string {
  if (program === null) return "not found, so not measured";
  const { stdout, stderr } = Bun.spawnSync([program, flag]);
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? "unknown";
}
