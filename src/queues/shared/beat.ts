import type { Link } from "./connection.ts";
import { failureOf } from "./errors.ts";
import { AwayError, connected, dropLink } from "./grace.ts";
import { nameOf, remember } from "./names.ts";
import { tellOthers } from "./notify.ts";
import { inTurn } from "./planned.ts";
import { digestOf, rejoin } from "./server.ts";
import { later, type Shared } from "./state.ts";
import { listen, lookAgain, ripen } from "./wake.ts";

/*
 * Each second a server says that it lives. What its clients have open goes back when it did not for ten seconds. The
 * same statement brings what else there is to do.
 */

const BEAT_MS = 1000;

interface Beat {
  gone?: true;
  lag?: number;
  woken?: [number, number][];
  due?: number[] | null;
  rules?: number;
}

export function startBeats(shared: Shared): void {
  const state = { listening: undefined as Link | undefined, server: 0, isWarned: false };
  const beat = async () => {
    const { link } = shared;
    try {
      if (link === undefined) await connected(shared, shared.options.clock.monotonic() + BEAT_MS);
      else await beatOnce(shared, link, state);
    } catch (error) {
      const failure = error instanceof AwayError ? undefined : safely(error);
      if (failure?.kind === "away" && link !== undefined)
        await dropLink(shared, link, failure.reason);
    }
    if (!shared.closed) later(shared, BEAT_MS, () => void beat());
  };
  void beat();
}

function safely(error: unknown) {
  try {
    return failureOf(error);
  } catch {
    return undefined;
  }
}

interface Listening {
  listening: Link | undefined;
  server: number;
  isWarned: boolean;
}

async function beatOnce(shared: Shared, link: Link, state: Listening): Promise<void> {
  if (state.listening !== link || state.server !== shared.server) {
    state.listening = link;
    state.server = shared.server;
    await listen(shared, link.asks);
  }
  const [found] = await link.asks.unsafe<{ beat: Beat }[]>(
    "select memcacheq.beat($1, $2) as beat",
    [shared.server, digestOf(shared)],
  );
  const { gone, lag = 0, woken = [], due, rules = 1 } = found?.beat ?? {};
  if (gone === true) {
    const deadline = shared.options.clock.monotonic() + shared.options.graceMs;
    await inTurn(shared, () => rejoin(shared, 0, deadline));
    return;
  }
  shared.measured.beatLagMs = lag;
  shared.woken.push(...woken);
  tellOthers(shared, []);
  if (rules > 1 && !state.isWarned) {
    shared.options.warn(
      "servers that share these queues have different settings: each executes operations by its own",
    );
  }
  state.isWarned = rules > 1;
  if (due !== null && due !== undefined && due.length > 0) await ripenFound(shared, due, link);
  if (Number.isFinite(shared.options.limits.bytes))
    await inTurn(shared, () => countAll(shared, link));
  await lookAgain(shared);
}

async function ripenFound(shared: Shared, ids: number[], link: Link): Promise<void> {
  const unknown = ids.filter((id) => !shared.names.names.has(id));
  if (unknown.length > 0) {
    const rows = await link.asks.unsafe<{ id: number; name: string }[]>(
      "select id, encode(name, 'hex') as name from memcacheq.queue where id = any($1)",
      [unknown],
    );
    for (const { id, name } of rows) remember(shared.names, nameOf(name), id);
  }
  await ripen(shared, ids);
}

/** The limit of the bytes in all queues holds as of the last second. */
export async function countAll(shared: Shared, link: Link): Promise<void> {
  const [found] = await link.asks.unsafe<{ totals: object }[]>(
    "select memcacheq.totals() as totals",
  );
  Object.assign(shared.usage, found?.totals);
}
