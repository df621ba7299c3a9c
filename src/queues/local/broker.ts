import { firstWaiter, removeWaiter, type Waiters } from "../../engine/waiters.ts";
import { type Store, StoreError } from "../../store/store.ts";
import { dropAll, type Memory, newMemory, QUEUE_BYTES } from "./cache.ts";
import type { Consumer, Taking } from "./consumer.ts";
import { type Message, newMessage } from "./message.ts";
import {
  abandon,
  abortOpen,
  advance,
  append,
  closeOpen,
  countMessages,
  empty,
  find,
  isAvailable,
  keepOpen,
  look,
  newQueue,
  putBack,
  type Queue,
} from "./queue.ts";

/**
 * All queues, and what happened to them since the last commit. Commands take effect in memory at once; nothing of it
 * is true before it is committed, and nothing of it happened when that fails.
 */
export interface Broker {
  queues: Map<string, Queue>;
  waiters: Waiters;
  memory: Memory;
  limits: Limits;
  store: Store;
  /** Bytes of the bodies of all messages. */
  bytes: number;
  /** The queues that the current batch changes. */
  touched: Queue[];
  /** The queues that the current batch made and dropped. */
  created: Queue[];
  dropped: Queue[];
  taken: Taken;
  /** Queues with messages for those who wait. */
  ready: Queue[];
  /** Bytes that the current batch set or brought into memory. */
  gathered: number;
}

/** How much may be in the queues. */
export interface Limits {
  /** Messages in one queue. */
  messages: number;
  /** Bytes of the bodies in all queues. */
  bytes: number;
}

/** Who took which message in the current batch, until it is committed: three lists, so that a taking is no object. */
interface Taken {
  count: number;
  queues: Queue[];
  numbers: number[];
  consumers: Consumer[];
}

/** What flushing a queue counts for, as if so many bytes were set. */
const FLUSH_BYTES = 64;
/** The store keeps a message's number in 43 bits. */
const MAX_NUMBER = 2 ** 43 - 1;

/** @param memoryLimit bytes that the messages in memory may take */
export function openBroker(store: Store, memoryLimit: number, limits: Limits): Broker {
  const queues = new Map<string, Queue>();
  let bytes = 0;
  for (const { name, ...position } of store.queues()) {
    queues.set(name, newQueue(name, position));
    bytes += position.bytes;
  }
  return {
    queues,
    waiters: new Map(),
    memory: newMemory(memoryLimit),
    limits,
    store,
    bytes,
    touched: [],
    created: [],
    dropped: [],
    taken: { count: 0, queues: [], numbers: [], consumers: [] },
    ready: [],
    gathered: 0,
  };
}

/**
 * Appends a message to the queue, and makes the queue if need be: false when a limit forbids it. The body is the bytes
 * of `source` from `start` up to `end`; when that is all of `source` and nobody else uses it, `alone` saves a copy.
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
): boolean {
  const { limits } = broker;
  if (broker.bytes + end - start > limits.bytes) return false;
  let queue = broker.queues.get(name);
  // Counting is for those who have a limit.
  if (limits.messages !== Infinity && queue !== undefined) {
    if (countMessages(queue) >= limits.messages) return false;
  }
  queue ??= createQueue(broker, name);
  if (queue.tail >= MAX_NUMBER) throw new StoreError("the queue has used up its message numbers");
  append(queue, broker.memory, flags, source, start, end, alone);
  broker.bytes += end - start;
  broker.gathered += end - start;
  touch(broker, queue);
  noteReady(broker, queue);
  return true;
}

/**
 * Takes the oldest message of the queue, opens it, or looks at it: false when there is none. What `message` then
 * points to is good until the batch is committed.
 * @throws StoreError when it cannot be read
 */
export function takeMessage(
  broker: Broker,
  name: string,
  taking: Taking,
  consumer: Consumer,
  message: Message,
): boolean {
  const queue = broker.queues.get(name);
  if (queue === undefined || !isAvailable(queue)) return false;
  touch(broker, queue);
  const before = broker.memory.used;
  look(queue, broker.memory, broker.store, message);
  broker.gathered += Math.max(0, broker.memory.used - before);
  if (taking === "peek") return true;
  advance(queue, broker.memory, message);
  if (taking === "open") {
    keepOpen(queue, consumer, message);
    return true;
  }
  changeBytes(broker, queue, message.start - message.end);
  const { taken } = broker;
  const i = taken.count++;
  taken.queues[i] = queue;
  taken.numbers[i] = message.number;
  taken.consumers[i] = consumer;
  return true;
}

