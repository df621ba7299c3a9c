/** Bytes that nobody planned: the parser must not fall over, and must read them as the reference does. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { cutAtRandom, newRandom, type Random, seeds } from "../random.ts";
import { conversations, refused } from "./conversations.ts";
import { type Found, MAX_BODY, readPieces } from "./reading.ts";
import { referenceRead } from "./reference.ts";

setDefaultTimeout(60_000);

const verbs =
  "set set set set get gets delete add replace append prepend cas stats verbosity version".split(
    " ",
  );
const rare = [
  "quit",
  "db_checkpoint",
  "db_archive",
  "reset",
  "noreply",
  "foo",
  "SET",
  "",
  "stats reset",
];
const numbers = [
  "0",
  "1",
  "2",
  "3",
  "5",
  "9",
  "00",
  "-1",
  "-",
  "256",
  "257",
  "4294967295",
  "4294967296",
];
const wrong = [
  "2147483645",
  "2147483646",
  "99999999999999999999",
  "+1",
  "1.0",
  "x",
  "\0",
  "\xff",
  "-5",
];
const rarely = ["n".repeat(250), "n".repeat(251), "q\r", "\r", " ", "\t"];
const ends = ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "", "\r\r\n", "\n\r"];

/** Something near to a request. */
function request(random: Random): string {
  const words = [
    random.pick(random.below(6) === 0 ? rare : verbs),
    random.pick(["q", "a", "b\xe9", "q/open", "a/"]),
  ];
  for (let left = random.below(6); left > 0; left--) {
    words.push(random.pick(random.below(8) === 0 ? [...wrong, ...rarely] : numbers));
  }
  if (random.below(5) === 0) words.push("noreply");
  return words.join(random.below(10) === 0 ? "  " : " ") + random.pick(ends);
}

/** A set with a body that has the length it should have, or nearly so. */
function wholeSet(random: Random): string {
  const body =
    random.below(2) === 0 ? request(random) : random.bytes(random.below(30)).toString("latin1");
  const length = Math.max(0, body.length + (random.below(6) === 0 ? random.between(-2, 2) : 0));
  const noreply = random.below(5) === 0 ? " noreply" : "";
  return `set q ${random.below(100)} 0 ${length}${noreply}\r\n${body}\r\n`;
}

const options = ["open", "close", "abort", "peek", "t=0", "t=500", "t=2147483647"];
const badOptions = ["", "t", "t=", "t=-1", "t=2147483648", "t=5x", "Open", "opened", "ope", "wait"];

function key(random: Random): string {
  const parts = [random.below(30) === 0 ? random.pick(["", ...rarely]).trim() : "q"];
  for (let left = random.below(4); left > 0; left--) {
    parts.push(random.pick(random.below(10) === 0 ? badOptions : options));
  }
  return parts.join("/");
}

/** A piece of a conversation. */
function fragment(random: Random): string {
  const { text } = random.pick(conversations);
  const start = random.below(text.length + 1);
  return text.slice(start, start + random.below(80));
}

function nearlyRequests(random: Random): Buffer {
  const parts = Array.from({ length: random.between(1, 6) }, () =>
    random.pick([request, request, wholeSet, wholeSet, fragment])(random),
  );
  return Buffer.from(parts.join(""), "latin1");
}

/** Without the letter that begins the meta commands, which the reference knows nothing of. */
function anyValues(random: Random): Buffer {
  return Buffer.from(random.bytes(random.below(50)).map((byte) => (byte === 109 ? 77 : byte)));
}

/** A few byte values only, so that ends of lines and words are frequent. */
function fewValues(random: Random): Buffer {
  const values = Buffer.from("set get q 0 1\r\n\r\n  \n\xff/", "latin1");
  return Buffer.from(Array.from({ length: random.below(60) }, () => random.pick([...values])));
}

function isName({ length }: string): boolean {
  return length >= 1 && length <= 250;
}

/** Fails when the parser throws, makes no progress, or finds something that makes no sense. */
function read(random: Random, bytes: Buffer): Found[] {
  const found = readPieces(cutAtRandom(random, bytes, random.between(1, 5)));
  for (const { kind, name = "n", names = ["n"], flags = 0, body = "" } of found) {
    const sane =
      [name, ...names.map((text) => text.split("/")[0] ?? "")].every(isName) &&
      flags >= 0 &&
      flags < 2 ** 32 &&
      body.length <= MAX_BODY;
    if (!sane) expect(kind).toBe("something sane" as never);
  }
  return found;
}

/** What is wrong with a key's options is not in the reference, only that something is. */
function withoutReasons(found: Found[]): Found[] {
  return found.map((one) => {
    const isOption = /^CLIENT_ERROR (unknown option|bad value|option (?!t= is allowed))/.test(
      one.answer ?? "",
    );
    return isOption ? refused("options") : one;
  });
}

/** Fails unless the reference reads the same. */
function compare(bytes: Buffer, found: Found[]): void {
  const input = bytes.toString("latin1");
  const expected = referenceRead(input, MAX_BODY);
  const plain = withoutReasons(found);
  if (!Bun.deepEquals(plain, expected))
    expect({ input, found: plain }).toEqual({ input, found: expected });
}

describe.each(seeds)("seed %d", (seed) => {
  test("forty thousand inputs of any bytes", () => {
    const random = newRandom(seed);
    for (let i = 0; i < 20_000; i++) {
      for (const bytes of [anyValues(random), fewValues(random)]) {
        compare(bytes, read(random, bytes));
      }
    }
  });

  test("ten thousand inputs that are nearly requests", () => {
    const random = newRandom(seed);
    for (let i = 0; i < 10_000; i++) {
      const bytes = nearlyRequests(random);
      compare(bytes, read(random, bytes));
    }
  });

  test("twenty thousand keys", () => {
    const random = newRandom(seed);
    for (let i = 0; i < 20_000; i++) {
      const keys = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => key(random));
      const bytes = Buffer.from(`get ${keys.join(" ")}\r\n`);
      compare(bytes, read(random, bytes));
    }
  });
});

test("the reference reads every conversation as it is written down", () => {
  for (const { text, found } of conversations) {
    expect(referenceRead(text, MAX_BODY)).toEqual(withoutReasons(found));
  }
});
