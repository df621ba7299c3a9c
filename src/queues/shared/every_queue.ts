import type { Operation } from "../operation.ts";
import type { SharedConsumer } from "./consumer.ts";
import { findNames, statement } from "./find.ts";
import { isAlone } from "./known.ts";
import { nameOf, remember } from "./names.ts";
import type { Single } from "./single.ts";
import { runSingles } from "./singles.ts";
import type { Shared } from "./state.ts";

/* Operations on several queues: a part of them in a turn. */

/** Queues in a part. */
const PART = 64;

/** Where the next part begins: behind this queue. `until` is of a flush that is not at the end of its queue. */
interface Cursor {
  after: number;
  expired: number;
  again: { id: number; until: number } | undefined;
}

/** Executes the operation if it is on several queues. @returns whether it is */
export async function executeAlone(
  shared: Shared,
  operation: Operation,
  deadline: number,
): Promise<boolean> {
  if (!isAlone(operation, new Set())) return false;
  if (operation.kind === "release") await release(shared, operation, deadline);
  else await visit(shared, operation, deadline);
  return true;
}

async function release(shared: Shared, operation: Operation, deadline: number): Promise<void> {
  const consumer = operation.consumer as SharedConsumer;
  const ids = await findNames(shared, new Set(consumer.open.keys()), deadline);
  const singles = [...ids.values()].map((q): Single => {
    return { k: "release", q, c: consumer.id, inVain: operation.inVain, absent: "done" };
  });
  await runSingles(shared, singles, deadline);
  consumer.open.clear();
  operation.outcome = "done";
}

async function visit(shared: Shared, operation: Operation, deadline: number): Promise<void> {
  const cursor = (operation.cursor ?? { after: 0, expired: 0, again: undefined }) as Cursor;
  const kind = operation.kind === "flush all" ? "flush" : "expire";
  const singles: Single[] = [];
  if (cursor.again !== undefined) {
    singles.push({ k: kind, q: cursor.again.id, absent: "done", until: cursor.again.until });
  } else {
    for (const id of await nextQueues(shared, cursor, deadline))
      singles.push({ k: kind, q: id, absent: "done" });
  }
  const rows = await runSingles(shared, singles, deadline);
  const isFull = cursor.again !== undefined || singles.length === PART;
  cursor.again = undefined;
  for (const { step, outcome, info } of rows) {
    cursor.expired += Number(info?.["expired"] ?? 0);
    // One queue with very many delayed messages: the others of this part are done.
    if (step > 0 && outcome === "more")
      cursor.again = { id: singles[step - 1]?.q as number, until: Number(info?.["until"]) };
  }
  operation.cursor = cursor;
  operation.number = cursor.expired;
  operation.provisional = true;
  operation.outcome = isFull || cursor.again !== undefined ? "more" : "done";
}

async function nextQueues(shared: Shared, cursor: Cursor, deadline: number): Promise<number[]> {
  const found = await statement<{ id: number; name: string }>(
    shared,
    "select id, encode(name, 'hex') as name from memcacheq.queue where id > $1 order by id limit $2",
    [cursor.after, PART],
    deadline,
  );
  for (const { id, name } of found) remember(shared.names, nameOf(name), id);
  cursor.after = found.at(-1)?.id ?? cursor.after;
  return found.map(({ id }) => id);
}

/**
 * Takes expired messages of some queues away, so that they need no client to come and find them.
 * @param after the last queue that was looked at @returns the same for the next part; 0: all were
 */
export async function sweepSome(shared: Shared, after: number, deadline: number): Promise<number> {
  const cursor: Cursor = { after, expired: 0, again: undefined };
  const ids = await nextQueues(shared, cursor, deadline);
  await runSingles(
    shared,
    ids.map((q) => ({ k: "expire", q, absent: "done" })),
    deadline,
  );
  return ids.length === PART ? cursor.after : 0;
}
