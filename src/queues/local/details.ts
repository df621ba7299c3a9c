import { countWaiters } from "../../engine/waiters.ts";
import type { Broker } from "./broker.ts";
import { countMessages, oldestNumber, type Queue } from "./queue.ts";

/** A queue's counters: messages ever set, and messages gone for good. */
export interface QueueCounts {
  name: string;
  sets: number;
  gets: number;
}

/** Everything there is to know about one queue. */
export interface QueueDetails extends QueueCounts {
  messages: number;
  /** Of the bodies. */
  bytes: number;
  open: number;
  waiters: number;
  /** Of the oldest message, in milliseconds; 0 when there is none. */
  age: number;
  /** Bytes that its messages take in memory. */
  memory: number;
}

/**
 * The counters of all queues, each as they are when it is asked for. Queues may come and go meanwhile: there are no
 * more of them here than there were at first, so that it ends.
 */
export function* queueCounts(broker: Broker): Generator<QueueCounts> {
  const { queues } = broker;
  let left = queues.size;
  for (const queue of queues.values()) {
    if (left-- === 0) return;
    // A commit that failed may have put another map in the place of this one.
    if (broker.queues === queues || broker.queues.get(queue.name) === queue) yield countsOf(queue);
  }
}

/**
 * One queue in detail, or undefined when there is no such queue. What the current batch set must be committed.
 * @throws StoreError when the store cannot be read
 */
export function queueDetails(broker: Broker, name: string): QueueDetails | undefined {
  const queue = broker.queues.get(name);
  if (queue === undefined) return undefined;
  const oldest = oldestNumber(queue);
  const arrived = oldest === 0 ? Date.now() : broker.store.arrived(queue.id, oldest);
  return {
    ...countsOf(queue),
    messages: countMessages(queue),
    bytes: queue.bytes,
    open: queue.open.size,
    waiters: countWaiters(broker.waiters, name),
    age: Math.max(0, Date.now() - arrived),
    memory: queue.segments.reduce((total, { used, cursor }) => total + used - cursor, 0),
  };
}

export function countsOf(queue: Queue): QueueCounts {
  const sets = queue.tail - 1;
  return { name: queue.name, sets, gets: sets - countMessages(queue) };
}
