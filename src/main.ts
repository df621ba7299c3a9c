import { chownSync, rmSync } from "node:fs";

import license from "../LICENSE" with { type: "text" };
import { setVerbosity, warn } from "./log.ts";
import { type Connection, finish, isOwed } from "./net/connection.ts";
import { type Listener, listenTcp, listenUnix } from "./net/listen.ts";
import { listenUdp } from "./net/udp.ts";
import { help, type Options, parseCommandLine } from "./options.ts";
import {
  isDaemonChild,
  leaveDirectory,
  reportFailure,
  reportReady,
  startDaemon,
} from "./process/daemon.ts";
import { raiseCoreFiles, raiseOpenFiles } from "./process/limits.ts";
import { removePidFile, writePidFile } from "./process/pidfile.ts";
import { becomeUser, lookUpUser, type User } from "./process/user.ts";
import { endTurn, newServer, reasonOf, type Server } from "./server.ts";
import { makeHome } from "./store/home.ts";
import { openStore } from "./store/sqlite.ts";
import { startUpkeep } from "./upkeep.ts";
import { program, version } from "./version.ts";

/** Descriptors that the server needs beside those of its clients: files, listeners, the runtime's own. */
const OTHER_FILES = 64;
/** The part of -m that SQLite's page cache gets; messages get the rest. */
const CACHE_SHARE = 1 / 4;
/** How long clients have to take their answers when the server stops, in milliseconds. */
const FAREWELL = 2000;

// Whatever it is, the queues are in the store, and going on serves more people than ending would.
process.on("uncaughtException", (error) => void reasonOf(error));

await main(process.argv.slice(2));

async function main(args: string[]): Promise<void> {
  try {
    const commandLine = parseCommandLine(args);
    if (commandLine.action === "help") console.log(help());
    else if (commandLine.action === "license") console.log(`${program} ${version}\n\n${license}`);
    else await run(commandLine.options, args);
  } catch (error) {
    fail((error as Error).message);
  }
}

function fail(message: string): never {
  if (isDaemonChild()) reportFailure(message);
  else console.error(`${program}: ${message}`);
  process.exit(1);
}

async function run(asked: Options, args: string[]): Promise<void> {
  if (asked.daemon && !isDaemonChild()) process.exit(await startDaemon(asked, args));
  const options = asked.daemon ? leaveDirectory(asked) : asked;
  setVerbosity(options.verbosity);
  if (options.coreFiles) raiseCoreFiles();
  raiseOpenFiles(options.connections + OTHER_FILES);
  const user = lookUpUser(options.user);
  const listeners = await listen(options);
  try {
    prepareFiles(options, user);
    if (user !== undefined) becomeUser(user);
    const server = start(options);
    for (const listener of listeners) listener.serve(server);
    const endUpkeep = startUpkeep(server);
    stopOnSignals(() => stop(server, listeners, endUpkeep));
  } catch (error) {
    removeFiles(options);
    throw error;
  }
  for (const { place } of listeners) warn(`listening on ${place}`);
  reportReady();
}

/** Takes the addresses, while this process may still be root. */
async function listen(options: Options): Promise<Listener[]> {
  const { socket, socketMode, address, port, udpPort } = options;
  if (socket !== undefined) return [await listenUnix(socket, socketMode)];
  const udp = udpPort === 0 ? [] : [await listenUdp(address, udpPort)];
  return [listenTcp(address, port), ...udp];
}

/** Makes what root must make for the user that the server will be. */
function prepareFiles(options: Options, user: User | undefined): void {
  if (user !== undefined && options.socket !== undefined) {
    chownSync(options.socket, user.uid, user.gid);
  }
  makeHome(options.home, user);
  if (options.daemon && options.pidFile !== undefined) writePidFile(options.pidFile, user);
}

function removeFiles({ daemon, pidFile, socket }: Options): void {
  if (daemon && pidFile !== undefined) removePidFile(pidFile);
  if (socket !== undefined) rmSync(socket, { force: true });
}

function start(options: Options): Server {
  const cache = Math.floor(options.memory * CACHE_SHARE);
  const store = openStore({
    directory: options.home,
    pageSize: options.pageSize,
    cache,
    sync: !options.noSync,
    shrinkLog: options.removeLogs,
    lockWait: options.lockWait,
    extentPages: options.extentPages,
  });
  return newServer(options, store, options.memory - cache);
}

/** The first signal ends the server cleanly, the second at once. */
function stopOnSignals(stopCleanly: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    process.on(signal, () => {
      if (stopping) process.kill(process.pid, "SIGKILL");
      stopping = true;
      void stopCleanly();
    });
  }
}

/** Answers what was received, and leaves nothing behind but the database. */
async function stop(server: Server, listeners: Listener[], endUpkeep: () => void): Promise<void> {
  for (const listener of listeners) listener.stop();
  endUpkeep();
  await sayGoodbye([...server.connections]);
  endTurn(server);
  server.store.close();
  removeFiles(server.options);
  process.exit(0);
}

/** Ends the connections once their answers are sent, but waits for nobody longer than a while. */
async function sayGoodbye(connections: Connection[]): Promise<void> {
  const deadline = Date.now() + FAREWELL;
  // What had arrived before the signal is read in the next turn of the loop.
  await nextTurn();
  for (const connection of connections) finish(connection);
  while (connections.some(isOwed) && Date.now() < deadline) {
    await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
