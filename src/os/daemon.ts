import { closeSync, fstatSync, writeSync } from "node:fs";
import { resolve } from "node:path";

import { program } from "../util/version.ts";

/** The daemon's end of the channel to the process that started it, which waits for one report. */
export interface StarterChannel {
  /** Undefined in a process that is no daemon, and after the report. */
  descriptor: number | undefined;
}

/** The paths that a daemon uses after its start. */
export interface DaemonPaths {
  home: string;
  pidFile: string | undefined;
  socket: string | undefined;
  queuesFile: string | undefined;
}

/** The variable of the environment that makes a process a daemon: the id of the process that started it. */
const STARTER = "MEMCACHEQ_DAEMON_OF";
const CHANNEL = 3;
const READY = "ready";

/**
 * Starts this program again as a daemon (a session of its own, standard streams at /dev/null) and waits until it
 * listens or fails. A failure's reason is on standard error then.
 * @param args the arguments that the user typed
 * @param keepsOutput the daemon keeps standard output and standard error
 * @returns the exit code for this process
 */
export async function startDaemon(args: readonly string[], keepsOutput: boolean): Promise<number> {
  const output = keepsOutput ? "inherit" : "ignore";
  const child = Bun.spawn([...ownCommand(), ...args], {
    detached: true,
    env: { ...process.env, [STARTER]: String(process.pid) },
    stdio: ["ignore", output, output, "pipe"],
  });
  const report = await readReport(child.stdio[CHANNEL]);
  if (report === READY) {
    child.unref();
    return 0;
  }
  console.error(`${program}: ${report === "" ? await describeExit(child) : report}`);
  // The user may try again at once, and must not meet this one's lock and port.
  await child.exited;
  return 1;
}

/**
 * The channel to the process that waits in {@link startDaemon}. Can be opened once: the variable that tells of it is
 * removed, so that no process started from here takes itself for a daemon.
 */
export function openStarterChannel(): StarterChannel {
  const starter = process.env[STARTER];
  delete process.env[STARTER];
  // A user may have set the variable by accident.
  const isStarted = starter === String(process.ppid) && isSocket(CHANNEL);
  return { descriptor: isStarted ? CHANNEL : undefined };
}

/** Whether {@link startDaemon} started this process and still waits for its report. */
export function isAwaited({ descriptor }: StarterChannel): boolean {
  return descriptor !== undefined;
}

/** Reports that clients can connect. Does nothing in a process that is no daemon. */
export function reportReady(channel: StarterChannel): void {
  report(channel, READY);
}

/** Reports why the start failed, for the user. Does nothing in a process that is no daemon. */
export function reportFailure(channel: StarterChannel, message: string): void {
  report(channel, message);
}

/**
 * Takes `/` as the working directory, so that no other file system is kept busy.
 * @returns the paths, absolute, so that they still mean what the user typed
 */
export function leaveDirectory({ home, pidFile, socket, queuesFile }: DaemonPaths): DaemonPaths {
  const paths = {
    home: resolve(home),
    pidFile: absolute(pidFile),
    socket: absolute(socket),
    queuesFile: absolute(queuesFile),
  };
  process.chdir("/");
  return paths;
}

function report(channel: StarterChannel, text: string): void {
  if (channel.descriptor === undefined) return;
  try {
    writeSync(channel.descriptor, text);
    closeSync(channel.descriptor);
  } catch {
    // The process that waited was killed; the daemon does not need it.
  }
  channel.descriptor = undefined;
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false;
  }
}

function ownCommand(): string[] {
  if (Bun.isStandaloneExecutable) return [process.execPath];
  return [process.execPath, ...process.execArgv, Bun.main];
}

async function readReport(descriptor: number | null | undefined): Promise<string> {
  if (typeof descriptor !== "number") throw new Error("no channel to the daemon could be opened");
  return await Bun.file(descriptor).text();
}

/** How a daemon ended that reported nothing. */
async function describeExit(child: Bun.Subprocess): Promise<string> {
  await child.exited;
  const end = child.signalCode === null ? `exit code ${child.exitCode}` : child.signalCode;
  return `the daemon ended before it was ready (${end})`;
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
