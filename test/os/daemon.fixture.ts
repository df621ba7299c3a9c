/**
 * A small server as far as a daemon's life goes. MODE says how it ends up: `ready` (the default),
 * `failure`, `exit`, `kill`, or `orphan`: ready only when told so with SIGUSR1.
 * Writes what it finds in its process to the file `facts` in its home directory.
 */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parseCommandLine } from "../../src/config/command_line.ts";
import {
  isAwaited,
  leaveDirectory,
  openStarterChannel,
  reportFailure,
  reportReady,
  startDaemon,
} from "../../src/os/daemon.ts";

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "closed by now"; // the descriptor that listed the directory
  }
}

function facts(): object {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  return {
    pid: process.pid,
    session: Number(fields[3]),
    directory: process.cwd(),
    descriptors: Object.fromEntries(
      readdirSync("/proc/self/fd").map((fd) => [fd, link(`/proc/self/fd/${fd}`)]),
    ),
    marks: Object.keys(process.env).filter((name) => name.startsWith("MEMCACHEQ")),
    arguments: process.argv.slice(2),
  };
}

const args = process.argv.slice(2);
const line = parseCommandLine(args);
if (line.action !== "run") throw new Error("the fixture only runs");
const { coreFiles, verbosity, ...paths } = line.options;
const channel = openStarterChannel();
if (!isAwaited(channel)) process.exit(await startDaemon(args, verbosity > 0));

const { home, pidFile, socket } = coreFiles ? paths : leaveDirectory(paths);

function start(): void {
  // Before the report: the test waits for it and reads the file next.
  writeFileSync(join(home, "facts"), JSON.stringify({ ...facts(), home, pidFile, socket }));
  reportReady(channel);
  console.log("ready");
}

process.on("SIGTERM", () => process.exit(0));
setTimeout(() => process.exit(0), 60_000); // in case that nobody ends it

switch (process.env["MODE"]) {
  case "failure":
    reportFailure(channel, "port 1 is taken");
    process.exit(1);
    break;
  case "exit":
    process.exit(7);
    break;
  case "kill":
    process.kill(process.pid, "SIGKILL");
    break;
  case "orphan":
    process.on("SIGUSR1", start);
    console.log(process.pid);
    break;
  default:
    start();
}
