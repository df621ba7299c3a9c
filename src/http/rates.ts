import type { QueueSummary } from "../queues/summary.ts";

/**
 * How many messages come into and leave each queue in a second. The ids of queues are below 2^20: arrays by id take 24
 * bytes a queue, where a record of each would take five times that.
 */
export interface Rates {
  /** What had ever been set and was gone for good when the queue was last read; NaN before. */
  sets: Float64Array;
  gets: Float64Array;
  /** Messages a second, between the last two readings; NaN before. */
  in: Float32Array;
  out: Float32Array;
}

/** Messages a second; undefined where the queue was not read twice yet. */
export interface Rate {
  in: number | undefined;
  out: number | undefined;
}

const INITIAL_QUEUES = 1024;

export function newRates(): Rates {
  return {
    sets: unknown(Float64Array, INITIAL_QUEUES),
    gets: unknown(Float64Array, INITIAL_QUEUES),
    in: unknown(Float32Array, INITIAL_QUEUES),
    out: unknown(Float32Array, INITIAL_QUEUES),
  };
}

/** @param seconds since the queue was read before */
export function recordRate(rates: Rates, { id, sets, gets }: QueueSummary, seconds: number): void {
  if (id >= rates.sets.length) grow(rates, id);
  rates.in[id] = (sets - (rates.sets[id] ?? NaN)) / seconds;
  rates.out[id] = (gets - (rates.gets[id] ?? NaN)) / seconds;
  rates.sets[id] = sets;
  rates.gets[id] = gets;
}

export function rateOf(rates: Rates, { id }: QueueSummary): Rate {
  return { in: known(rates.in[id]), out: known(rates.out[id]) };
}

/** An id that is used again belongs to another queue, whose counters may be smaller. */
function known(rate: number | undefined): number | undefined {
  return rate === undefined || Number.isNaN(rate) ? undefined : Math.max(0, rate);
}

function grow(rates: Rates, id: number): void {
  const size = 2 * id;
  rates.sets = enlarged(rates.sets, unknown(Float64Array, size));
  rates.gets = enlarged(rates.gets, unknown(Float64Array, size));
  rates.in = enlarged(rates.in, unknown(Float32Array, size));
  rates.out = enlarged(rates.out, unknown(Float32Array, size));
}

function enlarged<T extends Float64Array | Float32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function unknown<T extends Float64Array | Float32Array>(
  kind: new (size: number) => T,
  size: number,
): T {
  const array = new kind(size);
  array.fill(NaN);
  return array;
}
