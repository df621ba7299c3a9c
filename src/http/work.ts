import { newSliceScheduler, type SliceScheduler } from "./time_slice.ts";

/**
 * All work of HTTP requests together has bounds, whatever is asked and however often:
 *
 *     time     slices of the event loop, of which the queues' clients keep two thirds: see time_slice.ts
 *     turns    only a few requests go through all queues at a time, the others wait in order; one whose client has left
 *              ends at once
 *     bytes    answers that clients have not taken yet
 */
export interface Work {
  slices: SliceScheduler;
  /** How many requests go through all queues, and those that wait for their turn. */
  running: number;
  waiting: Set<() => void>;
  /** Bytes of answers that are on their way. */
  unsent: number;
}

const MAX_RUNNING = 2;

/** @param activity a number that grows with what clients of the queues do */
export function newWork(activity: () => number): Work {
  return { slices: newSliceScheduler(activity), running: 0, waiting: new Set(), unsent: 0 };
}

/**
 * Does work that goes through all queues, when it is its turn.
 * @throws the signal's reason when the client has left before that
 */
export async function inTurn<T>(
  work: Work,
  signal: AbortSignal,
  task: () => Promise<T>,
): Promise<T> {
  while (work.running >= MAX_RUNNING && !signal.aborted) await turn(work, signal);
  try {
    work.running++;
    signal.throwIfAborted();
    return await task();
  } finally {
    work.running--;
    const [next] = work.waiting;
    next?.();
  }
}

/** Waits until a turn may be free, or the client has left. */
async function turn({ waiting }: Work, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.add(resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  waiting.delete(resolve);
}
