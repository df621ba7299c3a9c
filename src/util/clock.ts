/** The two times of a server: the system's, or simulated ones. */
export interface Clock {
  /** Milliseconds from any fixed moment; never goes back. */
  monotonic(): number;
  /** Milliseconds since 1970; it may jump. */
  calendar(): number;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  calendar: () => Date.now(),
};
