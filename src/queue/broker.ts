import { type Batch, newBatch, type Position } from "../store/batch.ts";
import { type Store, StoreError } from "../store/store.ts";
import type { Consumer, Taking } from "./consumer.ts";
import { dropAll, type Memory, newMemory } from "./memory.ts";
import { type Message, newMessage } from "./message.ts";
import {
  abandon,
  abortOpen,
  advance,
  append,
  closeOpen,
  collectUnsaved,
  countMessages,
  empty,
  find,
  isAvailable,
  keepOpen,
  letGo,
  look,
  markSaved,
  newQueue,
  oldestNumber,
  positionOf,
  putBack,
  type Queue,
  rollBack,
} from "./queue.ts";
import { firstWaiter, removeWaiter, type Waiters } from "./waiters.ts";

/**
 * All queues, and what happened to them since the last commit. Commands take effect in memory at once; nothing of it
 * is true before {@link commit}, and nothing of it happened when that throws.
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

/** The counters of all queues. */
export function* queueCounts(broker: Broker): Generator<QueueCounts> {
  for (const queue of broker.queues.values()) yield countsOf(queue);
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
    waiters: broker.waiters.get(name)?.size ?? 0,
    age: Math.max(0, Date.now() - arrived),
    memory: queue.segments.reduce((total, { used, cursor }) => total + used - cursor, 0),
  };
}

function countsOf(queue: Queue): QueueCounts {
  const sets = queue.tail - 1;
  return { name: queue.name, sets, gets: sets - countMessages(queue) };
}

/** Whether anything happened since the last commit. */
export function isDirty(broker: Broker): boolean {
  return broker.touched.length > 0 || broker.created.length > 0 || broker.dropped.length > 0;
}

/**
 * Makes everything since the last commit true, as one transaction. Nothing is written when nothing is to be: opening
 * and giving back a message changes nothing that lasts.
 * @returns whether anything was written
 * @throws StoreError when the store could not: then {@link cancel} is due
 */
export function commit(broker: Broker): boolean {
  let written = false;
  if (isDirty(broker)) {
    const positions = broker.touched.map(positionOf);
    const batch = gather(broker, positions);
    written = batch.positions.length + batch.created.length + batch.dropped.length > 0;
    if (written) broker.store.commit(batch);
    for (let i = 0; i < positions.length; i++) {
      markSaved(broker.touched[i] as Queue, broker.memory, positions[i] as Position);
    }
    for (const queue of broker.dropped) abandon(queue);
  }
  forgetBatch(broker);
  keepWithinLimit(broker);
  return written;
}

/** Forgets everything since the last commit; the queues are what the store has. */
export function cancel(broker: Broker): void {
  for (const queue of broker.created) {
    broker.queues.delete(queue.name);
    broker.bytes -= queue.bytes;
  }
  for (const queue of broker.dropped) {
    broker.queues.set(queue.name, queue);
    broker.bytes += queue.bytes;
  }
  if (broker.dropped.length > 0) {
    broker.queues = new Map([...broker.queues].sort(([, a], [, b]) => a.id - b.id));
  }
  const changed = new Set([...broker.touched, ...broker.dropped]);
  for (const queue of changed) {
    const before = queue.bytes;
    rollBack(queue, broker.memory);
    if (broker.queues.get(queue.name) === queue) broker.bytes += queue.bytes - before;
  }
  forgetBatch(broker);
  for (const queue of changed) noteReady(broker, queue);
}

function createQueue(broker: Broker, name: string): Queue {
  const id = broker.store.newQueueId();
  if (id === undefined) throw new StoreError("too many queues");
  const queue = newQueue(name, { queue: id, head: 1, tail: 1, bytes: 0, held: [] });
  broker.queues.set(name, queue);
  broker.created.push(queue);
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

function noteReady(broker: Broker, queue: Queue): void {
  if (broker.waiters.size > 0 && broker.waiters.has(queue.name)) broker.ready.push(queue);
}

function gather(broker: Broker, positions: Position[]): Batch {
  const batch = newBatch();
  for (const { id } of broker.dropped) batch.dropped.push(id);
  for (const { id, name } of broker.created) batch.created.push({ queue: id, name });
  for (let i = 0; i < positions.length; i++) {
    const queue = broker.touched[i] as Queue;
    const position = positions[i] as Position;
    if (broker.queues.get(queue.name) !== queue) continue;
    if (isSame(position, queue.stored)) continue;
    collectUnsaved(queue, batch.segments);
    batch.positions.push(position);
  }
  return batch;
}

function isSame(a: Position, b: Position): boolean {
  if (a.head !== b.head || a.tail !== b.tail || a.held.length !== b.held.length) return false;
  return a.held.every((number, i) => number === b.held[i]);
}

function forgetBatch(broker: Broker): void {
  broker.touched.length = 0;
  broker.created.length = 0;
  broker.dropped.length = 0;
  broker.taken.count = 0;
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
