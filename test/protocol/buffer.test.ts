import { describe, expect, test } from "bun:test";

import {
  type Bytes,
  clear,
  newBytes,
  reserve,
  writeBytes,
  writeNumber,
  writeText,
} from "../../src/protocol/buffer.ts";
import { newRandom, seeds } from "./random.ts";

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
/** On both sides of where copying by hand ends. */
const lengths = [0, 1, 2, 15, 16, 47, 48, 49, 50, 255, 256, 5000];

function written({ buffer, length }: Bytes): Buffer {
  return buffer.subarray(0, length);
}

function textOf(bytes: Bytes): string {
  return written(bytes).toString("latin1");
}

function numberText(value: number): string {
  const bytes = newBytes(1);
  writeNumber(bytes, value);
  return textOf(bytes);
}

describe("numbers", () => {
  test("zero to a thousand", () => {
    for (let value = 0; value <= 1000; value++) expect(numberText(value)).toBe(String(value));
  });

  test.each(Array.from({ length: 16 }, (_, power) => 10 ** power))("around %d", (power) => {
    for (const value of [power - 1, power, power + 1, 2 * power - 1, 5 * power, 9 * power]) {
      if (value <= Number.MAX_SAFE_INTEGER) expect(numberText(value)).toBe(String(value));
    }
  });

  test("each power of two, and its neighbours", () => {
    for (let power = 1; power < 2 ** 53; power *= 2) {
      for (const value of [power - 1, power, power + 1]) {
        expect(numberText(value)).toBe(String(value));
      }
    }
  });

  test("the largest hundred, where adding anything is no longer exact", () => {
    for (let value = 2 ** 53 - 100; value < 2 ** 53; value++) {
      expect(numberText(value)).toBe(String(value));
    }
  });

  test.each(seeds)("random ones of every size, seed %d", (seed) => {
    const random = newRandom(seed);
    for (let i = 0; i < 5000; i++) {
      const value = Math.floor((random.below(2 ** 32) / 2 ** 32) * 2 ** random.between(0, 53));
      expect(numberText(value)).toBe(String(value));
    }
  });

  test("one after the other", () => {
    const bytes = newBytes(1);
    const values = Array.from({ length: 300 }, (_, n) => n ** 6);
    for (const value of values) writeNumber(bytes, value);
    expect(textOf(bytes)).toBe(values.join(""));
  });
});

describe("texts", () => {
  test.each(lengths)("of %d characters, each from U+0000 to U+00FF in turn", (length) => {
    const source = Buffer.from(Array.from({ length }, (_, i) => (i * 7 + length) & 255));
    const bytes = newBytes(1);
    writeText(bytes, source.toString("latin1"));
    expect(written(bytes)).toEqual(source);
  });

  test("every character, short and long", () => {
    const bytes = newBytes(1);
    for (const byte of everyByte) writeText(bytes, String.fromCharCode(byte));
    writeText(bytes, everyByte.toString("latin1"));
    expect(written(bytes)).toEqual(Buffer.concat([everyByte, everyByte]));
  });
});

describe("copied bytes", () => {
  test.each(lengths)("%d of them, from the middle of their source", (length) => {
    const source = Buffer.from(Array.from({ length: length + 20 }, (_, i) => (i * 11) & 255));
    const bytes = newBytes(1);
    writeText(bytes, "before");
    writeBytes(bytes, source, 7, 7 + length);
    writeText(bytes, "after");
    const expected = [Buffer.from("before"), source.subarray(7, 7 + length), Buffer.from("after")];
    expect(written(bytes)).toEqual(Buffer.concat(expected));
  });
});

describe("growth", () => {
  test.each([1, 2, 3, 16, 100])("from %d bytes on, no written byte is lost", (size) => {
    const bytes = newBytes(size);
    const expected: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const text = `${i},`;
      expected.push(text, String(i));
      writeText(bytes, text);
      writeNumber(bytes, i);
    }
    expect(textOf(bytes)).toBe(expected.join(""));
  });

  test("room that is there is used", () => {
    const bytes = newBytes(100);
    const { buffer } = bytes;
    expect(buffer.length).toBe(100);
    writeText(bytes, "x".repeat(90));
    reserve(bytes, 10);
    writeText(bytes, "y".repeat(10));
    expect(bytes.buffer).toBe(buffer);
    reserve(bytes, 1);
    expect(bytes.buffer).not.toBe(buffer);
    expect(textOf(bytes)).toBe("x".repeat(90) + "y".repeat(10));
  });

  test("at least doubles, so that many small pieces are copied a few times only", () => {
    const bytes = newBytes(1);
    const buffers = new Set<Buffer>();
    for (let i = 0; i < 100_000; i++) {
      writeText(bytes, "z");
      buffers.add(bytes.buffer);
    }
    expect(buffers.size).toBeLessThanOrEqual(18);
  });

  test("one large piece is room enough at once", () => {
    const bytes = newBytes(1);
    const source = Buffer.alloc(3_000_000, "ab");
    writeBytes(bytes, source, 0, source.length);
    expect(written(bytes)).toEqual(source);
  });
});

describe("clearing", () => {
  test("keeps a buffer of up to a megabyte", () => {
    const bytes = newBytes(1024 * 1024);
    const { buffer } = bytes;
    writeText(bytes, "x");
    clear(bytes);
    expect(bytes.length).toBe(0);
    expect(bytes.buffer).toBe(buffer);
    writeText(bytes, "new");
    expect(textOf(bytes)).toBe("new");
  });

  test("replaces a larger one", () => {
    const bytes = newBytes(16);
    reserve(bytes, 1024 * 1024 + 1);
    clear(bytes);
    expect(bytes.buffer.length).toBe(1024 * 1024);
    writeText(bytes, "new");
    expect(textOf(bytes)).toBe("new");
  });
});
