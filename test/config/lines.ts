/** What the tests of options share. */
import { parseCommandLine } from "../../src/config/command_line.ts";
import type { Environment } from "../../src/config/environment.ts";
import { OptionError } from "../../src/config/error.ts";
import type { Options } from "../../src/config/options.ts";

export const defaults: Options = {
  port: 22201,
  udpPort: 0,
  socket: undefined,
  socketMode: 0o700,
  address: undefined,
  daemon: false,
  coreFiles: false,
  user: undefined,
  connections: 1024,
  verbosity: 0,
  pidFile: undefined,
  threads: 4,
  memory: 64 * 1024 * 1024,
  pageSize: undefined,
  home: "/data1/memcacheq",
  store: undefined,
  storePasswordFile: undefined,
  storeGrace: 5000,
  logBuffer: 32 * 1024,
  checkpointSeconds: 300,
  trickleSeconds: 30,
  statsSeconds: 30,
  tricklePercent: 60,
  extentPages: 16384,
  maxBody: 1024,
  lockWait: 100,
  noSync: false,
  removeLogs: false,
  maxMessages: Infinity,
  minFree: undefined,
  maxBytes: Infinity,
  statsQueues: 1000,
  allowShutdown: false,
  expiry: false,
  fanout: false,
  maxIds: 1_000_000,
  queue: [],
  queuesFile: undefined,
  http: undefined,
  metricsQueues: 1000,
  httpAdmin: false,
  authFile: undefined,
  loginFile: undefined,
  tlsCert: undefined,
  tlsKey: undefined,
  tlsCa: undefined,
  tlsInsecure: false,
  httpTls: false,
  drainFrom: undefined,
  queues: undefined,
};

/** What a command line changes about the defaults. */
export function changes(args: string[]): Partial<Options> {
  const line = parseCommandLine(args);
  if (line.action !== "run") throw new Error(`${line.action} instead of run`);
  return changed(line.options);
}

export function changed(options: Options): Partial<Options> {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.filter(([key, value]) => !Bun.deepEquals(value, defaults[key as keyof Options])),
  );
}

export function words(line: string): string[] {
  return line.split(" ");
}

/** The message of the error that these arguments are. */
export function complaint(args: string[], environment: Environment = {}): string {
  try {
    parseCommandLine(args, environment);
  } catch (error) {
    if (error instanceof OptionError) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${args.join(" ")}`);
}
