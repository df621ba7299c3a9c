/** Recorded latencies are whole tenths of a microsecond, so that 32 bits hold seven minutes. */
const NANOSECONDS_A_UNIT = 100;
const UNITS_A_MICROSECOND = 10;

export const toUnits = (nanoseconds: number): number => nanoseconds / NANOSECONDS_A_UNIT;

export const microseconds = (units: number): number => units / UNITS_A_MICROSECOND;

export type Percentiles = { p50: number; p99: number; p999: number; longest: number };

/** Sorts `latencies` in place; microseconds come back, zeros when nothing was recorded. */
export function percentiles(latencies: Uint32Array): Percentiles {
  latencies.sort();
  const last = latencies.length - 1;
  const at = (part: number): number =>
    microseconds(latencies[Math.min(last, Math.floor(latencies.length * part))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), longest: at(1) };
}
