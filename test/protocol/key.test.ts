/** Names and keys: the same bytes give the same text, whatever was read before. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { keyAt, keyInTable, newKeyTable } from "../../src/protocol/key.ts";
import { newRandom, seeds } from "./random.ts";

setDefaultTimeout(60_000);

/** What a name must not contain. */
const separators = [..."/ \n"].map((character) => character.charCodeAt(0));

/** The key, read from the middle of a buffer. */
function read(name: string) {
  const buffer = Buffer.from(`before${name}after`, "latin1");
  return keyAt(buffer, 6, 6 + name.length);
}

function expectName(name: string): void {
  const { text, queue, plain, action, wait, problem } = read(name);
  expect({ text, queue, plain, action, wait, problem }).toEqual({
    text: name,
    queue: name,
    plain: true,
    action: "take",
    wait: -1,
    problem: undefined,
  });
}

test("every byte value but slash, space and LF, alone and at every place", () => {
  for (let byte = 0; byte < 256; byte++) {
    if (separators.includes(byte)) continue;
    const character = String.fromCharCode(byte);
    for (const name of [character, `${character}bc`, `a${character}c`, `ab${character}`]) {
      expectName(name);
      expectName(name);
    }
  }
});

test("every length up to 250, and one more", () => {
  for (let length = 1; length <= 250; length++) expectName("n".repeat(length));
  expect(read("n".repeat(251)).problem).toBe("bad command line format");
});

test("a name does not change with the buffer that it was read from", () => {
  const buffer = Buffer.from("jobs");
  const key = keyAt(buffer, 0, 4);
  buffer.write("none");
  expect(key.queue).toBe("jobs");
  expect(keyAt(buffer, 0, 4).queue).toBe("none");
  expectName("jobs");
});

test("the same bytes give the same key, wherever they are", () => {
  expect(read("jobs")).toBe(read("jobs"));
});

/** "Aa" and "BB" have the same hash, and so have all names made of as many of them. */
test("names that collide", () => {
  const names = Array.from({ length: 1024 }, (_, n) =>
    Array.from({ length: 10 }, (_, bit) => ((n >> bit) & 1 ? "Aa" : "BB")).join(""),
  );
  for (let round = 0; round < 2; round++) {
    for (const name of names) {
      expectName(name);
      expectName(name);
    }
  }
});

test("a name and the beginnings of it", () => {
  const name = "queue-of-mail-to-be-sent";
  for (let round = 0; round < 3; round++) {
    for (let end = 1; end <= name.length; end++) expectName(name.slice(0, end));
  }
});

test.each(seeds)("ten thousand random names of any bytes, again and again, seed %d", (seed) => {
  const random = newRandom(seed);
  const buffers = Array.from({ length: 10_000 }, (_, n) =>
    // Half of them are as short and alike as names often are.
    n % 2 === 0
      ? random.bytes(random.between(1, 250)).map((byte) => (separators.includes(byte) ? 0 : byte))
      : Buffer.from(`q${random.below(5000)}`),
  ) as Buffer[];
  const names = buffers.map((buffer) => buffer.toString("latin1"));
  for (let i = 0; i < 40_000; i++) {
    const n = i < 10_000 ? i : random.below(buffers.length);
    const buffer = buffers[n] as Buffer;
    const { queue, text, problem } = keyAt(buffer, 0, buffer.length);
    if (queue !== names[n] || text !== names[n] || problem !== undefined)
      expectName(names[n] ?? "");
  }
});

