import { closeSync, fstatSync, writeSync } from "node:fs";
import { resolve } from "node:path";

import type { Options } from "../config/options.ts";
import { program } from "../util/version.ts";

/** Tells the daemon that it is one: the id of the process that started it and waits for its word. */
const MARK = "MEMCACHEQ_DAEMON_OF";
const CHANNEL = 3;
const READY = "ready";

let channel = takeChannel();

/** Whether {@link startDaemon} started this process, and it has not given its word yet. */
export function isDaemonChild(): boolean {
  return channel !== undefined;
}

/**
 * Starts this program again as a daemon (a session of its own, standard streams at /dev/null, the
 * output streams kept with `-v`) and waits until it listens or fails. `args` are the arguments that
 * the user typed. Resolves to the exit code for this process; a failure's reason is on stderr then.
 */
export async function startDaemon(options: Options, args: readonly string[]): Promise<number> {
  const output = options.verbosity > 0 ? "inherit" : "ignore";
  const child = Bun.spawn([...command(), ...args], {
    detached: true,
    env: { ...process.env, [MARK]: String(process.pid) },
    stdio: ["ignore", output, output, "pipe"],
  });
  const word = await readChannel(child.stdio[CHANNEL]);
  if (word === READY) {
    child.unref();
    return 0;
  }
  console.error(`${program}: ${word === "" ? await epitaph(child) : word}`);
  // Who tries again at once is not to meet what is left of it.
  await child.exited;
  return 1;
}

/**
 * In the daemon: takes `/` as the working directory, so that no other is kept busy; stays with `-r`,
 * because core files go there. Returns the options with the paths that still mean what the user typed.
 */
export function leaveDirectory(options: Options): Options {
  if (options.coreFiles) return options;
  const moved = {
    ...options,
    home: resolve(options.home),
    pidFile: absolute(options.pidFile),
    socket: absolute(options.socket),
  };
  process.chdir("/");
  return moved;
}

/** In the daemon: tells the waiting process that clients can connect. Does nothing elsewhere. */
export function reportReady(): void {
  report(READY);
}

/** In the daemon: gives the waiting process the reason to print. Does nothing elsewhere. */
export function reportFailure(message: string): void {
  report(message);
}

/** The channel to the waiting process, if there is one: the mark can also be a user's accident. */
function takeChannel(): number | undefined {
  const parent = process.env[MARK];
  delete process.env[MARK];
  if (parent !== String(process.ppid)) return undefined;
  try {
    return fstatSync(CHANNEL).isSocket() ? CHANNEL : undefined;
  } catch {
    return undefined;
  }
}

function report(word: string): void {
  if (channel === undefined) return;
  try {
    writeSync(channel, word);
    closeSync(channel);
  } catch {
    // The one who waited is gone (interrupted, killed); the daemon does not need it.
  }
  channel = undefined;
}

function command(): string[] {
  if (Bun.isStandaloneExecutable) return [process.execPath];
  return [process.execPath, ...process.execArgv, Bun.main];
}

async function readChannel(fd: number | null | undefined): Promise<string> {
  if (typeof fd !== "number") throw new Error("no channel to the daemon could be opened");
  return await Bun.file(fd).text();
}

/** Why a daemon that said nothing is gone. */
async function epitaph(child: Bun.Subprocess): Promise<string> {
  await child.exited;
  const end = child.signalCode === null ? `exit code ${child.exitCode}` : child.signalCode;
  return `the daemon ended before it was ready (${end})`;
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
