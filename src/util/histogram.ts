/** How often values fell into each of some ranges; counting one costs an increment. */
export interface Histogram {
  /** The largest value of each range but the last, ascending. */
  readonly bounds: readonly number[];
  /** One more than there are bounds. */
  readonly counts: number[];
  sum: number;
}

/** Seconds: of work of the disk, and of delays of the event loop. */
export const DURATIONS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;
/** Messages. */
export const SIZES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096] as const;

export function newHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: bounds.map(() => 0).concat(0), sum: 0 };
}

export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram;
  let range = 0;
  while (range < bounds.length && value > (bounds[range] as number)) range++;
  counts[range] = (counts[range] as number) + 1;
  histogram.sum += value;
}

/** @param milliseconds how long it took */
export function observeTime(histogram: Histogram, milliseconds: number): void {
  observe(histogram, milliseconds / 1000);
}
