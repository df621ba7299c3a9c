import type { HeldMessages, QueueDetails, QueueSummary } from "../summary.ts";
import { knownArrival, noteArrival } from "./arrivals.ts";
import { countWaiting } from "./delivery.ts";
import { countMessages, oldestNumber } from "./held.ts";
import { toldNumber } from "./leases.ts";
import { onceWindow } from "./once.ts";
import { countOpen, listOpen, longestOpen } from "./open.ts";
import type { Queue } from "./queue.ts";
import { type Local, settingsOf } from "./state.ts";
import { NO_TALLY } from "./tally.ts";
import { waitingMessages } from "./waiting.ts";

export function summaryOf({ arrivals }: Local, queue: Queue): QueueSummary {
  const messages = countMessages(queue);
  const sets = queue.tail - 1;
  return {
    id: queue.id,
    name: queue.name,
    messages,
    bytes: queue.bytes,
    open: countOpen(queue),
    openedAt: longestOpen(queue)?.openedAt,
    delayed: countWaiting(queue.delivery),
    arrived: messages === 0 ? 0 : knownArrival(arrivals, queue.id, oldestNumber(queue)),
    leased: queue.delivery === undefined ? 0 : queue.delivery.leases.size,
    sets,
    gets: sets - messages,
    paused: queue.paused,
    // An empty queue has none, as in Kestrel.
    waitedMs: messages === 0 ? 0 : queue.waitedMs,
    ...(queue.tally ?? NO_TALLY),
  };
}

export function detailsOf(local: Local, queue: Queue): QueueDetails {
  const arrived = arrivalOf(local, queue);
  const age = arrived === 0 ? 0 : Math.max(0, local.clock.calendar() - arrived);
  const segments = queue.segments ?? [];
  const memory = segments.reduce((total, { used, cursor }) => total + used - cursor, 0);
  const summary = summaryOf(local, queue);
  const { openedAt } = summary;
  const openAge = openedAt === undefined ? 0 : local.clock.monotonic() - openedAt;
  const onceMs = onceWindow(local, settingsOf(local, queue).onceMs);
  return { ...summary, age, memory, openAge: Math.round(openAge), onceMs };
}

/** The same as {@link arrivalOf}, and the store is asked once for each message. */
export function arrivalKept(local: Local, queue: Queue): number {
  const { arrivals } = local;
  const number = oldestNumber(queue);
  const known = knownArrival(arrivals, queue.id, number);
  if (known !== undefined) return known;
  const arrived = arrivalOf(local, queue);
  // One that is not committed yet has its time from the commit.
  if (arrived > 0 && number < queue.stored.tail) noteArrival(arrivals, queue.id, number, arrived);
  return arrived;
}

/**
 * When the oldest message was committed, in milliseconds since 1970; 0 when there is none, or it is lost.
 * @throws StoreError when the store cannot be read
 */
export function arrivalOf({ store, clock }: Local, queue: Queue): number {
  const oldest = oldestNumber(queue);
  if (oldest === 0) return 0;
  return oldest >= queue.stored.tail ? clock.calendar() : (store.arrived(queue.id, oldest) ?? 0);
}

/** Of a queue that is not there. */
export const NONE_HELD: HeldMessages = Object.freeze({ open: [], leased: [], delayed: [] });

/** The messages that are open or leased the longest, and the oldest that are delayed, up to so many of each. @throws StoreError */
export function heldMessagesOf(local: Local, queue: Queue, most: number): HeldMessages {
  const { offset } = local.due;
  const { delivery } = queue;
  const held: HeldMessages = { open: [], leased: [], delayed: [] };
  for (const { number, length, consumer, openedAt } of listOpen(queue)) {
    if (held.open.length === most) break;
    const earlier = delivery?.counts.get(number) ?? 0;
    const told = toldNumber(number, earlier);
    const client = consumer.client();
    held.open.push({ number, told, deliveries: earlier + 1, length, client, openedAt });
  }
  // A lease that is extended keeps its place in the map.
  for (const { number, deliveries, bytes, client, due } of delivery?.leases.values() ?? []) {
    if (held.leased.length === most) break;
    const told = toldNumber(number, deliveries - 1);
    const length = bytes < 0 ? undefined : bytes;
    held.leased.push({ number, told, deliveries, length, client, until: due - offset });
  }
  for (const { number, deliveries, due } of waitingMessages(local, queue, 0, most))
    held.delayed.push({ number, deliveries, due: due - offset });
  return held;
}
