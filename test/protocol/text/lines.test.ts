/** How long a line may be. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { nextRequest } from "../../../src/protocol/decoder.ts";
import { feed, newInput } from "../../../src/protocol/input.ts";
import { MAX_LINE } from "../../../src/protocol/text/decoder.ts";
import { newRandom, seeds } from "../random.ts";
import { keysOf } from "../reading.ts";
import { fatal, get, refused, set, TOO_LONG } from "./conversations.ts";
import {
  type Found,
  foundIn,
  readAvailable,
  readCut,
  readPieces,
  readWhole,
  singleBytes,
} from "./reading.ts";

setDefaultTimeout(60_000);

const LONGEST = 65_536;

/** Many names, as long as a line of `length` bytes, its end included, has room for. */
function longNames(length: number, end: string): string[] {
  const room = length - end.length - "get".length;
  const names = Array.from({ length: Math.floor(room / 100) }, (_, n) => `${n}-`.padEnd(99, "n"));
  const rest = room - names.length * 100;
  return rest > 1 ? [...names, "r".repeat(rest - 1)] : [...names.slice(1), "r".repeat(99 + rest)];
}

function longGet(length: number, end: string): { bytes: Buffer; names: string[] } {
  const names = longNames(length, end);
  const bytes = Buffer.from(`get ${names.join(" ")}${end}`);
  expect(bytes.length).toBe(length);
  return { bytes, names };
}

/** Near both ends, around what is looked at byte by byte, and now and then in between. */
function places(length: number): number[] {
  const step = Array.from({ length: Math.floor(length / 4999) }, (_, n) => n * 4999);
  const ends = [0, 1, 2, 62, 63, 64, 65, 66].flatMap((near) => [near, length - near]);
  return [...new Set([...step, ...ends])];
}

test("65,536 bytes", () => {
  expect(MAX_LINE).toBe(LONGEST);
});

describe.each([
  ["CR LF", "\r\n"],
  ["LF", "\n"],
])("ending in %s", (_title, end) => {
  const { bytes, names } = longGet(LONGEST, end);
  const longer = longGet(LONGEST + 1, end).bytes;
  const next = Buffer.from("get next\r\n");

  test("a line of 65,536 bytes is read, wherever it is cut", () => {
    const both = Buffer.concat([bytes, next]);
    expect(readWhole(both)).toEqual([get(...names), get("next")]);
    for (const place of places(bytes.length)) {
      const found = readCut(both, place);
      if (!Bun.deepEquals(found, [get(...names), get("next")])) expect(place).toBe(-1);
    }
  });

  test("a byte more is too much, wherever it is cut, and the end of it all", () => {
    const both = Buffer.concat([longer, next]);
    expect(readWhole(both)).toEqual([fatal(TOO_LONG)]);
    for (const place of places(longer.length)) {
      expect(readCut(both, place)).toEqual([fatal(TOO_LONG)]);
    }
  });

  test("a byte at a time", () => {
    expect(readPieces(singleBytes(Buffer.concat([bytes, next])))).toEqual([
      get(...names),
      get("next"),
    ]);
    expect(readPieces(singleBytes(Buffer.concat([longer, next])))).toEqual([fatal(TOO_LONG)]);
  });

  test("after and before other requests", () => {
    const before = Buffer.from("set q 0 0 5\r\nHello\r\n");
    const good = Buffer.concat([before, bytes, before]);
    const bad = Buffer.concat([before, longer, before]);
    for (const place of places(good.length)) {
      expect(readCut(good, place)).toEqual([
        set("q", 0, "Hello"),
        get(...names),
        set("q", 0, "Hello"),
      ]);
      expect(readCut(bad, place)).toEqual([set("q", 0, "Hello"), fatal(TOO_LONG)]);
    }
  });

  test.each(seeds)("cut at random places, seed %d", (seed) => {
    const random = newRandom(seed);
    for (let round = 0; round < 20; round++) {
      const cut = (whole: Buffer): Found[] => {
        const pieces: Buffer[] = [];
        for (let at = 0; at < whole.length; at += pieces.at(-1)?.length ?? 0) {
          pieces.push(whole.subarray(at, at + random.between(1, 9000)));
        }
        return readPieces(pieces);
      };
      expect(cut(Buffer.concat([bytes, bytes, next]))).toEqual([
        get(...names),
        get(...names),
        get("next"),
      ]);
      expect(cut(Buffer.concat([bytes, longer]))).toEqual([get(...names), fatal(TOO_LONG)]);
    }
  });
});

