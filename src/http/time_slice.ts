/*
 * Reading all queues may take long. It is done in slices, and between two slices the event loop serves the queues'
 * clients. All readers of one server share the slices: however many they are, clients that do something keep two thirds of
 * the time.
 */

export interface SliceScheduler {
  /** Grows with what clients of the queues do. */
  activity: () => number;
  /** What it was when the last reader waited for a slice. */
  seen: number;
  /** When the last slice ends that a reader has booked, by performance.now(). */
  bookedUntil: number;
}

/** The slice that one reader is in. */
export interface TimeSlice {
  scheduler: SliceScheduler;
  /** Aborted when the client of the reader has left. */
  signal: AbortSignal | undefined;
  /** When it is over, by performance.now(). */
  end: number;
  /** Steps that were done in it. */
  steps: number;
}

const SLICE_MS = 1;
/** A slice has at least so many steps: on a busy machine its time may pass while the system runs another process. */
const LEAST_STEPS = 256;
const PAUSE_MS = 2;

/** @param activity a number that grows with what clients of the queues do */
export function newSliceScheduler(activity: () => number): SliceScheduler {
  return { activity, seen: 0, bookedUntil: 0 };
}

/** The first slice of a reader begins at once. */
export function beginSlice(scheduler: SliceScheduler, signal?: AbortSignal): TimeSlice {
  return { scheduler, signal, end: performance.now() + SLICE_MS, steps: 0 };
}

/** To be asked after each step. @param steps for how many a large one counts; looking at a queue is one */
export function isSliceOver(slice: TimeSlice, steps = 1): boolean {
  slice.steps += steps;
  return slice.steps >= LEAST_STEPS && performance.now() >= slice.end;
}

/**
 * Waits for the reader's next slice, which no other reader has.
 * @throws the signal's reason when the reader's client has left
 */
export async function nextSlice(slice: TimeSlice): Promise<void> {
  const { scheduler } = slice;
  const now = performance.now();
  const isQuiet = scheduler.activity() === scheduler.seen;
  scheduler.seen = scheduler.activity();
  const start = Math.max(scheduler.bookedUntil, now) + (isQuiet ? 0 : PAUSE_MS);
  scheduler.bookedUntil = start + SLICE_MS;
  // Where no client does anything only the sockets are read in between.
  if (start > now) await Bun.sleep(start - now);
  else await nextLoopTurn();
  slice.signal?.throwIfAborted();
  slice.end = performance.now() + SLICE_MS;
  slice.steps = 0;
}

function nextLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
