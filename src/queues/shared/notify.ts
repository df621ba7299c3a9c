import { failureOf } from "./errors.ts";
import type { Shared } from "./state.ts";
import { type Row, tellsOf } from "./turn.ts";

/* Behind a turn the clients that wait for its messages are told of them: those of this server, and other servers. */

/** A turn left messages that clients of this server wait for. */
export function announce(shared: Shared, rows: readonly Row[]): void {
  const available = tellsOf(rows)["available"] as [number, number][] | null | undefined;
  for (const [id, messages] of available ?? []) {
    const queue = shared.names.names.get(id);
    if (queue !== undefined && shared.watcher.isAwaited(queue))
      shared.watcher.ready(queue, messages);
  }
}

/** Tells other servers of messages that they wait for. It is a transaction of its own: NOTIFY makes commits wait for each other. */
export function tellOthers(shared: Shared, rows: readonly Row[]): void {
  const woken = tellsOf(rows)["woken"] as [number, number][] | undefined;
  if (woken !== undefined) shared.woken.push(...woken);
  if (shared.woken.length === 0) return;
  const told = shared.woken.splice(0);
  const channels = told.map(([server]) => channelOf(server));
  const queues = told.map(([, queue]) => String(queue));
  for (const [, queue] of told) forgetKnown(shared, queue);
  shared.link?.asks
    .unsafe("select pg_notify(c, q) from unnest($1::text[], $2::text[]) x (c, q)", [
      channels,
      queues,
    ])
    .catch(failureOf);
}

/** PostgreSQL does not know any more that this server waits for the queue. */
function forgetKnown(shared: Shared, id: number): void {
  for (const wait of shared.waits.values()) if ((wait.id ?? 0) === id) wait.isKnown = false;
}

export function channelOf(server: number): string {
  return `memcacheq_${server}`;
}

/** The server is a new one: nothing is known of it. */
export function forgetWaits({ waits }: Shared): void {
  for (const wait of waits.values()) wait.isKnown = false;
}
