/** Work that goes on for long does so in slices, with time for the queues' clients in between. */
export interface Pace {
  /** When the present slice ends, by performance.now(). */
  end: number;
}

/** Milliseconds: the queues' clients keep four fifths of the time. */
const SLICE = 0.5;
const PAUSE = 2;

export function newPace(): Pace {
  return { end: performance.now() + SLICE };
}

export function isSliceOver(pace: Pace): boolean {
  return performance.now() >= pace.end;
}

export async function pause(pace: Pace): Promise<void> {
  await Bun.sleep(PAUSE);
  pace.end = performance.now() + SLICE;
}
