/** Work that goes on for long does so in slices, with time for the queues' clients in between. */
export interface Pace {
  /** When the present slice ends, by performance.now(). */
  end: number;
}

/** Milliseconds: the queues' clients keep four fifths of the time, however many look at the queues at once. */
const SLICE = 0.5;
const PAUSE = 2;

/** When the last slice ends that somebody waits for. */
let booked = 0;

export function newPace(): Pace {
  return { end: performance.now() + SLICE };
}

export function isSliceOver(pace: Pace): boolean {
  return performance.now() >= pace.end;
}

/** Waits for the next slice that is nobody else's. */
export async function pause(pace: Pace): Promise<void> {
  const now = performance.now();
  const start = Math.max(booked, now) + PAUSE;
  booked = start + SLICE;
  await Bun.sleep(start - now);
  pace.end = performance.now() + SLICE;
}
