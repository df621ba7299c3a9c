import { checkpoint, type LogKeeper } from "./checkpoint.ts";
import { type Statements, VACUUM_PAGES } from "./statements.ts";

/**
 * Gives disk space back: pages of the database file that are free, once there are enough of them
 * (https://sqlite.org/pragma.html#pragma_incremental_vacuum).
 */
export interface Vacuum {
  statements: Statements;
  log: LogKeeper;
  /** It begins when so many pages are free; 0 is never. */
  enough: number;
  /** Free pages are being given back, until there are none. */
  running: boolean;
  /** How many were given back since the file itself was last made shorter. */
  givenBack: number;
}

/** How many pages given back make it worthwhile to shorten the file. */
const SHORTEN_PAGES = 1024;

/** @param enough it begins when so many pages are free; 0 is never */
export function newVacuum(statements: Statements, log: LogKeeper, enough: number): Vacuum {
  return { statements, log, enough, running: false, givenBack: 0 };
}

/**
 * Gives back a portion of the free pages.
 * @param transact does the work in a transaction of its own
 * @returns whether there may be more to do
 */
export function giveSpaceBack(vacuum: Vacuum, transact: (work: () => void) => void): boolean {
  const { statements, enough } = vacuum;
  if (enough === 0) return false;
  const free = statements.freePages.get()?.freelist_count ?? 0;
  if (free >= enough) vacuum.running = true;
  if (!vacuum.running) return false;
  if (free > 0) transact(() => void statements.vacuum.run());
  else vacuum.running = false;
  vacuum.givenBack += VACUUM_PAGES;
  if (!vacuum.running || vacuum.givenBack >= SHORTEN_PAGES) shorten(vacuum);
  return true;
}

/** The file gets shorter only when a checkpoint brings its new length into it; much at once takes long. */
function shorten(vacuum: Vacuum): void {
  vacuum.givenBack = 0;
  checkpoint(vacuum.log, "passive");
}
