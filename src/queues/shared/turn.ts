import { observeTime } from "../../util/histogram.ts";
import type { Link } from "./connection.ts";
import { failureOf } from "./errors.ts";
import { AwayError, connected, dropLink, pause, PlanError, within } from "./grace.ts";
import { joinBodies, type Plan } from "./plan.ts";
import type { Shared } from "./state.ts";

/*
 * A turn is one statement, and one more that waits for the disk. It has a number, so that it can be sent again when its
 * answer got lost: PostgreSQL executes it once, and answers the same.
 */

/** The turn has to be sent again. */
class AgainError extends Error {}

/** What a step brought: see the type memcacheq.result. */
export interface Row {
  step: number;
  outcome: string | null;
  number: number;
  ends: ArrayLike<number> | null;
  flags: ArrayLike<number> | null;
  body: Buffer | null;
  info: Record<string, unknown> | null;
}

/** What the turn tells beside its steps. */
export function tellsOf(rows: readonly Row[]): Record<string, unknown> {
  return rows.find(({ step }) => step === 0)?.info ?? {};
}

const TURN =
  "select * from memcacheq.turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
// It has to be transactional: otherwise its commit would not wait for the disk.
// The answer to a turn may come before its commit, so this looks whether that is done.
const FLUSH =
  "select set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'memcacheq', '') from memcacheq.turn where server = $1 and no = $2";

/**
 * Has PostgreSQL execute the plan as turn number `no`, and waits until that is on disk.
 * @param awaited ids of queues that clients wait for
 * @throws AwayError, PlanError
 */
export async function runTurn(
  shared: Shared,
  plan: Plan,
  no: number,
  awaited: readonly number[],
  deadline: number,
): Promise<Row[]> {
  const bodies = joinBodies(plan);
  let isSent = false;
  for (;;) {
    const link = await connected(shared, deadline, isSent);
    const values = [
      link.session,
      shared.server,
      no,
      plan.queues,
      plan.kinds,
      plan.of,
      plan.counts,
      plan.ends,
      plan.flags,
      bodies,
      plan.expires,
      plan.most,
      plan.singles.length === 0 ? null : plan.singles,
      plan.rules,
      awaited,
    ];
    isSent = true;
    try {
      return await answered(shared, deadline, link, values);
    } catch (error) {
      if (error instanceof AwayError) throw error;
      shared.measured.retries++;
      if (error instanceof AgainError) continue;
      const failure = failureOf(error);
      if (failure.kind === "again") await pause(shared, deadline, failure.reason);
      else if (failure.kind === "away") await dropLink(shared, link, failure.reason);
      else throw new PlanError(failure);
    }
  }
}

/** A turn may take so long where PostgreSQL is busy, in milliseconds: see the timeouts in connection.ts. */
const MAX_BUSY_MS = 35_000;
const ALIVE_MS = 1000;

/** Waits for an answer until the deadline, and longer as long as PostgreSQL answers other questions. */
async function patiently<T>(
  shared: Shared,
  link: Link,
  deadline: number,
  answer: Promise<T>,
): Promise<{ value: T } | undefined> {
  const { clock } = shared.options;
  const last = clock.monotonic() + MAX_BUSY_MS;
  for (let until = deadline; ; until = clock.monotonic() + ALIVE_MS) {
    const found = await within(shared, until, answer);
    if (found !== undefined || clock.monotonic() >= last) return found;
    const alive = link.asks.unsafe("select 1").catch(() => undefined);
    const isAlive = await within(shared, clock.monotonic() + ALIVE_MS, alive);
    if (isAlive?.value === undefined) return undefined;
  }
}

/** Sends a turn, and right behind it the wait for the disk: both have to succeed. */
async function answered(
  shared: Shared,
  deadline: number,
  link: Link,
  values: readonly unknown[],
): Promise<Row[]> {
  const { clock, sync } = shared.options;
  const begun = clock.monotonic();
  const timed = (rows: Row[]) => {
    observeTime(shared.measured.roundTrips, clock.monotonic() - begun);
    return rows;
  };
  const turn = link.turns.unsafe<Row[]>(TURN, [...values]).execute();
  const flush = sync
    ? link.turns.unsafe<unknown[]>(FLUSH, [values[1], values[2]]).execute()
    : undefined;
  // The second has to be done, too, before the next turn, and an error of the first is the one that counts.
  const settled = Promise.allSettled([turn.then(timed), flush]).then(([first, second]) => {
    if (first.status === "rejected") throw first.reason;
    if (second.status === "rejected") throw second.reason;
    return { rows: first.value, flushed: second.value };
  });
  const answer = await patiently(shared, link, deadline, settled);
  if (answer === undefined) {
    const reason = "PostgreSQL does not answer";
    await dropLink(shared, link, reason);
    throw new AwayError(reason, true);
  }
  const { rows, flushed } = answer.value;
  if (flushed === undefined) return rows;
  observeTime(shared.measured.flushes, clock.monotonic() - begun);
  if (flushed.length > 0) return rows;
  await dropLink(shared, link, "the connection was made anew");
  return await Promise.reject(new AgainError());
}
