import { expect, test } from "bun:test";

import { newHistogram, observe } from "../../src/util/histogram.ts";

test("a value counts in the first range that it fits in", () => {
  const histogram = newHistogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 3, 4, 5, 1000]) observe(histogram, value);
  expect(histogram.counts).toEqual([2, 2, 2, 2]);
  expect(histogram.sum).toBe(1016.5);
});
