/** What the file of a killed server has, read without the server. */
import { Database } from "bun:sqlite";
import { cpSync, rmSync } from "node:fs";

import type { Row } from "./jobs.ts";
import { databaseIn } from "./server.ts";

interface Counted {
  name: string;
  what: string;
  told: number;
  counted: number;
}

/** Of each queue what its row tells, and what its messages make of it, where they differ and nothing says that they may. */
const WRONG = `
  WITH found AS (
    SELECT queue.id, CAST(name AS TEXT) AS name, queue.bytes, lost, coalesce(delayed, 0) AS delayed, coalesce(ahead, 0) AS ahead,
           (SELECT coalesce(sum(length(body)), 0) FROM message WHERE message.queue = CAST(name AS TEXT)) AS bodies,
           (SELECT count(*) FROM delayed WHERE key >> 43 = queue.id) AS waiting,
           (SELECT count(*) FROM delayed WHERE key >= (queue.id << 43) + head AND key >> 43 = queue.id) AS waitingAhead
      FROM queue
  )
  SELECT name, 'bytes' AS what, bytes AS told, bodies AS counted FROM found WHERE lost IS NULL AND bytes <> bodies
  UNION ALL SELECT name, 'delayed', delayed, waiting FROM found WHERE delayed <> waiting
  UNION ALL SELECT name, 'ahead', ahead, waitingAhead FROM found WHERE ahead <> waitingAhead
`;

/** All messages in a home whose server is not running, and what is wrong with its counters. */
export function readRows(home: string): { rows: Row[]; faults: string[] } {
  const copy = `${home}.rows`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(home, copy, { recursive: true });
  rmSync(`${databaseIn(copy)}-shm`, { force: true });
  try {
    using database = new Database(databaseIn(copy));
    const rows = database
      .query<Omit<Row, "body"> & { body: Uint8Array }, []>(
        "SELECT queue, number, body, state, deliveries FROM message",
      )
      .all();
    const wrong = database.query<Counted, []>(WRONG).all();
    return {
      rows: rows.map((row) => ({ ...row, body: Buffer.from(row.body) })),
      faults: wrong.map(
        ({ name, what, told, counted }) =>
          `${name}: ${what} is ${told} in the file, and it has ${counted}`,
      ),
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
