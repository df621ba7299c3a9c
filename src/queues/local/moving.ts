import type { Moved, Store } from "../../store/store.ts";
import { append } from "./append.ts";
import { createQueue } from "./create.ts";
import { changesOf, newDelivery } from "./delivery.ts";
import { noteExpires } from "./expiry_steps.ts";
import type { Message, Queue } from "./queue.ts";
import { inMemory } from "./reading.ts";
import { type Local, touch } from "./state.ts";

/**
 * Adds a message of one queue to the tail of another. It has a new number there, keeps its flags and its time of arrival,
 * and the store remembers where it came from. Then the caller takes it out of its old queue.
 * @returns the queue that it is in now
 * @throws StoreError when nothing has changed, but that the queue may be there: its old queue cannot be read, or there are too many queues
 */
export function moveMessage(
  local: Local,
  from: Queue,
  message: Message,
  to: string,
  reason: string,
): Queue {
  const { cache, changes, store, clock } = local;
  const { number, flags, body, start, end } = message;
  const isStored = number < from.stored.tail;
  const arrived = isStored
    ? (store.arrived(from.id, number) ?? clock.calendar())
    : inMemory(from, number).arrived;
  const queue = local.queues.get(to) ?? createQueue(local, to);
  touch(local, queue);
  const moved = { origin: from.name, number, reason };
  changesOf((queue.delivery ??= newDelivery())).moved.set(queue.tail, moved);
  noteExpires(queue, 0);
  append(queue, cache, flags, body, start, end, false, arrived);
  local.bytes += end - start;
  changes.bytes += end - start;
  changes.costly++;
  return queue;
}

/** Where the message came from; undefined when it was set in this queue. @throws StoreError */
export function movedFrom(
  { id, delivery }: Queue,
  store: Store,
  number: number,
): Moved | undefined {
  return delivery?.changes?.moved.get(number) ?? store.moved(id, number);
}
