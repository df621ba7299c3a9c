import { type Batch, newBatch, type Position } from "../../store/batch.ts";
import { type Broker, noteReady } from "./broker.ts";
import { limitWith } from "./cache.ts";
import {
  abandon,
  collectUnsaved,
  letGo,
  markSaved,
  positionOf,
  type Queue,
  rollBack,
} from "./queue.ts";

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
  return a.held === b.held || a.held.every((number, i) => number === b.held[i]);
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
  const { memory, queues } = broker;
  const limit = limitWith(memory, queues.size);
  for (const queue of memory.holders) {
    if (memory.used <= limit) return;
    letGo(queue, memory, memory.used - limit);
  }
}
