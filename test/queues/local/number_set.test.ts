import { expect, test } from "bun:test";

import {
  addNumber,
  hasNumber,
  newNumberSet,
  numbersIn,
  removeNumber,
} from "../../../src/queues/local/number_set.ts";
import { newRandom, seeds } from "../../protocol/random.ts";

test.each(seeds)("a set of numbers is like a Set, seed %d", (seed) => {
  const random = newRandom(seed);
  const set = newNumberSet();
  const model = new Set<number>();
  for (let n = 0; n < 2000; n++) {
    const number = random.pick([0, 2 ** 43 - 100]) + random.below(100);
    if (random.below(2) === 0) {
      addNumber(set, number);
      model.add(number);
    } else expect(removeNumber(set, number)).toBe(model.delete(number));
    expect(hasNumber(set, number)).toBe(model.has(number));
    expect(set.size).toBe(model.size);
  }
  expect([...numbersIn(set)].sort((a, b) => a - b)).toEqual([...model].sort((a, b) => a - b));
});

test("a million that follow each other take one entry for 32 of them", () => {
  const set = newNumberSet();
  for (let number = 1; number <= 1_000_000; number++) addNumber(set, number);
  expect(set.size).toBe(1_000_000);
  expect(set.blocks.size).toBeLessThanOrEqual(1_000_000 / 32 + 1);
});
