/** Starts the real server as a real process, and leaves nothing of it behind. */
import { Database } from "bun:sqlite";
import { afterAll, setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createDatabase } from "../queues/shared/cluster.ts";
import { type Address, connect } from "./client.ts";

/** How long a start, a stop or a condition may take, milliseconds. */
const patience = 120_000;
const project = join(import.meta.dir, "../..");
/** In the environment of every process started here, so that daemons are found again. */
const mark = `TEST_OF_MEMCACHEQ=${process.pid}-${crypto.randomUUID()}`;

/** As the system knows it; USER in the environment may be absent or another one. */
export const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
export const isRoot = process.getuid?.() === 0;

/** The flags of TLS where all servers have it: see over_tls.ts. */
const { MEMCACHEQ_TEST_CERT: cert, MEMCACHEQ_TEST_KEY: key } = process.env;
const certificate = cert && key ? ["--tls-cert", cert, "--tls-key", key] : [];

/** The owner of a PostgreSQL where all servers keep their queues in it, see over_postgres.ts; else they have files. */
const { MEMCACHEQ_TEST_STORE: postgres } = process.env;
export const isShared = postgres !== undefined;

/** The databases of home directories that were asked for: a test that starts two servers on one means one database. */
const stores = new Map<string, Promise<string>>();
/** Those of them whose server was killed: other servers give back what its clients had open only later. */
const killed = new Set<string>();

/** What is started: the source as it is, or the executable made from it. */
export type Build = "source" | "compiled";
export const builds: readonly Build[] = ["source", "compiled"];

export type Exit = { code: number | null; stdout: string; stderr: string };

export type LaunchOptions = {
  build?: Build;
  /** The working directory; the project's own when absent. */
  cwd?: string;
  /** A file that takes standard output and standard error, as `>file 2>&1` does. */
  log?: string;
  /** Shell commands to run in the process before it becomes the server: umask, ulimit, trap. */
  shell?: string;
  /** Variables that the process has beside those of the test. */
  environment?: Record<string, string>;
};

export type StartOptions = LaunchOptions & {
  /** The home directory; a fresh one when absent. */
  home?: string;
  /** The address for `-l`; 127.0.0.1 when absent. */
  address?: string;
  /** The flags say that clients speak TLS. */
  tls?: boolean;
  /** Listens on this Unix socket instead. */
  socket?: string;
};

export type Server = Awaited<ReturnType<typeof start>>;
type Process = ReturnType<typeof launch>;

const running = new Set<Process>();
const directories = new Set<string>();

/** To be called once at the top of each test file. */
export function suite(): void {
  // A test ends by what it waits for; this is for one that never does, also on a busy machine.
  setDefaultTimeout(300_000);
  afterAll(cleanUp);
}

/** A fresh directory that is removed after the file's tests. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "memcacheq-"));
  directories.add(directory);
  return directory;
}

/** A port that was free a moment ago, for the flags that can't take 0. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** Resolves to what `probe` finds, asking again until it finds something. For states that give no event. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await Bun.sleep(10)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: not within ${patience} ms`);
}

/** A number of /proc/<pid>/status that is given in kB, in bytes. */
export function memoryOf(pid: number, name = "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
}

/** The letter that /proc has for what a process does; undefined when there is none. */
function stateOf(pid: number): string | undefined {
  try {
    return /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}

/** A process that ended but was not waited for by its parent counts as ended. */
export function isAlive(pid: number): boolean {
  return ![undefined, "Z"].includes(stateOf(pid));
}

/** Runs `action` while the process stands still. */
export async function whileStopped(pid: number, action: () => void | Promise<void>): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await eventually("a stopped process", () => (stateOf(pid) === "T" ? true : undefined));
  await action();
  process.kill(pid, "SIGCONT");
}

/** When the newest file that goes into the executable was changed, milliseconds. */
function newestSource(): number {
  const sources = readdirSync(join(project, "src"), { recursive: true, encoding: "utf8" });
  const files = [...sources.map((name) => join("src", name)), "build.ts", "package.json"];
  return Math.max(...files.map((name) => statSync(join(project, name)).mtimeMs));
}

