import type { Queue } from "./queue.ts";
import { type Segment, segmentCost } from "./segment.ts";

/** The messages of all queues that are kept in memory, and how much of it they may take. */
export interface Cache {
  /** Bytes. */
  limit: number;
  used: number;
  /** The queues that hold segments, the one that got its first one longest ago in front. */
  holders: Set<Queue>;
}

/** What the record of a queue takes, without its messages. */
export const QUEUE_BYTES = 400;
/** The share of memory that records of queues may take away from messages. */
const MAX_RECORDS_SHARE = 3 / 4;

/** @param limit bytes */
export function newCache(limit: number): Cache {
  return { limit, used: 0, holders: new Set() };
}

/** Bytes that the messages may take beside the records of so many queues. */
function limitWith({ limit }: Cache, queues: number): number {
  return limit - Math.min(queues * QUEUE_BYTES, limit * MAX_RECORDS_SHARE);
}

/** The one empty list that all queues share which have none, since there may be very many. It stays empty. */
export const NONE: never[] = [];

/** The list itself, or one to add to when it is the shared one. */
export function own<T>(list: T[]): T[] {
  return list === NONE ? [] : list;
}

export function holdBack(cache: Cache, queue: Queue, segment: Segment): void {
  if (queue.segments.length === 0) cache.holders.add(queue);
  queue.segments = own(queue.segments);
  queue.segments.push(segment);
  cache.used += segmentCost(segment);
}

export function holdFront(cache: Cache, queue: Queue, segments: Segment[]): void {
  if (queue.segments.length === 0 && segments.length > 0) cache.holders.add(queue);
  queue.segments = own(queue.segments);
  queue.segments.unshift(...segments);
  for (const segment of segments) cache.used += segmentCost(segment);
}

export function dropBack(cache: Cache, queue: Queue): void {
  forget(cache, queue.segments.pop());
  if (queue.segments.length === 0) holdNothing(cache, queue);
}

/** Moves the front segment to the spent ones: it still takes memory. */
export function spendFront(cache: Cache, queue: Queue): void {
  const front = queue.segments.shift();
  if (front !== undefined) {
    queue.spent = own(queue.spent);
    queue.spent.push(front);
  }
  if (queue.segments.length === 0) holdNothing(cache, queue);
}

function holdNothing(cache: Cache, queue: Queue): void {
  cache.holders.delete(queue);
  queue.segments = NONE;
}

export function dropSpent(cache: Cache, queue: Queue): void {
  while (queue.spent.length > 0) forget(cache, queue.spent.pop());
  queue.spent = NONE;
}

export function dropAll(cache: Cache, queue: Queue): void {
  while (queue.segments.length > 0) dropBack(cache, queue);
  dropSpent(cache, queue);
}

function forget(cache: Cache, segment: Segment | undefined): void {
  if (segment !== undefined) cache.used -= segmentCost(segment);
}

/**
 * Evicts messages until the rest is within the limit: all that was committed is in the store. The queue that was first to
 * hold messages is the first to lose them, its newest before its oldest.
 * @param queues how many there are
 */
export function evictBeyondLimit(cache: Cache, queues: number): void {
  const limit = limitWith(cache, queues);
  if (cache.used <= limit) return;
  for (const queue of cache.holders) {
    if (cache.used <= limit) return;
    evict(queue, cache, cache.used - limit);
  }
}

/** Evicts messages of a queue, the newest first, until `bytes` are free. All must be in the store. */
function evict(queue: Queue, cache: Cache, bytes: number): void {
  let freed = 0;
  while (queue.segments.length > 0 && freed < bytes) {
    const last = queue.segments.at(-1) as Segment;
    freed += segmentCost(last);
    dropBack(cache, queue);
    queue.loaded = Math.max(queue.head, Math.min(queue.loaded, last.first));
  }
}
