import { SLOT_SECONDS } from "../job.ts";
import { lineLength, lineText } from "./dialect/bytes.ts";
import { type Answer, HIT, MISS } from "./dialect/dialect.ts";

/** A run's count. `latencies` has one entry an operation, `timeline` one a slot, in the units of latency.ts. */
export type Tally = {
  ops: number;
  seconds: number;
  hits: number;
  misses: number;
  errors: number;
  firstError: string | null;
  latencies: Uint32Array;
  /** Operations of each connection. */
  shares: number[];
  timeline: number[];
  /** Nanoseconds that the loop of this process was late at most; 0 without a pace. */
  ownDelay: number;
};

export function newTally(latencies: Uint32Array): Tally {
  const counts = { ops: 0, seconds: 0, hits: 0, misses: 0, errors: 0, firstError: null };
  return { ...counts, latencies, shares: [], timeline: [], ownDelay: 0 };
}

/** Counts an operation that is over, `units` after it began; its answer is at `from`. */
export function countIn(
  tally: Tally,
  { outcome }: Answer,
  units: number,
  bytes: Buffer,
  from: number,
): void {
  tally.latencies[tally.ops++] = units;
  if (outcome === HIT) {
    tally.hits++;
  } else if (outcome === MISS) {
    tally.misses++;
  } else {
    tally.errors++;
    tally.firstError ??= lineText(bytes, from, lineLength(bytes, from, bytes.length));
  }
}

/** Enters a latency into the timeline, at so many nanoseconds after the run began. */
export function enter(timeline: number[], nanoseconds: number, units: number): void {
  const slot = Math.floor(nanoseconds / (SLOT_SECONDS * 1e9));
  while (timeline.length <= slot) timeline.push(0);
  timeline[slot] = Math.max(timeline[slot] ?? 0, units);
}
