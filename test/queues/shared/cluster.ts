/** A PostgreSQL of one's own, with fsync on, in a directory that is gone afterwards. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Cluster {
  /** The process id of the server. */
  pid(): number;
  port: number;
  directory: string;
  /** For a server of ours: a user that may do no more than CREATE in the database. */
  url(database: string): string;
  /** @returns the name of a new, empty database */
  newDatabase(): Promise<string>;
  /** Executes statements as the owner of all. @returns what psql prints, without alignment */
  psql(database: string, statements: string): string;
  start(): Promise<void>;
  /** @param mode "immediate" is the crash of PostgreSQL */
  stop(mode: "fast" | "immediate"): void;
  /** Stops it and removes its directory. */
  dispose(): void;
}

const VERSIONS = "/usr/lib/postgresql";
/** How long a start may take, in milliseconds. */
const PATIENCE = 60_000;

/** Where the programs of Debian's newest PostgreSQL are; undefined when there is none. */
export function findPrograms(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined;
  const versions = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
  return versions
    .map((version) => join(VERSIONS, version, "bin"))
    .find((programs) => existsSync(join(programs, "postgres")));
}

/** @param settings lines of postgresql.conf */
export async function startCluster(settings: readonly string[] = []): Promise<Cluster> {
  const programs = findPrograms();
  if (programs === undefined) throw new Error(`there is no PostgreSQL in ${VERSIONS}`);
  const directory = mkdtempSync(join(tmpdir(), "memcacheq-postgres-"));
  const data = join(directory, "data");
  const log = join(directory, "log");
  const port = freePort();
  if (process.getuid?.() === 0) execute(["chown", "postgres", directory]);
  chmodSync(directory, 0o755);
  const sure = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  asPostgres([join(programs, "initdb"), "-D", data, ...sure]);
  const all = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${directory}'`,
    "fsync = on",
    "shared_buffers = 64MB",
    "max_connections = 300",
    "log_min_messages = warning",
    ...settings,
  ];
  asPostgres(["sh", "-c", 'cat >>"$0"', join(data, "postgresql.conf")], `${all.join("\n")}\n`);
  const control = (...words: string[]) =>
    asPostgres([join(programs, "pg_ctl"), "-D", data, "-l", log, ...words]);
  let databases = 0;
  const cluster: Cluster = {
    pid: () => Number(asPostgres(["head", "-n", "1", join(data, "postmaster.pid")])),
    port,
    directory,
    url: (database) => `postgres://memcacheq@127.0.0.1:${port}/${database}`,
    async newDatabase() {
      const name = `q${process.pid}_${++databases}`;
      await createDatabase(`postgres://postgres@127.0.0.1:${port}/postgres`, name);
      return name;
    },
    psql: (database, statements) =>
      asPostgres(
        [join(programs, "psql"), "-h", directory, "-p", `${port}`, "-XAtq", database],
        statements,
      ),
    async start() {
      control("start", "-W");
      const isReady = [join(programs, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", `${port}`];
      for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await Bun.sleep(20)) {
        if (Bun.spawnSync(isReady).success) return;
      }
      throw new Error(`PostgreSQL does not start: ${asPostgres(["cat", log])}`);
    },
    stop: (mode) => void control("stop", "-m", mode),
    dispose() {
      if (existsSync(join(data, "postmaster.pid"))) control("stop", "-m", "immediate");
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await cluster.start();
  cluster.psql("postgres", "create role memcacheq login");
  return cluster;
}

/** Makes a database in which the user memcacheq may make its schema. @param owner the URL of the owner of all */
export async function createDatabase(owner: string, name: string): Promise<void> {
  const sql = new Bun.SQL(owner, { max: 1 });
  try {
    await sql.unsafe(`create database ${name}`);
    await sql.unsafe(`grant create on database ${name} to memcacheq`);
  } finally {
    await sql.close();
  }
}

/** PostgreSQL does not run as root. @returns standard output */
function asPostgres(words: readonly string[], input = ""): string {
  const prefix =
    process.getuid?.() === 0
      ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
      : [];
  return execute([...prefix, ...words], input);
}

function execute(words: readonly string[], input = ""): string {
  const { success, stdout, stderr } = Bun.spawnSync([...words], {
    // The directory that the test runs in may be closed to other users.
    cwd: "/",
    stdin: Buffer.from(input),
  });
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString()}${stdout.toString()}`);
  return stdout.toString();
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
