import { chownSync } from "node:fs";

import type { Options } from "../config/options.ts";
import { newServer, type Server } from "../engine/server.ts";
import { writePidFile } from "../os/pidfile.ts";
import { becomeUser, type User } from "../os/user.ts";
import { makeHome, openHome } from "../store/directory.ts";
import { openStore, type StoreOptions } from "../store/sqlite.ts";

/** The part of -m that SQLite's page cache gets; messages get the rest. */
const PAGE_CACHE_SHARE = 1 / 4;

/**
 * Makes what root must make for the user that the server will be, becomes that user, and opens the database.
 * @param user undefined when this process stays the user that it is
 */
export function composeServer(options: Options, user: User | undefined): Server {
  const { socket, pidFile } = options;
  if (user !== undefined && socket !== undefined) chownSync(socket, user.uid, user.gid);
  makeHome(options.home, user);
  // After the lock of the directory: a server that runs on it keeps its PID file.
  const home = openHome(options.home);
  if (options.daemon && pidFile !== undefined) writePidFile(pidFile, user);
  if (user !== undefined) becomeUser(user);
  const pageCache = Math.floor(options.memory * PAGE_CACHE_SHARE);
  const store = openStore(storeOptions(options, pageCache), home);
  return newServer(options, store, options.memory - pageCache);
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
  };
}