test.each([
  ["q/t=0", { queue: "q", action: "take", before: undefined, wait: 0 }],
  ["q/t=2147483647", { queue: "q", action: "take", before: undefined, wait: 2 ** 31 - 1 }],
  ["q/open", { queue: "q", action: "open", before: undefined, wait: -1 }],
  ["q/close", { queue: "q", action: "none", before: "close", wait: -1 }],
  ["q/abort", { queue: "q", action: "none", before: "abort", wait: -1 }],
  ["q/peek", { queue: "q", action: "peek", before: undefined, wait: -1 }],
  ["q/close/open", { queue: "q", action: "open", before: "close", wait: -1 }],
  ["q/t=7/close/open", { queue: "q", action: "open", before: "close", wait: 7 }],
  ["q/t=007/peek", { queue: "q", action: "peek", before: undefined, wait: 7 }],
  ["open/open", { queue: "open", action: "open", before: undefined, wait: -1 }],
  ["q/open/close/t=10", { queue: "q", action: "open", before: "close", wait: 10 }],
  ["q/close/t=10", { queue: "q", action: "none", before: "close", wait: -1 }],
  ["q/t=10/abort", { queue: "q", action: "none", before: "abort", wait: -1 }],
  ["q/t=1/t=2", { queue: "q", action: "take", before: undefined, wait: 2 }],
  ["q/open/open", { queue: "q", action: "open", before: undefined, wait: -1 }],
  ["q/close/close/t=0", { queue: "q", action: "none", before: "close", wait: -1 }],
  ["q/", { queue: "q", action: "take", before: undefined, wait: -1 }],
  [
    "q/or=r/or=s/t=5",
    { queue: "q", others: ["r", "s"], action: "take", before: undefined, wait: 5 },
  ],
  ["q/pause=5", { queue: "q", action: "none", before: "pause", seconds: 5, wait: -1 }],
  ["q/pause=0/t=9", { queue: "q", action: "none", before: "pause", seconds: 0, wait: -1 }],
  ["q/resume", { queue: "q", action: "none", before: "resume", wait: -1 }],
  ["q/open/", { queue: "q", action: "open", before: undefined, wait: -1 }],
  ["q//peek//", { queue: "q", action: "peek", before: undefined, wait: -1 }],
  ["\xff\0/peek/t=5", { queue: "\xff\0", action: "peek", before: undefined, wait: 5 }],
])("the options of %j", (text, expected) => {
  expect(read(text)).toEqual({
    scope: "available",
    lease: 0,
    delay: -1,
    target: "",
    seconds: 0,
    others: [],
    ...expected,
    text,
    plain: false,
    problem: undefined,
  } as never);
});

test("keys in a table are the same as those read one by one", () => {
  const texts = ["a", "q/open", "\xff\0/peek/t=5", "n".repeat(250), "a", "b"];
  const line = Buffer.from(`get  ${texts.join("   ")} \r\n`, "latin1");
  const starts = texts.map((_, i) => 5 + texts.slice(0, i).join("   ").length + (i > 0 ? 3 : 0));
  for (let from = 0; from < texts.length; from++) {
    const table = newKeyTable(line, starts, from, texts.length - from, line.length - 3);
    texts.slice(from).forEach((text, i) => expect(keyInTable(table, i)).toEqual(read(text)));
  }
});

test("a table does not change with the buffer that it was made from", () => {
  const line = Buffer.from("aa bb");
  const table = newKeyTable(line, [0, 3], 0, 2, 5);
  line.fill("x");
  expect([0, 1].map((i) => keyInTable(table, i).queue)).toEqual(["aa", "bb"]);
});

test("hundreds of different options, each again and again", () => {
  for (let round = 0; round < 2; round++) {
    for (let wait = 0; wait < 300; wait++) {
      expect(read(`q/open/t=${wait}`)).toMatchObject({ queue: "q", action: "open", wait });
      expect(read(`a/t=${wait}/peek`)).toMatchObject({ queue: "a", action: "peek", wait });
      expect(read(`b/t=${wait}/x`).problem).toStartWith("unknown option x");
    }
  }
});

test("a name of 250 bytes may have options", () => {
  const queue = "n".repeat(250);
  expect(read(`${queue}/open/close/t=1000`)).toMatchObject({ queue, problem: undefined });
  expect(read(`${queue}n/open`).problem).toBe("bad command line format");
});

test.each([
  ["/", "bad command line format"],
  ["/open", "bad command line format"],
  ["a b", "a queue's name has no space"],
  [" ", "a queue's name has no space"],
  ["a\nb", "a queue's name has no space and no line end"],
  ["a b/open", "a queue's name has no space"],
  ["q/Open", "unknown option Open"],
  ["q/t", "unknown option t"],
  ["q/t=", "bad value in t="],
  ["q/t=-1", "bad value in t=-1"],
  ["q/t=1.5", "bad value in t=1.5"],
  ["q/t=2147483648", "bad value in t=2147483648"],
  ["q/t=5x", "bad value in t=5x"],
  ["q/t=99999999999999999999", "bad value in t=99999999999999999999"],
  ["q/abort/open", "option abort does not go with open"],
  ["q/abort/close", "option abort does not go with close"],
  ["q/abort/t=5/open", "option abort does not go with open"],
  ["q/close/t=5/peek", "option peek does not go with close"],
  ["q/close/t=x", "bad value in t=x"],
  ["q/t=x/t=5", "bad value in t=x"],
  ["q//foo/", "unknown option foo"],
  ["q/peek/open", "option peek does not go with open"],
  ["q/close/peek", "option peek does not go with close"],
  ["q/peek/open/close", "option peek does not go with open, close"],
  ["q/open/nothing", "unknown option nothing"],
])("what is wrong with %j", (text, problem) => {
  expect(read(text).problem).toStartWith(problem);
});
