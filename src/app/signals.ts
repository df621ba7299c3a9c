import { endProcess } from "../os/libc.ts";
import { hasTerminal, ignoreMeaningless, isIgnored } from "../os/signals.ts";
import { info, warn } from "../util/log.ts";

/** What signals do; replaced as the process gets further. */
export interface SignalActions {
  stop: () => Promise<void>;
  reload: () => void;
}

/** Why the process stops, and when it was told so, in milliseconds of the monotonic clock. */
interface StopRequest {
  signal: string;
  at: number;
}

/** Behind SIGXCPU, which says that the limit of CPU time is reached, the system sends SIGKILL. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU"] as const;
/** A terminal and a program in between may each send the same signal: within so many milliseconds it is one. */
const SAME_SIGNAL = 200;
/** The exit code of a process that SIGKILL ended, as shells tell it. */
const KILLED = 128 + 9;

/**
 * From now on the first stop signal ends the process cleanly, by what is in the result then, and the second at once.
 * SIGHUP has a server read its files again; where the process has a terminal, it says that this was closed, and stops it.
 */
export function handleSignals(): SignalActions {
  const actions: SignalActions = { stop: () => Promise.resolve(), reload: () => undefined };
  let first: StopRequest | undefined;
  const stop = (signal: string): void => {
    const now = performance.now();
    if (first === undefined) {
      first = { signal, at: now };
      info(`${signal}: stopping`);
      void actions.stop().finally(() => {
        info("stopped");
        process.exit(0);
      });
    } else if (signal !== first.signal || now - first.at > SAME_SIGNAL) {
      warn(`${signal} after ${first.signal}: ended at once`);
      // Not by a SIGKILL to itself: the system keeps that from process 1, which a server in a container is.
      endProcess(KILLED);
    }
  };
  for (const signal of STOP_SIGNALS) process.on(signal, () => stop(signal));
  if (!isIgnored("SIGHUP")) {
    const isClosedTerminal = hasTerminal();
    process.on("SIGHUP", () => (isClosedTerminal ? stop("SIGHUP") : actions.reload()));
  }
  ignoreMeaningless();
  return actions;
}
