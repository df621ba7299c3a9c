/*
 * Reading all queues may take long. It is done in slices, and between two slices the event loop serves the queues'
 * clients. All readers of one server share the slices: however many they are, the clients keep four fifths of the time.
 */

export interface SliceScheduler {
  /** When the last slice ends that a reader has booked, by performance.now(). */
  bookedUntil: number;
}

/** The slice that one reader is in. */
export interface TimeSlice {
  scheduler: SliceScheduler;
  /** When it is over, by performance.now(). */
  end: number;
}

const SLICE_MS = 0.5;
const PAUSE_MS = 2;

export function newSliceScheduler(): SliceScheduler {
  return { bookedUntil: 0 };
}

/** The first slice of a reader begins at once. */
export function beginSlice(scheduler: SliceScheduler): TimeSlice {
  return { scheduler, end: performance.now() + SLICE_MS };
}

export function isSliceOver({ end }: TimeSlice): boolean {
  return performance.now() >= end;
}

/** Waits for the reader's next slice, which no other reader has. */
export async function nextSlice(slice: TimeSlice): Promise<void> {
  const { scheduler } = slice;
  const now = performance.now();
  const start = Math.max(scheduler.bookedUntil, now) + PAUSE_MS;
  scheduler.bookedUntil = start + SLICE_MS;
  await Bun.sleep(start - now);
  slice.end = performance.now() + SLICE_MS;
}
