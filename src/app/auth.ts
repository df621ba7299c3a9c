import { optionError } from "../config/error.ts";
import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";
import { changeAccounts, newAccess } from "../engine/access/access.ts";
import type { Credentials } from "../engine/access/account.ts";
import { parseAuthFile } from "../engine/access/auth_file.ts";
import { endForbiddenWaits } from "../engine/authenticate.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clients } from "../net/clients.ts";
import { warn } from "../util/log.ts";

/* The auth file of a server. */

/**
 * The accounts of --auth-file; undefined without it.
 * @throws OptionError when the file cannot be read, or one of its lines is wrong
 */
export function readAccounts({ authFile }: Options): Credentials[] | undefined {
  if (authFile === undefined) return undefined;
  const content = readOptionFile("--auth-file", authFile).toString("latin1");
  try {
    return parseAuthFile(content);
  } catch (cause) {
    throw optionError(`--auth-file ${authFile}`, (cause as Error).message);
  }
}

/** From now on clients must authenticate as one of these accounts. */
export function demandAccounts(engine: Engine, accounts: readonly Credentials[]): void {
  engine.access = newAccess(accounts, engine.runtime, (secret, hash) =>
    // It runs in a thread of its own.
    Bun.password.verify(secret, hash),
  );
}

/**
 * Reads the file again: accounts that are not in it any more lose their connections.
 * @throws OptionError when something is wrong with it: then all stays as it was
 */
export function reloadAccounts(options: Options, { engine, connections }: Clients): void {
  const { access } = engine;
  const accounts = readAccounts(options);
  if (access === undefined || accounts === undefined) return;
  const removed = new Set(changeAccounts(access, accounts));
  for (const { session, socket } of connections) {
    if (session.account === undefined || !removed.has(session.account)) continue;
    warn(`a client of ${session.account.name} is disconnected: the name is not in the auth file`);
    socket.terminate();
  }
  endForbiddenWaits(engine);
}
