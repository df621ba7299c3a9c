import { expect, test } from "bun:test";

import { readOptions } from "./options.ts";

const known = ["crash", "soak"];

test("the defaults, and a seed that is new each time", () => {
  const [one, two] = [readOptions([], known), readOptions([], known)];
  expect(one).toMatchObject({ help: false, minutes: 2, parts: [] });
  expect(one.seed).not.toBe(two.seed);
});

test("all flags", () => {
  const args = ["--minutes", "0.5", "--seed", "0", "--part", "soak", "--part", "crash"];
  expect(readOptions(args, known)).toMatchObject({
    minutes: 0.5,
    seed: 0,
    parts: ["soak", "crash"],
  });
});

test.each([
  [["--minutes", "0"], "--minutes wants"],
  [["--minutes", "-1"], "--minutes"],
  [["--seed", "4294967296"], "--seed wants a whole number"],
  [["--seed", "x"], "--seed wants"],
  [["--part", "cash"], '--part wants one of crash, soak, not "cash"'],
  [["--nothing"], "--nothing"],
  [["word"], "word"],
])("%p is refused", (args, why) => {
  expect(() => readOptions(args, known)).toThrow(why);
});