/** Whether the consumer has a message of the queue open. */
export function hasOpen(broker: Broker, name: string, consumer: Consumer): boolean {
  const queue = broker.queues.get(name);
  return queue !== undefined && consumer.open.has(queue);
}

/** The consumer is done with the message that it has open: false when it has none. */
export function closeMessage(broker: Broker, name: string, consumer: Consumer): boolean {
  const queue = broker.queues.get(name);
  if (queue === undefined) return false;
  const before = queue.bytes;
  if (!closeOpen(queue, consumer)) return false;
  broker.bytes += queue.bytes - before;
  touch(broker, queue);
  return true;
}

/** The message that the consumer has open goes back to the head of the queue; nothing happens when it has none. */
export function abortMessage(broker: Broker, name: string, consumer: Consumer): void {
  const queue = broker.queues.get(name);
  if (queue !== undefined) abortIn(broker, queue, consumer);
}

/**
 * The consumer is gone: what it had open goes back, and so does what it took in the current batch, since it will not
 * get the answer.
 */
export function dismiss(broker: Broker, consumer: Consumer): void {
  for (const queue of [...consumer.open.keys()]) abortIn(broker, queue, consumer);
  const { count, queues, numbers, consumers } = broker.taken;
  for (let i = 0; i < count; i++) {
    if (consumers[i] === consumer) untake(broker, queues[i] as Queue, numbers[i] as number);
  }
}

/**
 * Wakes those who wait for messages that have come: one message, one waiter, and each takes its message before the
 * next is woken. Due after each command, and not in the middle of one.
 */
export function wakeWaiters(broker: Broker): void {
  for (let queue = broker.ready.pop(); queue !== undefined; queue = broker.ready.pop()) {
    while (broker.queues.get(queue.name) === queue && isAvailable(queue)) {
      const waiter = firstWaiter(broker.waiters, queue.name);
      if (waiter === undefined) break;
      removeWaiter(broker.waiters, waiter);
      waiter.wake();
    }
  }
}

/** Drops the queue, its messages and its counters: false when there is no such queue. */
export function deleteQueue(broker: Broker, name: string): boolean {
  const queue = broker.queues.get(name);
  if (queue === undefined) return false;
  broker.queues.delete(name);
  broker.bytes -= queue.bytes;
  dropAll(broker.memory, queue);
  const made = broker.created.indexOf(queue);
  if (made >= 0) broker.created.splice(made, 1);
  else broker.dropped.push(queue);
  if (made >= 0) abandon(queue);
  return true;
}

/** Drops the queue's messages, but not those that are open; they count as taken. */
export function flushQueue(broker: Broker, name: string): void {
  const queue = broker.queues.get(name);
  if (queue === undefined) return;
  // A flush of very many queues is work, too.
  broker.gathered += FLUSH_BYTES;
  if (!isAvailable(queue)) return;
  const before = queue.bytes;
  empty(queue, broker.memory);
  broker.bytes += queue.bytes - before;
  touch(broker, queue);
}

export function flushAll(broker: Broker): void {
  for (const name of broker.queues.keys()) flushQueue(broker, name);
}

function createQueue(broker: Broker, name: string): Queue {
  const id = broker.store.newQueueId();
  if (id === undefined) throw new StoreError("too many queues");
  const queue = newQueue(name, { queue: id, head: 1, tail: 1, bytes: 0, held: [] });
  broker.queues.set(name, queue);
  broker.created.push(queue);
  broker.gathered += QUEUE_BYTES;
  return queue;
}

function touch(broker: Broker, queue: Queue): void {
  if (queue.touched) return;
  queue.touched = true;
  broker.touched.push(queue);
}

function changeBytes(broker: Broker, queue: Queue, change: number): void {
  queue.bytes += change;
  broker.bytes += change;
}

function abortIn(broker: Broker, queue: Queue, consumer: Consumer): void {
  if (!abortOpen(queue, consumer) || broker.queues.get(queue.name) !== queue) return;
  touch(broker, queue);
  noteReady(broker, queue);
}

function untake(broker: Broker, queue: Queue, number: number): void {
  if (broker.queues.get(queue.name) !== queue) return;
  const message = newMessage();
  find(queue, broker.store, number, message);
  putBack(queue, number);
  changeBytes(broker, queue, message.end - message.start);
  touch(broker, queue);
  noteReady(broker, queue);
}

/** Those who wait for messages of the queue are to be woken. */
export function noteReady(broker: Broker, queue: Queue): void {
  if (broker.waiters.size > 0 && broker.waiters.has(queue.name)) broker.ready.push(queue);
}
