/** Random commands for the workers. */
import type { Random } from "../../protocol/random.ts";
import { type Command, type Key, LONG_WAIT, type Volley } from "./worker.ts";

export const queues = ["a", "b", "c"] as const;
export const largestBody = 100 * 1024;

/** Of a hundred commands, how many are sets. */
export const moods = { fill: 65, even: 45, drain: 20 } as const;
export type Mood = keyof typeof moods;

/** How a connection is ended. */
export const endings = ["reset", "end", "shutdown", "quit"] as const;

export function newScript(random: Random, mood: Mood, most: number): Volley[] {
  return times(random.between(1, 4), () =>
    times(random.between(1, most), () => newRequest(random, mood)),
  );
}

/** The same, with a wait at the end that only a message ends. */
export function waitingScript(random: Random, mood: Mood): Volley[] {
  const behind = times(random.below(3), () => newRequest(random, mood));
  return [
    ...newScript(random, mood, 3),
    [{ keys: [longWait(random, random.pick(queues))] }, ...behind],
  ];
}

export function newSet(random: Random, queue: string): Command {
  return { queue, size: newSize(random) };
}

function newRequest(random: Random, mood: Mood): Command {
  if (random.below(100) < moods[mood]) return newSet(random, random.pick(queues));
  if (random.below(4) > 0) return { keys: [newKey(random, random.pick(queues), true)] };
  const named = times(random.between(2, 3), () => random.pick(queues));
  // Two plain keys may name the same queue, others not: nothing is said of what the one does to the other.
  if (random.below(2) === 0) return { keys: named.map((queue) => keyOf(random, queue, "take")) };
  return { keys: [...new Set(named)].map((queue) => newKey(random, queue, false)) };
}

/** Around every size at which a server may keep a message in another way. */
function newSize(random: Random): number {
  const roll = random.below(100);
  if (roll < 30) return random.below(20);
  if (roll < 70) return random.below(1000);
  if (roll < 88) return random.below(16_000);
  if (roll < 94) return random.between(16_370, 16_400);
  return random.below(largestBody + 1);
}

function newKey(random: Random, queue: string, alone: boolean): Key {
  const wait = alone && random.below(4) === 0 ? random.pick([0, 1, 5, 20]) : undefined;
  const roll = random.below(100);
  if (roll < 40) return keyOf(random, queue, "take", undefined, wait);
  if (roll < 55) return keyOf(random, queue, "open", undefined, wait);
  if (roll < 70) return keyOf(random, queue, "open", "close", wait);
  if (roll < 80) return keyOf(random, queue, "peek", undefined, wait);
  return keyOf(random, queue, "none", roll < 90 ? "close" : "abort");
}

export function longWait(random: Random, queue: string): Key {
  const roll = random.below(10);
  if (roll < 5) return keyOf(random, queue, "take", undefined, LONG_WAIT);
  if (roll < 7) return keyOf(random, queue, "open", undefined, LONG_WAIT);
  if (roll < 9) return keyOf(random, queue, "open", "close", LONG_WAIT);
  return keyOf(random, queue, "peek", undefined, LONG_WAIT);
}

function keyOf(
  random: Random,
  queue: string,
  action: Key["action"],
  before?: "close" | "abort",
  wait?: number,
): Key {
  const options: string[] = [];
  if (before !== undefined) options.push(before);
  if (action === "open" || action === "peek") options.push(action);
  if (wait !== undefined) options.splice(random.below(options.length + 1), 0, `t=${wait}`);
  return {
    queue,
    action,
    options,
    ...(before === undefined ? {} : { before }),
    ...(wait === undefined ? {} : { wait }),
  };
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
