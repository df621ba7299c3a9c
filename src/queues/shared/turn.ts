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

const TURN =
  "select * from memcacheq.turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
// It has to be transactional: otherwise its commit would not wait for the disk.
const FLUSH = "select pg_logical_emit_message(true, 'memcacheq', '')";

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
      const rows = await timed(shared, deadline, link, "roundTrips", () =>
        link.turns.unsafe<Row[]>(TURN, values),
      );
      if (shared.options.sync) {
        await timed(shared, deadline, link, "flushes", () => link.flushes.unsafe(FLUSH));
      }
      return rows;
    } catch (error) {
      const failure = error instanceof AwayError ? error : failureOf(error);
      if (failure instanceof AwayError) throw failure;
      shared.measured.retries++;
      if (failure.kind === "again") await pause(shared, deadline, failure.reason);
      else if (failure.kind === "away") await dropLink(shared, link, failure.reason);
      else throw new PlanError(failure);
    }
  }
}

/** Waits for an answer, but not longer than until the deadline. Then the connection is not to be used again. */
async function timed<T>(
  shared: Shared,
  deadline: number,
  link: Link,
  what: "roundTrips" | "flushes",
  ask: () => PromiseLike<T>,
): Promise<T> {
  const { clock } = shared.options;
  const begun = clock.monotonic();
  const answer = await within(shared, deadline, ask());
  if (answer === undefined) {
    const reason = "PostgreSQL does not answer";
    await dropLink(shared, link, reason);
    throw new AwayError(reason, true);
  }
  observeTime(shared.measured[what], clock.monotonic() - begun);
  return answer.value;
}
