import type { Queue } from "./queue.ts";

const SECOND = 1000;

/** The message that is appended next expires then; 0 is never. */
export function noteExpires(queue: Queue, expires: number): void {
  const rounded = Math.ceil(expires / SECOND) * SECOND;
  const { expiry } = queue;
  if ((expiry === undefined ? 0 : expiry.last) === rounded) return;
  const known = (queue.expiry ??= { saved: 0, last: 0, steps: [], cleaned: 0 });
  known.steps.push({ number: queue.tail, expires: rounded });
  known.last = rounded;
}
