/**
 * When the oldest messages of queues were committed, as far as that was read from the store: it is asked once for each
 * message. The ids of queues are below 2^20: arrays by id take 16 bytes a queue, and none for queues that were not asked
 * for.
 */
export interface Arrivals {
  /** The number of the message; 0: nothing is known of the queue. */
  numbers: Float64Array;
  /** Milliseconds since 1970. */
  times: Float64Array;
}

export function newArrivals(): Arrivals {
  return { numbers: new Float64Array(0), times: new Float64Array(0) };
}

/** @returns undefined when it is not known */
export function knownArrival(
  { numbers, times }: Arrivals,
  queue: number,
  number: number,
): number | undefined {
  return numbers[queue] === number ? times[queue] : undefined;
}

export function noteArrival(arrivals: Arrivals, queue: number, number: number, time: number): void {
  if (queue >= arrivals.numbers.length) grow(arrivals, queue);
  arrivals.numbers[queue] = number;
  arrivals.times[queue] = time;
}

/** The id belongs to a new queue. */
export function forgetArrival({ numbers }: Arrivals, queue: number): void {
  if (queue < numbers.length) numbers[queue] = 0;
}

function grow(arrivals: Arrivals, queue: number): void {
  arrivals.numbers = enlarged(arrivals.numbers, 2 * queue);
  arrivals.times = enlarged(arrivals.times, 2 * queue);
}

function enlarged(from: Float64Array, size: number): Float64Array {
  const to = new Float64Array(Math.max(1024, size));
  to.set(from);
  return to;
}
