import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Address, dial } from "./address.ts";
import { owned } from "./cleanup.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import type { DialectName } from "./job.ts";

/** RabbitMQ takes a third of it. */
const START_SECONDS = 60;
const RETRY_MILLISECONDS = 1;

/** A server that is ready to be driven. */
export type Server = {
  address: Address;
  pid: number | null;
  /** The last line of its log; empty when there is none. */
  lastWords: () => string;
  /** Ends it, when it was started here, and removes its data. */
  stop: () => Promise<void>;
};

/** Where a server keeps its data, and listens: on the socket, if one is given. */
export type Place = { data: string; port: number; socket: string | null };

/** A server that can be started. */
export type Kind = {
  dialect: DialectName;
  command: (place: Place) => string[];
  /** Added to the environment. */
  env: Record<string, string>;
  transport: Transport;
};

export type Transport = "tcp" | "unix" | "tls";

/** One that was started here, on a folder that stays when it ends. */
export type Started = Server & { end: (signal: NodeJS.Signals) => Promise<void> };

/** Starts the server on an empty folder. Rejects with what it said when it does not come up. */
export async function startFresh(kind: Kind): Promise<Server> {
  const folder = makeFolder();
  try {
    const server = await startIn(folder, kind);
    const stop = async (): Promise<void> => {
      await server.stop();
      removeFolder(folder);
    };
    return { ...server, stop };
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
}

/** Starts the server on a folder as it is: `data` in it is the server's. Rejects like `startFresh`. */
export async function startIn(folder: string, { command, env, transport }: Kind): Promise<Started> {
  const log = join(folder, "log");
  const port = freePort();
  const socket = transport === "unix" ? join(folder, "socket") : null;
  const data = join(folder, "data");
  mkdirSync(data, { recursive: true });
  const child = owned(
    Bun.spawn(command({ data, port, socket }), {
      cwd: folder,
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(log),
    }),
  );
  const address =
    socket === null
      ? { hostname: "127.0.0.1", port, overTls: transport === "tls" }
      : { unix: socket };
  const lastWords = (): string => readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await child.exited;
  };
  const stop = (): Promise<void> => end("SIGKILL");
  if (await accepts(address, child)) return { address, pid: child.pid, lastWords, stop, end };
  await stop();
  throw new Error(`the server did not start: ${lastWords() || "it gave no reason"}`);
}

/** Starts the server that only answers, for the load generator's own ceiling. */
export async function startAnswerer(size: number): Promise<Server> {
  const answerer = join(import.meta.dir, "load/answerer.ts");
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

export const currentUser = (): string => Bun.spawnSync(["id", "-un"]).stdout.toString().trim();

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
