/** How a client's bytes are read, in whatever pieces they arrive. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { cutAtRandom, newRandom, seeds } from "../random.ts";
import { conversations } from "./conversations.ts";
import { type Found, readCut, readPieces, readWhole, singleBytes } from "./reading.ts";

setDefaultTimeout(60_000);

const known = conversations.map(({ title, text, found }) => ({
  title,
  bytes: Buffer.from(text, "latin1"),
  found,
}));

/** All conversations one after the other, except those that end in the middle of a request. */
const complete = known.filter(({ bytes, found }) => {
  const end = readWhole(Buffer.concat([bytes, Buffer.from("get end\r\n")])).at(-1);
  return found.length > 0 && Bun.deepEquals(end, { kind: "get", names: ["end"] });
});
const all = Buffer.concat(complete.map(({ bytes }) => bytes));
const allFound = complete.flatMap(({ found }) => found);

/** Far cheaper than a comparison for each of ten thousand ways to cut the same bytes. */
function digest(found: Found[]): string {
  return JSON.stringify(found);
}

test.each(known)("$title", ({ bytes, found }) => {
  expect(readWhole(bytes)).toEqual(found);
});

test("only a few conversations end in the middle of a request, or with the connection", () => {
  expect(known.length - complete.length).toBe(9);
  expect(allFound.length).toBeGreaterThan(150);
});

describe("cut at every place", () => {
  test.each(known)("$title", ({ bytes, found }) => {
    const expected = digest(found);
    for (let place = 0; place <= bytes.length; place++) {
      const cut = readCut(bytes, place);
      if (digest(cut) !== expected) expect({ place, found: cut }).toEqual({ place, found });
    }
  });

  /** Twenty at a time, each among others twice; all in one, at every place, would take too long. */
  test("many of them, one after the other", () => {
    for (let first = 0; first < complete.length; first += 10) {
      const some = complete.slice(first, first + 20);
      const bytes = Buffer.concat(some.map((one) => one.bytes));
      const found = some.flatMap((one) => one.found);
      const expected = digest(found);
      for (let place = 0; place <= bytes.length; place++) {
        const cut = readCut(bytes, place);
        if (digest(cut) !== expected) expect({ place, found: cut }).toEqual({ place, found });
      }
    }
  });

  test("all of them one after the other, at every tenth place", () => {
    const expected = digest(allFound);
    for (let place = 0; place <= all.length; place += 10) {
      const cut = readCut(all, place);
      if (digest(cut) !== expected)
        expect({ place, found: cut }).toEqual({ place, found: allFound });
    }
  });
});

describe("a byte at a time", () => {
  test.each(known)("$title", ({ bytes, found }) => {
    expect(readPieces(singleBytes(bytes))).toEqual(found);
  });

  test("all of them one after the other", () => {
    expect(readPieces(singleBytes(all))).toEqual(allFound);
  });
});

test.each(seeds)("cut at random places, seed %d", (seed) => {
  const random = newRandom(seed);
  const expected = digest(allFound);
  for (let round = 0; round < 150; round++) {
    const pieces = cutAtRandom(random, all, random.between(2, 400));
    const found = readPieces(pieces);
    if (digest(found) !== expected) {
      const lengths = pieces.map(({ length }) => length);
      expect({ lengths, found }).toEqual({ lengths, found: allFound });
    }
  }
});

test.each(seeds)("in any order, cut at random places, seed %d", (seed) => {
  const random = newRandom(seed);
  for (let round = 0; round < 300; round++) {
    const chosen = Array.from({ length: 20 }, () => random.pick(complete));
    const bytes = Buffer.concat(chosen.map((one) => one.bytes));
    const found = readPieces(cutAtRandom(random, bytes, random.between(1, 60)));
    const expected = chosen.flatMap((one) => one.found);
    if (!Bun.deepEquals(found, expected)) expect(found).toEqual(expected);
  }
});
