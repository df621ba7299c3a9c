import type { Engine } from "../engine/engine.ts";
import type { QueueSummary } from "../queues/summary.ts";

/*
 * The names that clients wait for although there is no such queue. Such a name may be a mistake. They are found beside a
 * look at all queues.
 */

export interface Awaited {
  waiters: Engine["waiters"];
  /** Those of them that are there. */
  there: Set<string>;
}

export function beginAwaited({ waiters }: Engine): Awaited {
  return { waiters, there: new Set() };
}

/** To be called for all queues. */
export function noteThere({ waiters, there }: Awaited, { name }: QueueSummary): void {
  if (waiters.has(name)) there.add(name);
}

export function* absentNames({ waiters, there }: Awaited): Generator<string> {
  for (const name of waiters.keys()) if (!there.has(name)) yield name;
}
