import { describe, expect, test } from "bun:test";

import {
  addId,
  countIds,
  forgetOldest,
  isOldestIn,
  newIds,
  oldestTime,
  timeOf,
} from "../../../src/queues/local/ids.ts";
import { newRandom, seeds } from "../../protocol/random.ts";

/** Few values, so that many of them have the same home in the index. */
const VALUES = 700;

describe.each(seeds)("seed %d", (seed) => {
  test("what is added is found until it is forgotten", () => {
    const random = newRandom(seed);
    const ids = newIds(1000);
    const ring: { value: number; time: number }[] = [];
    const hashOf = (value: number) => [(value % 7) * 2 ** 29, value] as const;
    for (let time = 1; time < 5000; time++) {
      if (random.below(5) > 1 || ring.length === 0) {
        const value = random.below(VALUES);
        addId(ids, ...hashOf(value), time, { queue: 1, first: time });
        ring.push({ value, time });
      } else {
        const oldest = ring.shift();
        expect(oldestTime(ids)).toBe(oldest?.time ?? NaN);
        expect(forgetOldest(ids)).toEqual({ queue: 1, first: oldest?.time ?? NaN });
      }
      const asked = random.below(VALUES);
      expect(timeOf(ids, ...hashOf(asked))).toBe(
        ring.findLast(({ value }) => value === asked)?.time,
      );
    }
    expect(countIds(ids)).toBe(ring.length);
    for (let value = 0; value < VALUES; value++) {
      const time = ring.findLast((each) => each.value === value)?.time;
      expect(timeOf(ids, ...hashOf(value))).toBe(time);
    }
  });
});

test("an empty one has nothing", () => {
  const ids = newIds(10);
  expect([countIds(ids), oldestTime(ids), timeOf(ids, 0, 0)]).toEqual([0, Infinity, undefined]);
  addId(ids, 0, 0, 5, { queue: 2, first: 9 });
  expect([timeOf(ids, 0, 0), isOldestIn(ids, { queue: 2, first: 9 })]).toEqual([5, true]);
  expect(isOldestIn(ids, { queue: 2, first: 8 })).toBe(false);
});
