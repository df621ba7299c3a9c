import type { Options } from "../config/options.ts";
import { MAX_MILLISECONDS } from "../config/values.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import type { Runtime, Settings } from "../engine/runtime.ts";
import { writePidFile } from "../os/pidfile.ts";
import { becomeUser, type User } from "../os/user.ts";
import type { Backend, Later, Watcher } from "../queues/backend.ts";
import { type LocalOptions, openLocal } from "../queues/local/local.ts";
import type { SharedOptions } from "../queues/shared/options.ts";
import { openShared } from "../queues/shared/shared.ts";
import { makeHome, openHome } from "../store/directory.ts";
import type { StoreOptions } from "../store/opening.ts";
import { openStore } from "../store/sqlite.ts";
import { systemClock } from "../util/clock.ts";
import { info, warn } from "../util/log.ts";
import { version } from "../util/version.ts";
import { readQueueRules } from "./queue_rules.ts";
import { readStorePassword } from "./store_password.ts";

/** The part of -m that SQLite's page cache gets; messages get the rest. */
const PAGE_CACHE_SHARE = 1 / 4;
/** Bytes of a page. */
const USUAL_PAGE = 4096;
const LARGE_PAGE = 16_384;

/**
 * Makes what root must make for the user that the server will be, becomes that user, and opens the queues.
 * @param user undefined when this process stays the user that it is
 */
export async function composeEngine(options: Options, user: User | undefined): Promise<Engine> {
  const runtime = loopRuntime();
  const { store } = options;
  const open =
    store === undefined
      ? prepareLocal(options, user, runtime)
      : prepareShared(options, store, user, runtime);
  return await openEngine(settingsOf(options), runtime, open);
}

function settingsOf({ maxBody, noSync, logBuffer, statsQueues }: Options): Settings {
  return { maxBody, waitsForDisk: !noSync, logBuffer, version, statsQueues };
}

type OpenBackend = (watcher: Watcher) => Later<Backend>;

/** A server with a database of its own. */
function prepareLocal(options: Options, user: User | undefined, runtime: Runtime): OpenBackend {
  const { home: directory, pidFile, memory } = options;
  makeHome(directory, user);
  // After the lock of the directory: a server that runs on it keeps its PID file.
  const home = openHome(directory);
  if (pidFile !== undefined) writePidFile(pidFile, user);
  if (user !== undefined) becomeUser(user);
  const pageCache = Math.floor(memory * PAGE_CACHE_SHARE);
  const store = openStore(storeOptions(options, pageCache), home);
  return (watcher) => openLocal(store, watcher, localOptions(options, memory - pageCache, runtime));
}

/** A server whose queues are in PostgreSQL. */
function prepareShared(
  options: Options,
  store: NonNullable<Options["store"]>,
  user: User | undefined,
  runtime: Runtime,
): OpenBackend {
  const { pidFile } = options;
  if (pidFile !== undefined) writePidFile(pidFile, user);
  // The file may be only for root to read.
  const password = readStorePassword(options);
  if (user !== undefined) becomeUser(user);
  const place = { ...store, password };
  return (watcher) => openShared(sharedOptions(options, place, runtime), watcher);
}

/** The event loop's time. */
function loopRuntime(): Runtime {
  return {
    ...systemClock,
    soon: (work) => void setImmediate(work),
    after(milliseconds, work) {
      // What is above it, if only by a rounding, would be over at once.
      const timer = setTimeout(work, Math.min(milliseconds, MAX_MILLISECONDS));
      return () => clearTimeout(timer);
    },
    process: () => ({ pid: process.pid, ...process.cpuUsage() }),
  };
}

function sharedOptions(
  options: Options,
  store: SharedOptions["store"],
  { monotonic, calendar, after }: Runtime,
): SharedOptions {
  const { storeGrace, maxMessages, maxBytes, maxIds, fanout, expiry, noSync } = options;
  return {
    store,
    graceMs: storeGrace,
    sync: !noSync,
    limits: { messages: maxMessages, bytes: maxBytes, ids: maxIds },
    fanout,
    readsExptime: expiry,
    rules: readQueueRules(options),
    version,
    clock: { monotonic, calendar },
    after,
    warn,
    info,
  };
}

/** @param cacheLimit bytes of messages in memory */
function localOptions(options: Options, cacheLimit: number, clock: Runtime): LocalOptions {
  return {
    cacheLimit,
    limits: {
      messages: options.maxMessages,
      bytes: options.maxBytes,
      minFree: options.minFree ?? 0,
      ids: options.maxIds,
    },
    fanout: options.fanout,
    readsExptime: options.expiry,
    rules: readQueueRules(options),
    tricklePercent: options.tricklePercent,
    clock,
    warn,
  };
}

/**
 * Of a new database, in bytes. A body of a megabyte costs a fifth less in pages of 16 KB; short messages take as much space
 * in them, but a commit of one message writes three times as much. @param maxBody bytes
 */
function pageSizeFor(maxBody: number): number {
  return maxBody >= LARGE_PAGE ? LARGE_PAGE : USUAL_PAGE;
}

/** @param cache bytes of SQLite's page cache */
function storeOptions(options: Options, cache: number): StoreOptions {
  return {
    directory: options.home,
    pageSize: options.pageSize ?? pageSizeFor(options.maxBody),
    cache,
    sync: !options.noSync,
    shrinkLog: options.removeLogs,
    lockWait: options.lockWait,
    extentPages: options.extentPages,
    progress: info,
    warn,
  };
}
