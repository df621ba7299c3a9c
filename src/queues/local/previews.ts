import type { MessagePreview } from "../summary.ts";
import { addReturned } from "./held.ts";
import { findOpen, listOpen } from "./open.ts";
import { newMessage, type Queue } from "./queue.ts";
import { findHeld } from "./reading.ts";
import type { Local } from "./state.ts";
import { waitingMessages } from "./waiting.ts";

/** A preview reads whole messages: after so many bytes it reads no more. */
const MAX_READ_BYTES = 1024 * 1024;

/** The oldest messages of the queue, behind number `after`, that are committed and can be read. @throws StoreError */
export function previewsOf(
  local: Local,
  queue: Queue,
  most: { messages: number; bytes: number },
  after = 0,
): MessagePreview[] {
  const { store } = local;
  const message = newMessage();
  const previews: MessagePreview[] = [];
  let read = 0;
  const waiting = new Map(
    waitingMessages(local, queue, after + 1, most.messages).map((each) => [each.number, each]),
  );
  const numbers = new Set([
    ...oldestNumbers(local, queue, most.messages, after),
    ...waiting.keys(),
  ]);
  for (const number of [...numbers].sort((a, b) => a - b).slice(0, most.messages)) {
    if (read >= MAX_READ_BYTES) break;
    if (!findHeld(queue, store, number, message)) continue;
    const { flags, body, start, end } = message;
    read += end - start;
    const { delivery } = queue;
    const delayed = waiting.get(number);
    const lease = delivery?.leases.get(number);
    previews.push({
      number,
      flags,
      length: end - start,
      body: Buffer.from(body.subarray(start, Math.min(end, start + most.bytes))),
      arrived: store.arrived(queue.id, number) ?? 0,
      open: findOpen(queue, number) !== undefined,
      leased: lease !== undefined,
      due: delayed && delayed.due - local.due.offset,
      deliveries: lease?.deliveries ?? delayed?.deliveries ?? delivery?.counts.get(number) ?? 0,
      moved: store.moved(queue.id, number),
    });
  }
  return previews;
}

/**
 * Numbers of the oldest messages behind `after` that are committed, ascending: held ones, and those from the head on. There
 * may be a hundred thousand of each kind: no more of them are looked at than are wanted, but for open ones.
 */
export function oldestNumbers(
  { store }: Local,
  queue: Queue,
  most: number,
  after: number,
): number[] {
  const { delivery, head, stored } = queue;
  const numbers: number[] = [];
  addReturned(queue, after + 1, head, numbers, most);
  for (const { number } of listOpen(queue)) if (number > after) numbers.push(number);
  if (delivery !== undefined && delivery.leases.size > 0) {
    // Between groups memory has the same leases.
    numbers.push(...store.leasedFrom(queue.id, after + 1, most));
  }
  const first = Math.max(head, after + 1);
  for (let number = first; number < stored.tail && number < first + most; number++) {
    numbers.push(number);
  }
  return [...new Set(numbers)].sort((a, b) => a - b).slice(0, most);
}
