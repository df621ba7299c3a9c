import type { QueueRow, Statements } from "./statements.ts";
import type { StoredQueue } from "./store.ts";

/** Shared by all queues without held messages. */
const NONE: readonly number[] = Object.freeze([]);

/** See {@link Store.queues}. */
export function storedQueues({ queues, held }: Statements): StoredQueue[] {
  const numbers = new Map<number, number[]>();
  for (const { queue, number } of held.iterate()) {
    const list = numbers.get(queue);
    if (list === undefined) numbers.set(queue, [number]);
    else list.push(number);
  }
  return queues.all().map((row) => storedQueue(row, numbers.get(row.id)));
}

function storedQueue(
  { id, name, paused, ...position }: QueueRow,
  held: number[] | undefined,
): StoredQueue {
  return {
    queue: id,
    name: Buffer.from(name).toString("latin1"),
    ...position,
    paused: paused ?? undefined,
    held: held ?? (NONE as number[]),
  };
}
