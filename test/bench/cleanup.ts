import { removeFolders } from "./folder.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const running = new Set<Bun.Subprocess>();

/** Marks a process that must not outlive this one. */
export function owned<Process extends Bun.Subprocess>(child: Process): Process {
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return child;
}

/** However this process ends, ends those that it started, and removes their data. */
export function cleanUpAtExit(): void {
  process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
    removeFolders();
  });
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.on(signal, () => process.exit(status));
  }
}
