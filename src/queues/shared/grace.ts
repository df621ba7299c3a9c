import { closeLink, type Link, openLink } from "./connection.ts";
import type { Failure } from "./errors.ts";
import type { Shared } from "./state.ts";

/* Operations wait for PostgreSQL while it is away, but not longer than the grace period. */

/** Milliseconds between two tries to connect. */
const RETRY_MS = 100;

/** PostgreSQL was away for as long as operations wait. */
export class AwayError extends Error {
  /** @param isSent the turn may have been executed */
  constructor(
    reason: string,
    readonly isSent: boolean,
  ) {
    super(reason);
  }
}

/** The turn was not executed, and has to be planned anew. */
export class PlanError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

/** Undefined when there is no answer until the deadline. */
export async function within<T>(
  shared: Shared,
  deadline: number,
  answer: PromiseLike<T>,
): Promise<{ value: T } | undefined> {
  const { after, clock } = shared.options;
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = after(Math.max(0, deadline - clock.monotonic()), () => resolve(undefined));
  });
  try {
    return await Promise.race([Promise.resolve(answer).then((value) => ({ value })), late]);
  } finally {
    cancel();
  }
}

/** The connections, as soon as there are any. @throws AwayError when there are none until the deadline */
export async function connected(shared: Shared, deadline: number, isSent = false): Promise<Link> {
  for (;;) {
    if (shared.link !== undefined) return shared.link;
    if (shared.closed) throw new AwayError("the server stops", isSent);
    shared.linking ??= connect(shared);
    const found = await within(
      shared,
      deadline,
      shared.linking.catch(() => undefined),
    );
    if (found?.value !== undefined) return found.value;
    const reason = shared.away?.reason ?? "PostgreSQL does not answer";
    if (shared.options.clock.monotonic() >= deadline) throw new AwayError(reason, isSent);
    await pause(shared, deadline, reason);
  }
}

async function connect(shared: Shared): Promise<Link> {
  try {
    const link = await openLink(shared.options.store);
    if (shared.closed) await closeLink(link);
    else if (shared.away !== undefined) shared.options.info("PostgreSQL is back");
    shared.link = link;
    shared.away = undefined;
    return link;
  } catch (error) {
    noteAway(shared, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    shared.linking = undefined;
  }
}

/** The connections are of no use: the next turn makes new ones. */
export async function dropLink(shared: Shared, link: Link, reason: string): Promise<void> {
  if (shared.link === link) {
    shared.link = undefined;
    noteAway(shared, reason);
  }
  await closeLink(link);
}

function noteAway(shared: Shared, reason: string): void {
  const { warn, clock } = shared.options;
  if (shared.away === undefined && !shared.closed) warn(`PostgreSQL is away: ${reason}`);
  shared.away = { reason, since: shared.away?.since ?? clock.monotonic() };
}

export async function pause(shared: Shared, deadline: number, reason: string): Promise<void> {
  const { after, clock } = shared.options;
  if (clock.monotonic() >= deadline) throw new AwayError(reason, true);
  await new Promise<void>((resolve) => void after(RETRY_MS, resolve));
}
