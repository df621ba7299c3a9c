import type { Database } from "bun:sqlite";

import { LATER_TABLES, MESSAGE_VIEW, NUMBER_BITS, VERSION } from "./schema.ts";

/** Gets lines about the progress of an upgrade, for the operator. */
export type Progress = (text: string) => void;

/** Of schema 1, that of memcacheq 1.0, in which `held` was a list of numbers in JSON in each queue's row. */
const FIRST_VERSION = 1;

/** Whether the file has an older schema, and an upgrade is due. */
export function isOld(database: Database): boolean {
  return versionOf(database) < VERSION;
}

/**
 * Turns a file of schema 1 into one of schema 2, in one transaction: after a crash in the middle it is one or the
 * other. No segment is touched, so that the number of messages doesn't matter.
 */
export function upgrade(database: Database, progress: Progress): void {
  const since = performance.now();
  progress(`upgrading the database from schema ${versionOf(database)} to ${VERSION}`);
  database
    .transaction(() => {
      // Another process may have upgraded it meanwhile.
      if (versionOf(database) !== FIRST_VERSION) return;
      database.run("DROP VIEW message");
      database.run(LATER_TABLES);
      database.run(
        `INSERT INTO held (key) SELECT (queue.id << ${NUMBER_BITS}) + value FROM queue, json_each(queue.held)`,
      );
      database.run("ALTER TABLE queue DROP COLUMN held");
      for (const column of ["paused", "lost", "delayed", "ahead"]) {
        database.run(`ALTER TABLE queue ADD COLUMN ${column} INTEGER`);
      }
      database.run(MESSAGE_VIEW);
      database.run(`PRAGMA user_version = ${VERSION}`);
    })
    .immediate();
  const seconds = (performance.now() - since) / 1000;
  progress(`the database has schema ${VERSION} now, after ${seconds.toFixed(1)} s`);
}

function versionOf(database: Database): number {
  const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
}
