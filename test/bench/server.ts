import { readFileSync } from "node:fs";
import { join } from "node:path";

import { type Address, dial } from "./address.ts";
import { owned } from "./cleanup.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import type { Mode } from "./options.ts";
import { type Program, ROOT } from "./program.ts";

const START_SECONDS = 10;
const RETRY_MILLISECONDS = 10;

/** A server that is ready to be driven. */
export type Server = {
  address: Address;
  pid: number | null;
  /** The last line of its log; empty when there is none. */
  lastWords: () => string;
  /** Ends it, when it was started here, and removes its data. */
  stop: () => Promise<void>;
};

/** Starts the server on an empty folder. Rejects with what it said when it does not come up. */
export async function startServer({ command }: Program, mode: Mode): Promise<Server> {
  const folder = makeFolder();
  const log = join(folder, "log");
  const port = freePort();
  const child = owned(
    Bun.spawn([...command, ...flags(port, join(folder, "data"), mode)], {
      cwd: ROOT,
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(log),
    }),
  );
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    removeFolder(folder);
  };
  const address = { hostname: "127.0.0.1", port };
  const lastWords = (): string => readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
  if (await accepts(address, child)) return { address, pid: child.pid, lastWords, stop };
  const said = lastWords();
  await stop();
  throw new Error(`the server did not start: ${said || "it gave no reason"}`);
}

/** Starts the server that only answers, for the self-test. */
export async function startAnswerer(size: number): Promise<Server> {
  const answerer = join(import.meta.dir, "answerer.ts");
  const child = owned(
    Bun.spawn([process.execPath, answerer, String(size)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  const { value } = await child.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(value));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { address: { hostname: "127.0.0.1", port }, pid: child.pid, lastWords: () => "", stop };
}

function flags(port: number, home: string, mode: Mode): string[] {
  return [
    ...["-u", currentUser(), "-l", "127.0.0.1", "-p", String(port), "-H", home],
    ...["-m", "64", "-B", "1048576", "-c", "4096"],
    ...(mode === "nosync" ? ["-N"] : []),
  ];
}

const currentUser = (): string => Bun.spawnSync(["id", "-un"]).stdout.toString().trim();

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** Waits until the server accepts a connection; false when it ended, or took too long. */
async function accepts(address: Address, child: Bun.Subprocess): Promise<boolean> {
  const until = Bun.nanoseconds() + START_SECONDS * 1e9;
  while (child.exitCode === null && child.signalCode === null && Bun.nanoseconds() < until) {
    try {
      const socket = await dial(address, { data() {} });
      socket.terminate();
      return true;
    } catch {
      await Bun.sleep(RETRY_MILLISECONDS);
    }
  }
  return false;
}
