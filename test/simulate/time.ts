/** Simulated time: it goes on when the simulator says so, and a little whenever somebody looks at the clock. */
import type { Runtime } from "../../src/engine/runtime.ts";
import { newRandom, type Random } from "../protocol/random.ts";

interface Timer {
  at: number;
  order: number;
  work: () => void;
}

export interface Time {
  /** Milliseconds. */
  now: number;
  /** What the calendar has beyond `now`. */
  offset: number;
  /** What is done in the next turn of the loop. */
  soon: (() => void)[];
  timers: Set<Timer>;
  timersMade: number;
  /** No timer is due before. */
  quietUntil: number;
  random: Random;
  lookMs: number;
}

/** 2026-01-01, in milliseconds since 1970. */
const START = 1_767_225_600_000;

export function newTime(seed: number, lookMicros: number): Time {
  return {
    now: 0,
    offset: START,
    soon: [],
    timers: new Set(),
    timersMade: 0,
    quietUntil: Infinity,
    random: newRandom(seed),
    lookMs: lookMicros / 1000,
  };
}

export function runtimeOf(time: Time): Runtime {
  return {
    monotonic() {
      if (time.lookMs > 0) time.now += (time.random.below(100) / 100) * time.lookMs;
      return time.now;
    },
    calendar: () => Math.floor(time.now + time.offset),
    soon: (work) => void time.soon.push(work),
    after(milliseconds, work) {
      const timer = { at: time.now + milliseconds, order: time.timersMade++, work };
      time.timers.add(timer);
      time.quietUntil = Math.min(time.quietUntil, timer.at);
      return () => void time.timers.delete(timer);
    },
    process: () => ({ pid: 1, user: 0, system: 0 }),
  };
}

/** Does what was to be done soon; what that asks for comes in the next turn. @returns whether there was anything */
export function runSoon(time: Time): boolean {
  const { soon } = time;
  if (soon.length === 0) return false;
  time.soon = [];
  for (const work of soon) work();
  return true;
}

/** The time of the next timer; undefined when there is none. */
export function nextTimer({ timers }: Time): number | undefined {
  let next: number | undefined;
  for (const { at } of timers) if (next === undefined || at < next) next = at;
  return next;
}

/** Moves the clock to a moment, and calls the timers whose time has come, in their order. */
export function passUntil(time: Time, moment: number): void {
  if (moment > time.now) time.now = moment;
  if (time.now < time.quietUntil) return;
  const due = [...time.timers].filter(({ at }) => at <= time.now);
  for (const timer of due.sort((a, b) => a.at - b.at || a.order - b.order)) {
    if (time.timers.delete(timer)) timer.work();
  }
  time.quietUntil = nextTimer(time) ?? Infinity;
}
