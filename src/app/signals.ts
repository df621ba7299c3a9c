/** What the first stop signal does; replaced as the process gets further. */
export interface Shutdown {
  begin: () => Promise<void>;
}

const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
/** A terminal and a program in between may each send the same signal: within so many milliseconds it is one. */
const SAME_SIGNAL = 200;

/** From now on the first signal ends the process cleanly, by what is in the result then, and the second at once. */
export function stopOnSignals(): Shutdown {
  const shutdown: Shutdown = { begin: () => Promise.resolve() };
  let first: { signal: string; at: number } | undefined;
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      if (first === undefined) void shutdown.begin().finally(() => process.exit(0));
      else if (signal !== first.signal || Date.now() - first.at > SAME_SIGNAL) {
        process.kill(process.pid, "SIGKILL");
      }
      first ??= { signal, at: Date.now() };
    });
  }
  return shutdown;
}
