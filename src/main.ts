import { chownSync } from "node:fs";

import license from "../LICENSE" with { type: "text" };
import { startUpkeep } from "./app/maintenance.ts";
import { ping } from "./app/ping.ts";
import type { Address } from "./config/address.ts";
import { parseCommandLine } from "./config/command_line.ts";
import { help } from "./config/help.ts";
import type { Options } from "./config/options.ts";
import { endTurn, newServer, reasonOf, type Server } from "./engine/server.ts";
import { listenHttp, MOST_CONNECTIONS } from "./http/listen.ts";
import { drain } from "./import/drain.ts";
import { openSource } from "./import/source.ts";
import { isOwed, receiveEnd } from "./net/connection.ts";
import { type Listener, listenTcp, listenUnix } from "./net/tcp.ts";
import { listenUdp } from "./net/udp.ts";
import {
  isDaemonChild,
  leaveDirectory,
  reportFailure,
  reportReady,
  startDaemon,
} from "./os/daemon.ts";
import { raiseCoreFiles, raiseOpenFiles } from "./os/limits.ts";
import { notify } from "./os/notify.ts";
import { removePidFile, writePidFile } from "./os/pidfile.ts";
import { becomeUser, lookUpUser, type User } from "./os/user.ts";
import { makeHome, openHome } from "./store/directory.ts";
import { openStore, type StoreOptions } from "./store/sqlite.ts";
import { setVerbosity, warn } from "./util/log.ts";
import { program, version } from "./util/version.ts";

/** Descriptors that the server needs beside those of its clients: files, listeners, the runtime's own. */
const OTHER_FILES = 64;
/** The part of -m that SQLite's page cache gets; messages get the rest. */
const CACHE_SHARE = 1 / 4;
/** When the server stops and for so many milliseconds no client takes any of its answers, nobody is waited for. */
const FAREWELL = 2000;
/** A terminal and a program in between may each send the same signal: within so many milliseconds it is one. */
const SAME_SIGNAL = 200;

// Whatever it is, the queues are in the store, and going on serves more people than ending would.
process.on("uncaughtException", (error) => void reasonOf(error));

await main(process.argv.slice(2));

