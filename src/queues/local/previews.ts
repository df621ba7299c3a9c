import type { MessagePreview } from "../summary.ts";
import { addHeld } from "./held.ts";
import { findOpen } from "./open.ts";
import { newMessage, type Queue } from "./queue.ts";
import { findHeld } from "./reading.ts";
import type { Local } from "./state.ts";

/** A preview reads whole messages: after so many bytes it reads no more. */
const MAX_READ_BYTES = 1024 * 1024;
/** Numbers that are gathered before the least of them are chosen. */
const MANY = 1000;

/** The oldest messages of the queue, behind number `after`, that are committed and can be read. @throws StoreError */
export function previewsOf(
  { store }: Local,
  queue: Queue,
  most: { messages: number; bytes: number },
  after = 0,
): MessagePreview[] {
  const message = newMessage();
  const previews: MessagePreview[] = [];
  let read = 0;
  for (const number of oldestNumbers(queue, most.messages, after)) {
    if (read >= MAX_READ_BYTES) break;
    if (!findHeld(queue, store, number, message)) continue;
    const { flags, body, start, end } = message;
    read += end - start;
    const { delivery } = queue;
    const lease = delivery?.leases.get(number);
    previews.push({
      number,
      flags,
      length: end - start,
      body: Buffer.from(body.subarray(start, Math.min(end, start + most.bytes))),
      arrived: store.arrived(queue.id, number) ?? 0,
      open: findOpen(queue, number) !== undefined,
      leased: lease !== undefined,
      deliveries: lease?.deliveries ?? delivery?.counts.get(number) ?? 0,
      moved: store.moved(queue.id, number),
    });
  }
  return previews;
}

/** Numbers of the oldest messages behind `after`, ascending: held ones, and those from the head on. */
export function oldestNumbers(queue: Queue, most: number, after: number): number[] {
  const held: number[] = [];
  addHeld(queue, after + 1, queue.head, held);
  // There may be a hundred thousand leases: more than are wanted are never sorted.
  let last = Infinity;
  for (const number of queue.delivery?.leases.keys() ?? []) {
    if (number <= after || number > last) continue;
    held.push(number);
    if (held.length >= 2 * most + MANY) last = keepLeast(held, most);
  }
  keepLeast(held, most);
  for (
    let number = Math.max(queue.head, after + 1);
    number < queue.stored.tail && held.length < most;
    number++
  ) {
    held.push(number);
  }
  return held;
}

/** Leaves the `most` least numbers in the list, ascending. @returns the greatest of them */
function keepLeast(numbers: number[], most: number): number {
  numbers.sort((a, b) => a - b);
  if (numbers.length > most) numbers.length = most;
  return numbers.at(-1) ?? 0;
}
