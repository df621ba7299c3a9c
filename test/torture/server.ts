/** The server as a process to be tortured. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { owned } from "../bench/cleanup.ts";
import { findProgram, ROOT } from "../bench/program.ts";
import type { Address } from "./wire.ts";

export interface Launch {
  home: string;
  /** Beside those that say where it listens, and where its data is. */
  flags: string[];
  /** What the command line begins with: a tracer, a shell that sets limits. */
  before?: string[];
  env?: Record<string, string>;
  /** The working directory; that of the sources when absent. */
  cwd?: string;
}

export interface Server {
  address: Address;
  pid: number;
  home: string;
  /** All that it has logged. */
  log(): string;
  isAlive(): boolean;
  /** Resolves when it has ended. */
  ended: Promise<unknown>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Ends it cleanly. Rejects when its exit code is not 0. */
  stop(): Promise<void>;
}

const PATIENCE = 20_000;
const running = new Set<Bun.Subprocess>();
let command: string[] | undefined;
const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();

/** Starts the process, and doesn't wait until it is ready. Its log is the file `log` beside the home. */
export function launch({ home, flags, before = [], env = {}, cwd = ROOT }: Launch) {
  const log = `${home}.log`;
  writeFileSync(log, "");
  const own = ["-v", "-u", user, "-l", "127.0.0.1", "-p", "0", "-H", home];
  const child = owned(
    Bun.spawn([...before, ...(command ??= findProgram().command), ...own, ...flags], {
      cwd,
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(log),
    }),
  );
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return { child, log: () => readFileSync(log, "utf8") };
}

/** From now on the sources are started, even when there is an executable: it may be about to be made anew. */
export function useSources(): void {
  command = [process.execPath, join(ROOT, "src/main.ts")];
}

/** Ends all that a part left running when it failed. */
export async function killAll(): Promise<void> {
  for (const child of running) {
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** Starts a server, and resolves when it listens. Rejects with what it said when it ends instead. */
export async function start(options: Launch): Promise<Server> {
  const { child, log } = launch(options);
  const port = await listening(child, log);
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  return {
    address: { hostname: "127.0.0.1", port },
    pid: child.pid,
    home: options.home,
    log,
    isAlive,
    ended: child.exited,
    async kill() {
      if (!isAlive()) throw new Error(`the server ended by itself: ${lastWords(log())}`);
      child.kill("SIGKILL");
      await child.exited;
    },
    async stop() {
      if (!isAlive()) throw new Error(`the server ended by itself: ${lastWords(log())}`);
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
      const code = await child.exited;
      clearTimeout(late);
      if (code !== 0) throw new Error(`the server stopped with code ${code}: ${lastWords(log())}`);
    },
  };
}

async function listening(child: Bun.Subprocess, log: () => string): Promise<number> {
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await Bun.sleep(3)) {
    const [, port] = /listening on \S*:(\d+)$/m.exec(log()) ?? [];
    if (port !== undefined) return Number(port);
    if (child.exitCode !== null || child.signalCode !== null) break;
  }
  child.kill("SIGKILL");
  throw new Error(`the server did not start: ${lastWords(log())}`);
}

export function lastWords(log: string): string {
  return log.trim().split("\n").slice(-3).join(" | ") || "it said nothing";
}

/** The files of the database. */
export function databaseIn(home: string): string {
  return join(home, "memcacheq.db");
}

export function logIn(home: string): string {
  return `${databaseIn(home)}-wal`;
}
