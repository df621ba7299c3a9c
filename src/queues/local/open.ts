import type { OpenMessage, Queue } from "./queue.ts";

/*
 * The open messages of a queue, which are none, one or a map: see OpenMessages in queue.ts. What happens to them is in
 * held.ts.
 */

export function countOpen({ open }: Queue): number {
  if (open === undefined) return 0;
  return open instanceof Map ? open.size : 1;
}

export function findOpen({ open }: Queue, number: number): OpenMessage | undefined {
  if (open instanceof Map) return open.get(number);
  return open?.number === number ? open : undefined;
}

/** The first opened first. */
export function listOpen({ open }: Queue): Iterable<OpenMessage> {
  if (open instanceof Map) return open.values();
  return open === undefined ? [] : [open];
}

/** The message that is open the longest. */
export function longestOpen(queue: Queue): OpenMessage | undefined {
  for (const message of listOpen(queue)) return message;
  return undefined;
}

/** The last opened is the last: it was not open before. */
export function addOpen(queue: Queue, message: OpenMessage): void {
  const { open } = queue;
  if (open === undefined) queue.open = message;
  else if (open instanceof Map) open.set(message.number, message);
  else
    queue.open = new Map([
      [open.number, open],
      [message.number, message],
    ]);
}

export function removeOpen(queue: Queue, number: number): OpenMessage | undefined {
  const found = findOpen(queue, number);
  if (found === undefined) return undefined;
  const { open } = queue;
  if (open instanceof Map) open.delete(number);
  if (!(open instanceof Map) || open.size === 0) queue.open = undefined;
  return found;
}
