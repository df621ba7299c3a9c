import type { Engine } from "./engine.ts";

/** When a pause that begins now ends, in milliseconds since 1970; of 0 seconds it is 0: until the queue is resumed. */
export function pauseEnd({ runtime }: Pick<Engine, "runtime">, seconds: number): number {
  return seconds === 0 ? 0 : runtime.calendar() + seconds * 1000;
}

/**
 * How many milliseconds are left of a pause; -1 until the queue is resumed, 0 when it is not paused.
 * @param until as in a queue's summary
 */
export function pauseLeft({ runtime }: Pick<Engine, "runtime">, until: number | undefined): number {
  if (until === undefined) return 0;
  return until === 0 ? -1 : Math.max(0, until - runtime.calendar());
}
