import type { MessagePreview, OpenMessage, QueueDetails, QueueSummary } from "../summary.ts";
import { knownArrival, noteArrival } from "./arrivals.ts";
import { countWaiting } from "./delivery.ts";
import { addHeld, countMessages, oldestNumber } from "./held.ts";
import { onceWindow } from "./once.ts";
import { countOpen, findOpen, listOpen, longestOpen } from "./open.ts";
import { newMessage, type Queue } from "./queue.ts";
import { findHeld } from "./reading.ts";
import { type Local, settingsOf } from "./state.ts";
import { NO_TALLY } from "./tally.ts";

/** A preview reads whole messages: after so many bytes it reads no more. */
const MAX_READ_BYTES = 1024 * 1024;

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

/** The messages that are open the longest, up to so many. */
export function openMessagesOf(queue: Queue, most: number): OpenMessage[] {
  const found: OpenMessage[] = [];
  for (const { number, length, consumer, openedAt } of listOpen(queue)) {
    if (found.length === most) break;
    found.push({ number, length, client: consumer.client(), openedAt });
  }
  return found;
}

/** The oldest messages of the queue, behind number `after`, that are committed and can be read. @throws StoreError */
export function previewsOf(
  { store }: Local,
  queue: Queue,
  most: { messages: number; bytes: number },
  after = 0,
): MessagePreview[] {
  const message = newMessage();
  const previews: MessagePreview[] = [];
  let read = 0;
  for (const number of oldestNumbers(queue, most.messages, after)) {
    if (read >= MAX_READ_BYTES) break;
    if (!findHeld(queue, store, number, message)) continue;
    const { flags, body, start, end } = message;
    read += end - start;
    previews.push({
      number,
      flags,
      length: end - start,
      body: Buffer.from(body.subarray(start, Math.min(end, start + most.bytes))),
      arrived: store.arrived(queue.id, number) ?? 0,
      open: findOpen(queue, number) !== undefined,
    });
  }
  return previews;
}

function oldestNumbers(queue: Queue, most: number, after: number): number[] {
  const numbers: number[] = [];
  addHeld(queue, after + 1, queue.head, numbers);
  numbers.sort((a, b) => a - b);
  for (
    let number = Math.max(queue.head, after + 1);
    number < queue.stored.tail && numbers.length < most;
    number++
  ) {
    numbers.push(number);
  }
  return numbers.slice(0, most);
}
