import { countWaiters } from "../../engine/waiters.ts";
import type { Store } from "../../store/store.ts";
import type { Broker } from "./broker.ts";
import { countsOf, type QueueCounts } from "./details.ts";
import { newMessage } from "./message.ts";
import { countMessages, find, positionOf, type Queue } from "./queue.ts";

/** A queue at a glance. */
export interface Overview extends QueueCounts {
  messages: number;
  /** Of the bodies. */
  bytes: number;
  open: number;
  waiters: number;
  /** When its oldest message was committed, in milliseconds since 1970; 0 when there is none. */
  oldest: number;
}

/** A message as it lies in its queue. */
export interface Sight {
  number: number;
  flags: number;
  /** Of the body, in bytes; and as many of them as were asked for. */
  length: number;
  body: Buffer;
  /** When it was committed, in milliseconds since 1970. */
  arrived: number;
  /** A consumer has it, and neither closed nor aborted it. */
  open: boolean;
}

/** Large messages are read whole to show their beginnings: after so many bytes no further one is. */
const MOST_READ = 1024 * 1024;

/** When the oldest message came, of each queue: that is asked once a message. */
const arrivals = new WeakMap<Queue, { number: number; arrived: number }>();

export function overviewOf(broker: Broker, queue: Queue): Overview {
  return {
    ...countsOf(queue),
    messages: countMessages(queue),
    bytes: queue.bytes,
    open: queue.open.size,
    waiters: countWaiters(broker.waiters, queue.name),
    oldest: oldestArrival(broker.store, queue),
  };
}

/** A queue that is not there, but waited for: its name may be a mistake. */
export function absentOverview(broker: Broker, name: string): Overview {
  const waiters = countWaiters(broker.waiters, name);
  return { name, messages: 0, bytes: 0, sets: 0, gets: 0, open: 0, waiters, oldest: 0 };
}

/** The names that are waited for though there is no such queue. */
export function* absentNames(broker: Broker): Generator<string> {
  for (const name of broker.waiters.keys()) if (!broker.queues.has(name)) yield name;
}

/** In milliseconds since 1970; 0 for an empty queue. @throws StoreError when the store cannot be read */
export function oldestArrival(store: Store, queue: Queue): number {
  const { held, head, tail } = queue.stored;
  const number = held[0] ?? (head < tail ? head : 0);
  if (number === 0) return 0;
  const known = arrivals.get(queue);
  if (known?.number === number) return known.arrived;
  const arrived = store.arrived(queue.id, number);
  arrivals.set(queue, { number, arrived });
  return arrived;
}

/**
 * The oldest messages of the queue, open ones too, without taking them.
 * @param most how many, and of each body how many bytes
 * @throws StoreError when the store cannot be read
 */
export function oldestMessages(
  store: Store,
  queue: Queue,
  most: { messages: number; bytes: number },
): Sight[] {
  const message = newMessage();
  const sights: Sight[] = [];
  let read = 0;
  for (const number of oldestNumbers(queue, most.messages)) {
    if (read >= MOST_READ) break;
    find(queue, store, number, message);
    const { flags, bytes, start, end } = message;
    read += end - start;
    sights.push({
      number,
      flags,
      length: end - start,
      body: Buffer.from(bytes.subarray(start, Math.min(end, start + most.bytes))),
      arrived: store.arrived(queue.id, number),
      open: queue.open.has(number),
    });
  }
  return sights;
}

/** What is not committed yet is not there yet. */
function oldestNumbers(queue: Queue, most: number): number[] {
  const { held, head } = positionOf(queue);
  const numbers = held.slice(0, most);
  for (let number = head; number < queue.stored.tail && numbers.length < most; number++) {
    numbers.push(number);
  }
  return numbers.filter((number) => number < queue.stored.tail);
}
