import { accessSync, constants } from "node:fs";

import { findLogFile, reopenLogFile } from "../os/log_file.ts";
import { error, info, warn } from "../util/log.ts";

/** Something that a running server reads again at SIGHUP. */
export interface Reloadable {
  /** In words for the log. */
  what: string;
  /** @throws Error with the reason, in words for the user: what was in use before is in use then */
  reload: () => void | Promise<void>;
}

/** Warns of a file that the user that the server has become cannot read again. */
export function warnUnlessReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch {
    warn(
      `${path} was read at the start, and cannot be read again at SIGHUP by the user that the server is now`,
    );
  }
}

/** The log, when it is a file. To be called at the start, when the file of that name is the one in use. */
export function reloadableLog(): Reloadable[] {
  const log = findLogFile();
  return log === undefined
    ? []
    : [{ what: `the log ${log.path}`, reload: () => reopenLogFile(log) }];
}

/** The function that reads all of it again, one after the other; those that cannot be read are logged. */
export function newReload(reloadables: readonly Reloadable[]): () => void {
  let last = Promise.resolve();
  return () => void (last = last.then(() => reloadAll(reloadables)));
}

async function reloadAll(reloadables: readonly Reloadable[]): Promise<void> {
  const done: string[] = [];
  for (const { what, reload } of reloadables) {
    try {
      await reload();
      done.push(what);
    } catch (cause) {
      error(`SIGHUP: ${what} is as before: ${(cause as Error).message}`);
    }
  }
  info(`SIGHUP: read again: ${done.join(", ") || "nothing"}`);
}
