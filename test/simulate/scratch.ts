/** A file of SQLite that outlives simulated crashes. */
import { Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MESSAGE_TABLES } from "../../src/store/schema.ts";
import { openStore } from "../../src/store/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import type { Clock } from "../../src/util/clock.ts";

export interface Scratch {
  open: (clock: Clock) => Store;
  /** The next store finds the files as they are now, as after kill -9. */
  crash: () => void;
  /** How many rows its tables have, but for the one of the version. */
  rows: () => number;
  /** Closes the store, and removes the files. */
  remove: () => void;
}

const FILES = ["memcacheq.db", "memcacheq.db-wal"];

export function newScratch(): Scratch {
  const root = mkdtempSync(join(tmpdir(), "memcacheq-simulate-"));
  let home = join(root, "0");
  let store: Store | undefined;
  mkdirSync(home);
  return {
    open(clock) {
      store = openStore({
        directory: home,
        pageSize: 4096,
        cache: 1024 * 1024,
        sync: false,
        shrinkLog: false,
        lockWait: 0,
        lastingDamage: 0,
        extentPages: 8,
        clock,
      });
      return store;
    },
    crash() {
      const next = `${home}0`;
      mkdirSync(next);
      for (const file of FILES) {
        if (existsSync(join(home, file))) copyFileSync(join(home, file), join(next, file));
      }
      store?.close();
      rmSync(home, { recursive: true });
      home = next;
    },
    rows() {
      const database = new Database(join(home, "memcacheq.db"));
      const counts = ["queue", "dropped", "segment", ...MESSAGE_TABLES].map(
        (table) =>
          database.query<{ rows: number }, []>(`SELECT count(*) AS rows FROM ${table}`).get()
            ?.rows ?? 0,
      );
      database.close();
      return counts.reduce((sum, rows) => sum + rows, 0);
    },
    remove() {
      store?.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
