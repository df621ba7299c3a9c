/** What is consumed or dropped goes away on the disk, however many messages are held beside it. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import type { Client } from "./client.ts";
import { eventually, start, suite } from "./harness.ts";

suite();

const HELD = 300;

/** The number of segments of each queue, dropped ones too, by the queue's id. */
function segmentsIn(database: Database): Record<string, number> {
  const counts = database
    .query<{ queue: number; segments: number }, []>(
      "SELECT key >> 43 AS queue, count(*) AS segments FROM segment GROUP BY 1",
    )
    .all();
  return Object.fromEntries(counts.map(({ queue, segments }) => [queue, segments]));
}

async function putOneByOne(client: Client, queue: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await client.put(queue, `${n}`);
}

test("segments go away between several hundred messages that are held", async () => {
  const server = await start(["-N"]);
  const client = await server.connect();
  const holders = await Promise.all(Array.from({ length: HELD }, () => server.connect()));
  await putOneByOne(client, "q", 2 * HELD + 500);
  for (const [n, holder] of holders.entries()) {
    expect(await holder.take("q/open")).toBe(`${2 * n}`);
    expect(await client.take("q")).toBe(`${2 * n + 1}`);
  }
  for (let n = 0; n < 480; n++) expect(await client.take("q")).toBe(`${2 * HELD + n}`);
  await putOneByOne(client, "gone", 300);
  expect(await client.ask("delete gone")).toBe("DELETED");

  const database = new Database(join(server.home, "memcacheq.db"), { readonly: true });
  const { id } = database.query<{ id: number }, []>("SELECT id FROM queue").get() ?? { id: 0 };
  const wanted = { [id]: HELD + 20 };
  await eventually("nothing but what is in the queue", () =>
    Bun.deepEquals(segmentsIn(database), wanted) ? true : undefined,
  );

  // What the holders give up goes, too, and what they give back comes again.
  for (const holder of holders.slice(1)) expect(await holder.take("q/close")).toBeUndefined();
  await holders[0]?.end();
  await eventually("one of the held messages", () =>
    Bun.deepEquals(segmentsIn(database), { [id]: 21 }) ? true : undefined,
  );
  expect(await client.take("q")).toBe("0");
  for (let n = 0; n < 20; n++) expect(await client.take("q")).toBe(`${2 * HELD + 480 + n}`);
  expect(await client.take("q")).toBeUndefined();
  database.close();
  await server.stop();
});