test("a line of 65,536 bytes that means nothing is an error like any other", () => {
  for (const byte of ["x", " ", "\r", "\0"]) {
    expect(readWhole(Buffer.from(`${byte.repeat(LONGEST - 2)}\r\nget q\r\n`))).toEqual([
      refused("ERROR"),
      get("q"),
    ]);
    expect(readWhole(Buffer.from(`${byte.repeat(LONGEST - 1)}\r\nget q\r\n`))).toEqual([
      fatal(TOO_LONG),
    ]);
  }
});

describe("a line without an end", () => {
  test("is refused with its byte 65,536, and not before", () => {
    const input = newInput(1024);
    feed(input, Buffer.alloc(LONGEST - 1, "x"));
    expect(nextRequest(input)).toBe(false);
    feed(input, Buffer.from("x"));
    expect(nextRequest(input)).toBe(true);
    expect(foundIn(input.request)).toEqual(fatal(TOO_LONG));
  });

  test.each([LONGEST, LONGEST + 1, 1_000_000])("%d bytes in one piece", (length) => {
    expect(readWhole(Buffer.alloc(length, "x"))).toEqual([fatal(TOO_LONG)]);
  });

  test("nothing is read after it, and nothing kept", () => {
    const input = newInput(1024);
    feed(input, Buffer.alloc(LONGEST, "x"));
    expect(readAvailable(input)).toEqual([fatal(TOO_LONG)]);
    for (const text of ["\r\n", "get q\r\n", "set q 0 0 1\r\nx\r\n", "x".repeat(100_000)]) {
      feed(input, Buffer.from(text));
      expect(nextRequest(input)).toBe(false);
      expect(input.chunk.length).toBe(0);
    }
  });

  test("keeps one buffer that doubles, however many pieces it comes in", () => {
    const input = newInput(1024);
    const buffers = new Set<Buffer | undefined>();
    for (let i = 1; i < LONGEST; i++) {
      feed(input, Buffer.from("x"));
      expect(nextRequest(input)).toBe(false);
      buffers.add(input.line?.buffer);
    }
    expect(buffers.size).toBeLessThanOrEqual(17);
    expect(input.line?.buffer.length).toBeLessThanOrEqual(LONGEST);
  });

  test("of a swallowed body is no line", () => {
    const body = "x".repeat(100_000);
    expect(readWhole(Buffer.from(`add q 0 0 100000\r\n${body}\r\nget q\r\n`)).at(-1)).toEqual(
      get("q"),
    );
    expect(readWhole(Buffer.from(`set q 0 0 100000\r\n${body}\r\n`), 100_000)).toEqual([
      set("q", 0, body),
    ]);
  });
});

test("get with 100 names of 250 bytes", () => {
  const names = Array.from({ length: 100 }, (_, n) => `${n}-`.padEnd(250, "\xff"));
  const bytes = Buffer.from(`get ${names.join(" ")}\r\n`, "latin1");
  expect(readWhole(bytes)).toEqual([get(...names)]);
  for (let place = 0; place <= bytes.length; place += 37) {
    expect(readCut(bytes, place)).toEqual([get(...names)]);
  }
  expect(readPieces(singleBytes(bytes))).toEqual([get(...names)]);
});

describe("a refused request keeps no long text", () => {
  const long = "x".repeat(60_000);
  const names = Array.from({ length: 10_000 }, (_, n) => n.toString(36)).join(" ");

  const lines = [
    `get ${names} /`,
    `get ${names} q/t=1`,
    `get q/${long}`,
    `get q/t=${long}`,
    `get ${long}`,
    `set ${long} 0 0 1`,
    `set q/${long} 0 0 1`,
    `delete ${long}`,
    `flush ${long}`,
    `stats queue ${long}`,
    `mg ${long} k`,
    `mg q/${long} k v`,
    `mg ${long} k b`,
    `ms ${long} 1 k`,
    `md ${long} k`,
    `me ${long} k`,
  ];

  test.each(lines.map((line) => [line.slice(0, 20), line]))("%s…", (_start, line) => {
    const input = newInput(1024);
    feed(input, Buffer.from(`${line}\n`));
    expect(nextRequest(input)).toBe(true);
    expect(input.request.kind).toBe("error");
    const { name, tokens, reason, line: kept } = input.request;
    const texts = [...keysOf(input.request), name, ...tokens, reason, kept];
    expect(texts.join("").length).toBeLessThan(300);
  });
});

test("get with as many names as a line holds", () => {
  const names = Array.from({ length: 32_766 }, (_, n) => String.fromCharCode(97 + (n % 26)));
  const bytes = Buffer.from(`get ${names.join(" ")}\n`);
  expect(bytes.length).toBe(LONGEST);
  expect(readWhole(bytes)).toEqual([get(...names)]);
});