function isStale(executable: string): boolean {
  const made = statSync(executable, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return made < newestSource();
}

/** Makes the executable unless it is newer than its sources, one test process at a time. */
function compile(): string {
  const executable = join(project, "dist/memcacheq");
  mkdirSync(join(project, "dist"), { recursive: true });
  const lock = new Database(join(project, "dist/.lock"));
  lock.run("PRAGMA busy_timeout = 60000");
  lock.run("BEGIN EXCLUSIVE");
  try {
    if (isStale(executable)) {
      const build = Bun.spawnSync([process.execPath, "build.ts"], { cwd: project });
      if (!build.success) throw new Error(`build.ts: ${build.stderr.toString()}`);
    }
  } finally {
    lock.close();
  }
  return executable;
}

let compiled: string | undefined;

/** The words that start the program. */
export function command(build: Build): string[] {
  if (build === "source") return [process.execPath, join(project, "src/main.ts")];
  compiled ??= compile();
  return [compiled];
}

/** Starts a process with exactly these flags. */
export function launch(flags: readonly string[], options: LaunchOptions = {}) {
  const words = [...command(options.build ?? "source"), ...flags];
  const shell = options.shell ? ["sh", "-c", `${options.shell}; exec "$0" "$@"`] : [];
  // One open file description for both, as the shell's 2>&1 makes it, so that neither overwrites the other.
  const log = options.log ? ["sh", "-c", `exec "$0" "$@" >"$LOG" 2>&1`] : [];
  const [name = "", value = ""] = mark.split("=");
  const child = Bun.spawn([...log, ...shell, ...words], {
    cwd: options.cwd ?? project,
    env: {
      ...process.env,
      // The server would say that no flag has this variable.
      MEMCACHEQ_TEST_STORE: undefined,
      [name]: value,
      LOG: options.log ?? "",
      ...options.environment,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const listeners = new Set<() => void>();
  const text = { stdout: "", stderr: "" };

  async function collect(name: "stdout" | "stderr"): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) {
      text[name] += decoder.decode(chunk, { stream: true });
      for (const listener of listeners) listener();
    }
  }
  const collected = Promise.all([collect("stdout"), collect("stderr")]);

  /** Resolves when the process has ended and all that it wrote was read. */
  const ended = Promise.all([child.exited, collected]).then((): Exit => {
    running.delete(launched);
    return { code: child.exitCode, ...text };
  });

  /** The same, for a process that is about to end; it is killed when it doesn't. */
  function exit(): Promise<Exit> {
    const timer = setTimeout(() => child.kill("SIGKILL"), patience);
    return ended.finally(() => clearTimeout(timer));
  }

  /** Resolves to the first match in standard error, now or later; fails when the process ends without. */
  async function logged(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = pattern.exec(text.stderr);
      if (found) resolve(found);
    };
    const fail = (why: string) =>
      reject(new Error(`${why}, without ${pattern} on standard error: ${text.stderr}`));
    const timer = setTimeout(() => fail(`not in ${patience} ms`), patience);
    listeners.add(look);
    look();
    void ended.then(() => fail(`ended with ${child.exitCode ?? child.signalCode}`));
    return promise.finally(() => {
      clearTimeout(timer);
      listeners.delete(look);
    });
  }

  const launched = {
    pid: child.pid,
    stderr: () => text.stderr,
    logged,
    exit,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  };
  running.add(launched);
  return launched;
}

/** Runs a process that is expected to end by itself. */
export function run(flags: readonly string[], options?: LaunchOptions): Promise<Exit> {
  return launch(flags, options).exit();
}

/** Starts a server with these flags added, and resolves when it listens. */
export async function start(flags: readonly string[] = [], options: StartOptions = {}) {
  const home = options.home ?? join(scratch(), "home");
  const hostname = options.address ?? "127.0.0.1";
  const network = options.socket ? ["-s", options.socket] : ["-p", "0", "-l", hostname];
  const isTls = (options.tls ?? certificate.length > 0) && options.socket === undefined;
  const secure = options.tls === undefined && isTls ? certificate : [];
  const place = postgres === undefined ? ["-H", home] : ["--store", await storeOf(postgres, home)];
  const child = launch(["-v", "-u", user, ...place, ...network, ...secure, ...flags], options);
  const [, port] = await child.logged(/listening on (?!udp)\S*?(?::(\d+))?$/m);
  if (killed.delete(home) && postgres !== undefined) await givenUp(postgres, place[1] ?? "");
  const address: Address = options.socket
    ? { unix: options.socket }
    : { hostname, port: Number(port), tls: isTls ? { rejectUnauthorized: false } : undefined };

  return {
    ...child,
    home,
    address,
    port: Number(port),
    connect: () => connect(address),
    /** Sends a signal, and resolves when the process has ended. */
    stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
      child.kill(signal);
      return child.exit();
    },
    /** Ends the process as a crash does. */
    async kill9(): Promise<void> {
      child.kill("SIGKILL");
      await child.exit();
      killed.add(home);
    },
  };
}

/** The URL of the database that stands for a home directory. @param owner may make databases */
function storeOf(owner: string, home: string): Promise<string> {
  let store = stores.get(home);
  if (store === undefined) {
    const name = `q_${crypto.randomUUID().replaceAll("-", "")}`;
    const { host } = new URL(owner);
    store = createDatabase(owner, name).then(() => `postgres://memcacheq@${host}/${name}`);
    stores.set(home, store);
  }
  return store;
}

/** Waits until there is one server at the store: those that were killed are known to be gone. */
async function givenUp(owner: string, store: string): Promise<void> {
  const { host } = new URL(owner);
  const sql = new Bun.SQL(`postgres://postgres@${host}${new URL(store).pathname}`, { max: 1 });
  await eventually("a server that is given up", async () => {
    const [found] = await sql`select count(*)::int as live from memcacheq.server where not gone`;
    return found.live === 1 ? true : undefined;
  });
  await sql.close();
}

/** Processes that were started here but are not children any more: daemons. */
function daemons(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function cleanUp(): Promise<void> {
  for (const child of running) {
    child.kill("SIGKILL");
    await child.exit();
  }
  for (const pid of daemons()) process.kill(pid, "SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}
