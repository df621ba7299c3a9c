import type { Queue } from "./queue.ts";
import { type Segment, segmentCost } from "./segment.ts";

/** The messages of all queues that are kept in memory, and how much of it they may take. */
export interface Memory {
  /** Bytes. */
  limit: number;
  used: number;
  /** The queues that hold segments, the one that got its first one longest ago in front. */
  holders: Set<Queue>;
}

/** What the record of a queue takes, without its messages. */
export const QUEUE_BYTES = 400;
/** The share of memory that records of queues may take away from messages. */
const MOST_RECORDS = 3 / 4;

/** @param limit bytes */
export function newMemory(limit: number): Memory {
  return { limit, used: 0, holders: new Set() };
}

/** Bytes that the messages may take beside the records of so many queues. */
export function limitWith({ limit }: Memory, queues: number): number {
  return limit - Math.min(queues * QUEUE_BYTES, limit * MOST_RECORDS);
}

/** The one empty list that all queues share which have none, since there may be very many. It stays empty. */
export const NONE: never[] = [];

/** The list itself, or one to add to when it is the shared one. */
export function own<T>(list: T[]): T[] {
  return list === NONE ? [] : list;
}

export function holdBack(memory: Memory, queue: Queue, segment: Segment): void {
  if (queue.segments.length === 0) memory.holders.add(queue);
  queue.segments = own(queue.segments);
  queue.segments.push(segment);
  memory.used += segmentCost(segment);
}

export function holdFront(memory: Memory, queue: Queue, segments: Segment[]): void {
  if (queue.segments.length === 0 && segments.length > 0) memory.holders.add(queue);
  queue.segments = own(queue.segments);
  queue.segments.unshift(...segments);
  for (const segment of segments) memory.used += segmentCost(segment);
}

export function dropBack(memory: Memory, queue: Queue): void {
  forget(memory, queue.segments.pop());
  if (queue.segments.length === 0) holdNothing(memory, queue);
}

/** Moves the front segment to the spent ones: it still takes memory. */
export function spendFront(memory: Memory, queue: Queue): void {
  const front = queue.segments.shift();
  if (front !== undefined) {
    queue.spent = own(queue.spent);
    queue.spent.push(front);
  }
  if (queue.segments.length === 0) holdNothing(memory, queue);
}

function holdNothing(memory: Memory, queue: Queue): void {
  memory.holders.delete(queue);
  queue.segments = NONE;
}

export function dropSpent(memory: Memory, queue: Queue): void {
  while (queue.spent.length > 0) forget(memory, queue.spent.pop());
  queue.spent = NONE;
}

export function dropAll(memory: Memory, queue: Queue): void {
  while (queue.segments.length > 0) dropBack(memory, queue);
  dropSpent(memory, queue);
}

function forget(memory: Memory, segment: Segment | undefined): void {
  if (segment !== undefined) memory.used -= segmentCost(segment);
}
