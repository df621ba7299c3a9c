import { type Backend, BackendError, type Measure, type Watcher } from "../backend.ts";
import { newQueueRules } from "../settings.ts";
import { countAll, startBeats } from "./beat.ts";
import { closeLink, openLink } from "./connection.ts";
import { newConsumer } from "./consumer.ts";
import { plainReason } from "./errors.ts";
import { sweepSome } from "./every_queue.ts";
import { executeGroup } from "./execute.ts";
import { connected } from "./grace.ts";
import type { SharedOptions } from "./options.ts";
import { inTurn } from "./planned.ts";
import { join } from "./server.ts";
import { settle } from "./settle.ts";
import { defaultsOf, newShared, settingsFor, type Shared } from "./state.ts";
import { heldNamed, previewsNamed, summariesOf, summaryNamed } from "./views.ts";

export type { SharedOptions } from "./options.ts";

/** Between two looks for what can be deleted, in milliseconds. */
const CLEAN_MS = 5000;
/** How long a connection may be away before it is told of, in milliseconds. */
const AWAY_MS = 1000;

/** Opens the queues that servers share in PostgreSQL: a backend that answers later. @throws Error in words for the operator */
export async function openShared(options: SharedOptions, watcher: Watcher): Promise<Backend> {
  const shared = newShared(options, watcher);
  shared.link = await openLink(options.store);
  await join(shared, options.clock.monotonic() + options.graceMs);
  await countAll(shared, shared.link);
  startBeats(shared);
  return {
    newConsumer: (client = () => "") => newConsumer(shared.nextConsumer++, client),
    execute: (operations, from, to) => executeGroup(shared, operations, from, to),
    nextDue: () => Infinity,
    doDue: () => undefined,
    summaries: (names) => summariesOf(shared, names),
    summary: (name) => summaryNamed(shared, name),
    oldestArrival: async (name) => (await summaryNamed(shared, name))?.arrived ?? 0,
    previews: (name, most, after) => previewsNamed(shared, name, most, after),
    heldMessages: (name, most) => heldNamed(shared, name, most),
    setRules(rules) {
      shared.rules = newQueueRules(rules, defaultsOf(options));
    },
    settings: (name) => settingsFor(shared, name),
    usage: () => shared.usage,
    disk: () => undefined,
    measures: () => measuresOf(shared),
    syncs: shared.measured.flushes,
    afterReply: () => undefined,
    probe: () => probe(shared),
    shortage: () => shortageOf(shared),
    maintain: () => maintain(shared),
    checkpoint: () => undefined,
    close: () => close(shared),
  };
}

async function probe(shared: Shared): Promise<void> {
  try {
    const link = await connected(shared, shared.options.clock.monotonic() + shared.options.graceMs);
    await link.asks.unsafe(
      "select set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'memcacheq', '')",
    );
  } catch (error) {
    throw new BackendError(plainReason(error));
  }
}

function shortageOf({ away, options }: Shared): string | undefined {
  if (away === undefined || options.clock.monotonic() - away.since < AWAY_MS) return undefined;
  return `PostgreSQL is away (${away.reason})`;
}

/** Deletes a portion of what is of no use any more. */
async function maintain(shared: Shared): Promise<boolean> {
  const { link, rules, options } = shared;
  const now = options.clock.monotonic();
  if (link === undefined || now < shared.cleanAt) return false;
  const onceMs = Math.max(rules.defaults.onceMs, ...rules.found.map((each) => each.onceMs));
  try {
    const ids = Number.isFinite(options.limits.ids) ? options.limits.ids : 2 ** 53;
    const [found] = await link.asks.unsafe<{ more: boolean }[]>(
      "select memcacheq.clean($1, $2) as more",
      [onceMs, ids],
    );
    const hasMore = found?.more === true || (await sweep(shared));
    if (!hasMore) shared.cleanAt = now + CLEAN_MS;
    return hasMore;
  } catch (error) {
    throw new BackendError(plainReason(error));
  }
}

/** Looks for expired messages in a part of the queues. @returns whether there are more queues */
async function sweep(shared: Shared): Promise<boolean> {
  const { rules, options } = shared;
  const all = [...rules.found, rules.defaults];
  if (!all.some(({ maxAgeMs, readsExptime }) => maxAgeMs !== Infinity || readsExptime))
    return false;
  const deadline = options.clock.monotonic() + options.graceMs;
  shared.sweptTo = await inTurn(shared, () => sweepSome(shared, shared.sweptTo, deadline));
  return shared.sweptTo > 0;
}

async function close(shared: Shared): Promise<void> {
  const { link, options } = shared;
  // What a turn took that no client got goes back.
  const deadline = options.clock.monotonic() + options.graceMs;
  if (link !== undefined)
    await inTurn(shared, () => settle(shared, deadline)).catch(() => undefined);
  await shared.last;
  shared.closed = true;
  for (const cancel of shared.timers) cancel();
  shared.timers.clear();
  if (link === undefined) return;
  await link.asks.unsafe("select memcacheq.leave($1)", [shared.server]).catch(() => undefined);
  await closeLink(link);
}

function measuresOf({ measured }: Shared): Measure[] {
  return [
    {
      name: "memcacheq_store_round_trip_seconds",
      help: "How long PostgreSQL took to execute each group.",
      kind: "histogram",
      value: measured.roundTrips,
    },
    {
      name: "memcacheq_store_retries_total",
      help: "Groups that were sent to PostgreSQL again.",
      kind: "counter",
      value: measured.retries,
    },
    {
      name: "memcacheq_store_beat_lag_seconds",
      help: "Time between the last two signs of life of this server.",
      kind: "gauge",
      value: measured.beatLagMs / 1000,
    },
  ];
}
