/** Random and changed bytes: the parser must not fail, and must read them as the reference does. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { inputs } from "../../hostile/inputs.ts";
import { checkInput, withoutReasons } from "../../hostile/parser.ts";
import { newRandom, seeds } from "../random.ts";
import { conversations } from "./conversations.ts";
import { MAX_BODY } from "./reading.ts";
import { referenceRead } from "./reference.ts";

setDefaultTimeout(60_000);

describe.each(seeds)("seed %d", (seed) => {
  test.each([
    ["any bytes", inputs.anyBytes, 20_000],
    ["few values of bytes", inputs.fewValues, 20_000],
    ["nearly requests", inputs.nearlyRequests, 10_000],
    ["conversations that were changed", inputs.mutated, 10_000],
    ["keys", inputs.keys, 20_000],
  ])("%s", (_title, make, count) => {
    const random = newRandom(seed);
    for (let n = 0; n < count; n++) checkInput(random, make(random), n % 100 === 0);
  });
});

test("the reference reads every conversation as it is written down", () => {
  for (const { text, found } of conversations) {
    expect(referenceRead(text, MAX_BODY)).toEqual(withoutReasons(found));
  }
});
