import type { Queue } from "./queue.ts";
import { type Segment, segmentCost } from "./segment.ts";

/** The messages of all queues that are kept in memory, and how much of it they may take. */
export interface Cache {
  /** Bytes. */
  limit: number;
  used: number;
  /** The queues that have segments, in the order in which they got their first one. */
  holders: Set<Queue>;
}

/** Bytes that the record of a queue takes, without its messages. */
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

export function addBack(cache: Cache, queue: Queue, segment: Segment): void {
  cache.used += segmentCost(segment);
  if (queue.segments !== undefined) {
    queue.segments.push(segment);
  } else {
    queue.segments = [segment];
    cache.holders.add(queue);
  }
}

export function addFront(cache: Cache, queue: Queue, segments: Segment[]): void {
  if (segments.length === 0) return;
  for (const segment of segments) cache.used += segmentCost(segment);
  if (queue.segments === undefined) cache.holders.add(queue);
  queue.segments = queue.segments === undefined ? segments : [...segments, ...queue.segments];
}

export function dropBack(cache: Cache, queue: Queue): void {
  release(cache, queue.segments?.pop());
  if (queue.segments?.length === 0) forgetSegments(cache, queue);
}

/** Moves the front segment to the spent ones: it still takes memory. */
export function spendFront(cache: Cache, queue: Queue): void {
  const front = queue.segments?.shift();
  if (front !== undefined) (queue.spent ??= []).push(front);
  if (queue.segments?.length === 0) forgetSegments(cache, queue);
}

function forgetSegments(cache: Cache, queue: Queue): void {
  cache.holders.delete(queue);
  queue.segments = undefined;
}

export function dropSpent(cache: Cache, queue: Queue): void {
  if (queue.spent === undefined) return;
  for (const segment of queue.spent) release(cache, segment);
  queue.spent = undefined;
}

export function dropAll(cache: Cache, queue: Queue): void {
  while (queue.segments !== undefined) dropBack(cache, queue);
  dropSpent(cache, queue);
}

/** The segment takes no memory any more. */
function release(cache: Cache, segment: Segment | undefined): void {
  if (segment !== undefined) cache.used -= segmentCost(segment);
}

/**
 * Evicts messages until the others are within the limit. Nothing is lost: all that was committed is in the store. The
 * queue that has had messages in memory for the longest time loses its own first, the newest before the oldest.
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
  while (freed < bytes) {
    const last = queue.segments?.at(-1);
    if (last === undefined) return;
    freed += segmentCost(last);
    dropBack(cache, queue);
    queue.loaded = Math.max(queue.head, Math.min(queue.loaded, last.first));
  }
}
