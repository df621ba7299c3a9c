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

/** @param limit bytes */
export function newMemory(limit: number): Memory {
  return { limit, used: 0, holders: new Set() };
}

export function holdBack(memory: Memory, queue: Queue, segment: Segment): void {
  if (queue.segments.length === 0) memory.holders.add(queue);
  queue.segments.push(segment);
  memory.used += segmentCost(segment);
}

export function holdFront(memory: Memory, queue: Queue, segments: Segment[]): void {
  if (queue.segments.length === 0 && segments.length > 0) memory.holders.add(queue);
  queue.segments.unshift(...segments);
  for (const segment of segments) memory.used += segmentCost(segment);
}

export function dropBack(memory: Memory, queue: Queue): void {
  forget(memory, queue.segments.pop());
  if (queue.segments.length === 0) memory.holders.delete(queue);
}

/** Moves the front segment to the spent ones: it still takes memory. */
export function spendFront(memory: Memory, queue: Queue): void {
  const front = queue.segments.shift();
  if (front !== undefined) queue.spent.push(front);
  if (queue.segments.length === 0) memory.holders.delete(queue);
}

export function dropSpent(memory: Memory, queue: Queue): void {
  while (queue.spent.length > 0) forget(memory, queue.spent.pop());
}

export function dropAll(memory: Memory, queue: Queue): void {
  while (queue.segments.length > 0) dropBack(memory, queue);
  dropSpent(memory, queue);
}

function forget(memory: Memory, segment: Segment | undefined): void {
  if (segment !== undefined) memory.used -= segmentCost(segment);
}