async function main(args: string[]): Promise<void> {
  try {
    const commandLine = parseCommandLine(args, process.env);
    if (commandLine.action === "help") console.log(help());
    else if (commandLine.action === "license") console.log(`${program} ${version}\n\n${license}`);
    else if (commandLine.action === "ping") await ping(commandLine.options);
    else {
      const { options } = commandLine;
      if (options.drainFrom === undefined) await run(options, args);
      else await runDrain(options, options.drainFrom);
    }
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
  const stopping = stopOnSignals();
  if (options.coreFiles) raiseCoreFiles();
  const webClients = options.http === undefined ? 0 : MOST_CONNECTIONS;
  raiseOpenFiles(options.connections + webClients + OTHER_FILES);
  const user = lookUpUser(options.user);
  const listeners = await listen(options);
  stopping.cleanly = async () => cleanUp(options, listeners);
  try {
    const server = start(options, user);
    for (const listener of listeners) listener.serve(server);
    const endUpkeep = startUpkeep(server);
    stopping.cleanly = () => stop(server, listeners, endUpkeep);
  } catch (error) {
    cleanUp(options, listeners);
    throw error;
  }
  for (const { place } of listeners) warn(`listening on ${place}`);
  reportReady();
  notify("READY=1", `STATUS=listening on ${listeners.map(({ place }) => place).join(", ")}`);
}

/** Brings over what another server holds, in place of serving. What it holds is under no limit here. */
async function runDrain(asked: Options, address: Address): Promise<void> {
  setVerbosity(asked.verbosity);
  const stopping = stopOnSignals();
  stopping.cleanly = async () => fail("stopped before anything was moved");
  const user = lookUpUser(asked.user);
  const source = await openSource(address);
  const options = { ...asked, socket: undefined, maxMessages: Infinity, maxBytes: Infinity };
  const { broker, store } = start(options, user);
  let stopped = false;
  // The drain ends by itself, between two commits.
  stopping.cleanly = () => {
    stopped = true;
    return new Promise(() => undefined);
  };
  const tell = (text: string) => console.error(`${program}: ${text}`);
  try {
    const moved = await drain({ source, broker, stopped: () => stopped, tell }, asked.queues);
    tell(`moved ${moved} messages from ${source.name}`);
  } finally {
    source.end();
    store.close();
  }
  process.exit(0);
}

/** Takes the addresses, while this process may still be root. */
async function listen(options: Options): Promise<Listener[]> {
  const { socket, socketMode, address, port, udpPort, http } = options;
  const web = http === undefined ? [] : [listenHttp(http)];
  if (socket !== undefined) return [await listenUnix(socket, socketMode), ...web];
  const udp = udpPort === 0 ? [] : [await listenUdp(address, udpPort)];
  return [listenTcp(address, port), ...udp, ...web];
}

/** Makes what root must make for the user that the server will be, becomes that user, and opens the database. */
function start(options: Options, user: User | undefined): Server {
  const { socket, pidFile } = options;
  if (user !== undefined && socket !== undefined) chownSync(socket, user.uid, user.gid);
  makeHome(options.home, user);
  // A server that runs on the directory keeps it, and its PID file.
  const home = openHome(options.home);
  if (options.daemon && pidFile !== undefined) writePidFile(pidFile, user);
  if (user !== undefined) becomeUser(user);
  const cache = Math.floor(options.memory * CACHE_SHARE);
  return newServer(options, openStore(storeOptions(options, cache), home), options.memory - cache);
}

function storeOptions(options: Options, cache: number): StoreOptions {
  return {
    directory: options.home,
    pageSize: options.pageSize,
    cache,
    sync: !options.noSync,
    shrinkLog: options.removeLogs,
    lockWait: options.lockWait,
    extentPages: options.extentPages,
  };
}

/** Accepts no more, and takes away the files that say that this server is here. */
function cleanUp({ daemon, pidFile }: Options, listeners: Listener[]): void {
  for (const listener of listeners) listener.stop();
  if (daemon && pidFile !== undefined) removePidFile(pidFile);
}

/** The first signal ends the server cleanly, in the way that fits how far it is, the second at once. */
function stopOnSignals(): { cleanly: () => Promise<void> } {
  const stopping = { cleanly: () => Promise.resolve() };
  let first: { signal: string; at: number } | undefined;
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    process.on(signal, () => {
      if (first === undefined) void stopping.cleanly().finally(() => process.exit(0));
      else if (signal !== first.signal || Date.now() - first.at > SAME_SIGNAL) {
        process.kill(process.pid, "SIGKILL");
      }
      first ??= { signal, at: Date.now() };
    });
  }
  return stopping;
}

/** Answers what was received, and leaves nothing behind but the database. */
async function stop(server: Server, listeners: Listener[], endUpkeep: () => void): Promise<void> {
  notify("STOPPING=1");
  for (const listener of listeners) listener.stop();
  endUpkeep();
  await sayGoodbye(server);
  endTurn(server);
  server.store.close();
  cleanUp(server.options, []);
}

/** Ends the connections once everything that arrived is answered, and waits only as long as somebody goes on reading. */
async function sayGoodbye({ connections, stats }: Server): Promise<void> {
  // What had arrived before the signal is read in the next turn of the loop.
  await nextTurn();
  for (const connection of connections) receiveEnd(connection);
  let written = stats.bytesWritten;
  let progress = Date.now();
  while ([...connections].some(isOwed) && Date.now() - progress < FAREWELL) {
    if (stats.bytesWritten !== written) progress = Date.now();
    written = stats.bytesWritten;
    await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
