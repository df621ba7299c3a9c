import { closeSync, constants, openSync } from "node:fs";
import { constants as system } from "node:os";

import { dispositionOf, ignoreSignal } from "./libc.ts";

const { signals } = system;

/** They end a process that does not know them, and say nothing to this one. */
const MEANINGLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGSTKFLT",
  "SIGPIPE",
  "SIGXFSZ",
] as const;
/** Signals without a meaning of Linux's own, SIGRTMIN to SIGRTMAX. */
const REAL_TIME = { first: 34, last: 64 };

/** Whether the process was started with the signal ignored, as nohup does with SIGHUP. Ask before it is handled. */
export function isIgnored(signal: NodeJS.Signals): boolean {
  return dispositionOf(signals[signal]) === "ignored";
}

/** From now on a signal that means nothing to this program does not end it. Those that the runtime uses stay its own. */
export function ignoreMeaningless(): void {
  for (const name of MEANINGLESS) ignoreUnused(signals[name]);
  if (process.platform !== "linux") return;
  for (let signal = REAL_TIME.first; signal <= REAL_TIME.last; signal++) ignoreUnused(signal);
}

/** @param signal undefined where the system has none of that name */
function ignoreUnused(signal: number | undefined): void {
  if (signal !== undefined && dispositionOf(signal) === "default") ignoreSignal(signal);
}

/** Whether the process has a controlling terminal, which sends SIGHUP when it is closed. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}
