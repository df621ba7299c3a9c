import type { SQL } from "bun";

import type { Operation } from "../operation.ts";
import { failureOf } from "./errors.ts";
import { findNames } from "./find.ts";
import { channelOf } from "./notify.ts";
import { inTurn } from "./planned.ts";
import { runSingles } from "./singles.ts";
import { later, type Shared, type Wait } from "./state.ts";

/*
 * Clients wait for messages that are set at any server. A server whose clients wait says so in PostgreSQL, under the lock
 * of the queue; the turn that adds a message finds it there, and has it told behind its commit. To be safe, servers also look
 * by themselves each second.
 */

/** Queues that are looked for at once. */
const PORTION = 1000;

/** Clients wait for these queues from now on: PostgreSQL learns it where it does not know yet. */
export function waitForAbsent(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  end: number,
): void {
  for (let at = from; at < end; at++) {
    const { kind, outcome, queue } = operations[at] as Operation;
    if (outcome !== "absent" || !WAITING.has(kind) || !shared.watcher.isAwaited(queue)) continue;
    const wait = shared.waits.get(queue) ?? { id: undefined, isKnown: false, cancel: undefined };
    shared.waits.set(queue, wait);
    if (!wait.isKnown) void register(shared, queue, wait);
  }
}

const WAITING: ReadonlySet<string> = new Set(["take", "open", "lease", "move", "peek"]);

/** Says that this server waits, and learns whether there is a message already. */
async function register(shared: Shared, queue: string, wait: Wait): Promise<void> {
  wait.isKnown = true;
  try {
    const deadline = shared.options.clock.monotonic() + shared.options.graceMs;
    if (wait.id === undefined) await shared.link?.asks.unsafe(WAIT, [shared.server, 0]);
    wait.id = (await findNames(shared, new Set([queue]), deadline)).get(queue);
    if (wait.id === undefined || shared.link === undefined) return;
    const [found] = await shared.link.asks.unsafe<Found[]>(WAIT, [shared.server, wait.id]);
    if (found !== undefined) noteFound(shared, queue, wait, found);
  } catch (error) {
    // The look of the next second comes anyway.
    wait.isKnown = false;
    failureOf(error);
  }
}

const WAIT =
  "select available::float8 as available, due::float8 as due from memcacheq.wait($1, $2)";

interface Found {
  available: number;
  due: number | null;
}

function noteFound(shared: Shared, queue: string, wait: Wait, { available, due }: Found): void {
  wait.cancel?.();
  wait.cancel = undefined;
  if (available > 0) shared.watcher.ready(queue, available);
  if (due !== null && shared.watcher.isAwaited(queue)) {
    wait.cancel = later(shared, due + 1, () => void ripen(shared, [wait.id as number]));
  }
}

/** Messages of these queues are due: they can be delivered from now on. */
export async function ripen(shared: Shared, ids: readonly number[]): Promise<void> {
  const singles = ids.map((q) => ({ k: "ripen", q, absent: "done" }));
  const deadline = shared.options.clock.monotonic() + shared.options.graceMs;
  await inTurn(shared, () => runSingles(shared, singles, deadline)).catch(() => undefined);
  for (const [queue, wait] of shared.waits) {
    if (wait.id !== undefined && ids.includes(wait.id)) void look(shared, queue, wait);
  }
}

async function look(shared: Shared, queue: string, wait: Wait): Promise<void> {
  if (!shared.watcher.isAwaited(queue)) {
    wait.cancel?.();
    shared.waits.delete(queue);
    return;
  }
  await register(shared, queue, wait);
}

/** Listens for what other servers tell this one. */
export async function listen(shared: Shared, sql: SQL): Promise<void> {
  await sql.listen(channelOf(shared.server), (payload) => {
    const id = Number(payload);
    for (const [queue, wait] of shared.waits)
      if ((wait.id ?? 0) === id) void look(shared, queue, wait);
  });
}

/** Looks whether there are messages of queues that clients wait for. It may be that no server told of them. */
export async function lookAgain(shared: Shared): Promise<void> {
  const ids: number[] = [];
  for (const [queue, wait] of shared.waits) {
    if (!shared.watcher.isAwaited(queue)) void look(shared, queue, wait);
    else if (wait.id === undefined || !wait.isKnown) void register(shared, queue, wait);
    else if (ids.length < PORTION) ids.push(wait.id);
  }
  if (ids.length === 0 || shared.link === undefined) return;
  const found = await shared.link.asks.unsafe<{ id: number; messages: number }[]>(
    "select m.queue as id, (m.line + m.ready)::float8 as messages from unnest($1::int[]) q, memcacheq.newest(q) m where m.line + m.ready > 0 and not memcacheq.is_paused(m, memcacheq.now_ms())",
    [ids],
  );
  for (const { id, messages } of found) {
    const queue = shared.names.names.get(id);
    if (queue !== undefined && shared.watcher.isAwaited(queue))
      shared.watcher.ready(queue, messages);
  }
}
