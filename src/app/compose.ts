import type { Options } from "../config/options.ts";
import type { Engine } from "../engine/engine.ts";
import { newEngine } from "../engine/open.ts";
import type { Runtime } from "../engine/runtime.ts";
import { writePidFile } from "../os/pidfile.ts";
import { becomeUser, type User } from "../os/user.ts";
import type { Watcher } from "../queues/backend.ts";
import { type LocalOptions, openLocal } from "../queues/local/local.ts";
import { makeHome, openHome } from "../store/directory.ts";
import type { StoreOptions } from "../store/opening.ts";
import { openStore } from "../store/sqlite.ts";
import { systemClock } from "../util/clock.ts";
import { info, warn } from "../util/log.ts";
import { version } from "../util/version.ts";
import { readQueueRules } from "./queue_rules.ts";

/** The part of -m that SQLite's page cache gets; messages get the rest. */
const PAGE_CACHE_SHARE = 1 / 4;

/**
 * Makes what root must make for the user that the server will be, becomes that user, and opens the database.
 * @param user undefined when this process stays the user that it is
 */
export async function composeEngine(options: Options, user: User | undefined): Promise<Engine> {
  const { pidFile } = options;
  makeHome(options.home, user);
  // After the lock of the directory: a server that runs on it keeps its PID file.
  const home = openHome(options.home);
  if (pidFile !== undefined) writePidFile(pidFile, user);
  if (user !== undefined) becomeUser(user);
  const pageCache = Math.floor(options.memory * PAGE_CACHE_SHARE);
  const store = openStore(storeOptions(options, pageCache), home);
  const runtime = loopRuntime();
  const settings = {
    maxBody: options.maxBody,
    waitsForDisk: !options.noSync,
    logBuffer: options.logBuffer,
    version,
    statsQueues: options.statsQueues,
  };
  return newEngine(settings, runtime, (watcher: Watcher) =>
    openLocal(store, watcher, localOptions(options, options.memory - pageCache, runtime)),
  );
}

/** The event loop's time. */
function loopRuntime(): Runtime {
  return {
    ...systemClock,
    soon: (work) => void setImmediate(work),
    after(milliseconds, work) {
      const timer = setTimeout(work, milliseconds);
      return () => clearTimeout(timer);
    },
    process: () => ({ pid: process.pid, ...process.cpuUsage() }),
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

/** @param cache bytes of SQLite's page cache */
function storeOptions(options: Options, cache: number): StoreOptions {
  return {
    directory: options.home,
    pageSize: options.pageSize,
    cache,
    sync: !options.noSync,
    shrinkLog: options.removeLogs,
    lockWait: options.lockWait,
    extentPages: options.extentPages,
    progress: info,
    warn,
  };
}
