import { type Store, StoreError } from "../store/store.ts";
import { newBatch } from "./batch.ts";
import { dropAll, type Memory, newMemory } from "./memory.ts";
import type { Message } from "./message.ts";
import {
  append,
  collectUnsaved,
  letGo,
  markSaved,
  newQueue,
  type Queue,
  rollBack,
  take,
} from "./queue.ts";

/**
 * All queues, and what happened to them since the last commit. Commands take effect in memory at once; nothing of it
 * is true before {@link commit}, and nothing of it happened when that throws.
 */
export interface Broker {
  queues: Map<string, Queue>;
  memory: Memory;
  store: Store;
  /** The queues that the current batch sets messages in or takes messages from. */
  touched: Queue[];
  /** The queues that the current batch made and dropped. */
  created: Queue[];
  dropped: Queue[];
  /** Bytes that the current batch set or brought into memory. */
  gathered: number;
}

/** A queue's counters: messages ever set, and messages gone. */
export interface QueueCounts {
  name: string;
  sets: number;
  gets: number;
}

/** The store keeps a message's number in 43 bits. */
const MAX_NUMBER = 2 ** 43 - 1;

/** @param memoryLimit bytes that the messages in memory may take */
export function openBroker(store: Store, memoryLimit: number): Broker {
  const queues = new Map<string, Queue>();
  for (const { queue, name, head, tail } of store.queues()) {
    queues.set(name, newQueue(queue, name, head, tail));
  }
  const memory = newMemory(memoryLimit);
  return { queues, memory, store, touched: [], created: [], dropped: [], gathered: 0 };
}

/**
 * Appends a message to the queue, and makes the queue if need be. The body is the bytes of `source` from `start` up to
 * `end`; when that is all of `source` and nobody else uses it, `alone` saves a copy.
 * @throws StoreError when the store cannot hold it
 */
export function setMessage(
  broker: Broker,
  name: string,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
  alone: boolean,
): void {
  const queue = broker.queues.get(name) ?? createQueue(broker, name);
  if (queue.tail >= MAX_NUMBER) throw new StoreError("the queue has used up its message numbers");
  append(queue, broker.memory, flags, source, start, end, alone);
  broker.gathered += end - start;
  touch(broker, queue);
}

/**
 * Takes the oldest message of the queue: false when there is none. What `message` then points to is good until the
 * next command.
 * @throws StoreError when it cannot be read
 */
export function takeMessage(broker: Broker, name: string, message: Message): boolean {
  const queue = broker.queues.get(name);
  if (queue === undefined) return false;
  const before = broker.memory.used;
  if (!take(queue, broker.memory, broker.store, message)) return false;
  broker.gathered += Math.max(0, broker.memory.used - before);
  touch(broker, queue);
  return true;
}

/** Drops the queue, its messages and its counters: false when there is no such queue. */
export function deleteQueue(broker: Broker, name: string): boolean {
  const queue = broker.queues.get(name);
  if (queue === undefined) return false;
  broker.queues.delete(name);
  dropAll(broker.memory, queue);
  const made = broker.created.indexOf(queue);
  if (made >= 0) broker.created.splice(made, 1);
  else broker.dropped.push(queue);
  return true;
}

/** The counters of all queues, in the order in which the queues were made. */
export function* queueCounts(broker: Broker): Generator<QueueCounts> {
  for (const { name, head, tail } of broker.queues.values()) {
    yield { name, sets: tail - 1, gets: head - 1 };
  }
}

/** Whether anything happened since the last commit. */
export function isDirty(broker: Broker): boolean {
  return broker.touched.length > 0 || broker.created.length > 0 || broker.dropped.length > 0;
}

/**
 * Makes everything since the last commit true, as one transaction.
 * @throws StoreError when the store could not: then {@link cancel} is due
 */
export function commit(broker: Broker): void {
  if (isDirty(broker)) {
    broker.store.commit(gather(broker));
    for (const queue of broker.touched) markSaved(queue, broker.memory);
  }
  forgetBatch(broker);
  keepWithinLimit(broker);
}

/** Forgets everything since the last commit; the queues are what the store has. */
export function cancel(broker: Broker): void {
  for (const { name } of broker.created) broker.queues.delete(name);
  for (const queue of broker.touched) rollBack(queue, broker.memory);
  for (const queue of broker.dropped) {
    rollBack(queue, broker.memory);
    broker.queues.set(queue.name, queue);
  }
  forgetBatch(broker);
}

function createQueue(broker: Broker, name: string): Queue {
  const id = broker.store.newQueueId();
  if (id === undefined) throw new StoreError("too many queues");
  const queue = newQueue(id, name, 1, 1);
  broker.queues.set(name, queue);
  broker.created.push(queue);
  return queue;
}

function touch(broker: Broker, queue: Queue): void {
  if (queue.touched) return;
  queue.touched = true;
  broker.touched.push(queue);
}

function gather(broker: Broker) {
  const batch = newBatch();
  for (const { id } of broker.dropped) batch.dropped.push(id);
  for (const { id, name } of broker.created) batch.created.push({ queue: id, name });
  for (const queue of broker.touched) {
    if (broker.queues.get(queue.name) !== queue) continue;
    collectUnsaved(queue, batch.segments);
    batch.positions.push({ queue: queue.id, head: queue.head, tail: queue.tail });
  }
  return batch;
}

function forgetBatch(broker: Broker): void {
  broker.touched.length = 0;
  broker.created.length = 0;
  broker.dropped.length = 0;
  broker.gathered = 0;
}

/**
 * What is beyond the limit is let go of; it is all in the store. The queue that was first to hold messages is the
 * first to lose them, its newest before its oldest.
 */
function keepWithinLimit(broker: Broker): void {
  const { memory } = broker;
  for (const queue of memory.holders) {
    if (memory.used <= memory.limit) return;
    letGo(queue, memory, memory.used - memory.limit);
  }
}
