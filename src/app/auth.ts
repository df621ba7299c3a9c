import { optionError } from "../config/error.ts";
import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";
import { type Access, changeAccounts, newAccess } from "../engine/access/access.ts";
import type { Credentials } from "../engine/access/account.ts";
import { parseAuthFile } from "../engine/access/auth_file.ts";
import { endForbiddenWaits } from "../engine/authenticate.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clients } from "../net/clients.ts";
import { warn } from "../util/log.ts";
import { type Reloadable, warnUnlessReadable } from "./reload.ts";

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

/** Reading the file again: accounts that are not in it any more lose their connections. Nothing without a file. */
export function reloadableAccounts(options: Options, clients: Clients): Reloadable[] {
  const { authFile } = options;
  const { access } = clients.engine;
  if (authFile === undefined || access === undefined) return [];
  warnUnlessReadable(authFile);
  const reload = () => changeTo(clients, access, readAccounts(options) ?? []);
  return [{ what: `the auth file ${authFile}`, reload }];
}

function changeTo(clients: Clients, access: Access, accounts: readonly Credentials[]): void {
  const removed = new Set(changeAccounts(access, accounts));
  for (const { session, socket } of clients.connections) {
    const { account } = session;
    if (account === undefined || !removed.has(account)) continue;
    warn(
      `a client from ${session.address()} is disconnected: its name is not in the auth file any more`,
    );
    socket.terminate();
  }
  endForbiddenWaits(clients.engine);
}
