import { expect, test } from "bun:test";

import { type Bytes, writeBytes } from "../../../src/protocol/buffer.ts";
import type { Value } from "../../../src/protocol/reply.ts";
import {
  writeLine,
  writeLineEnd,
  writeStat,
  writeValueLine,
} from "../../../src/protocol/text/encoder.ts";
import { written as writtenBytes } from "../written.ts";

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

function written(write: (bytes: Bytes) => void): string {
  return writtenBytes(write).toString("latin1");
}

function value(flags: number, number: number, body: Buffer): Value & { bytes: Buffer } {
  const bytes = Buffer.concat([Buffer.from("left"), body, Buffer.from("right")]);
  return { flags, number, bytes, start: 4, end: 4 + body.length, deliveries: 0 };
}

test("a line's end is CR LF", () => {
  expect(written(writeLineEnd)).toBe("\r\n");
});

test("a line, empty, with any byte, and long", () => {
  for (const text of ["", "STORED", everyByte.toString("latin1"), "x".repeat(70_000)]) {
    expect(written((bytes) => writeLine(bytes, text))).toBe(`${text}\r\n`);
  }
});

test.each([
  ["q", 0, 5, "VALUE q 0 5\r\n", "VALUE q 0 5 1\r\n"],
  ["q", 4_294_967_295, 0, "VALUE q 4294967295 0\r\n", "VALUE q 4294967295 0 1\r\n"],
  ["a\xff\0b", 1, 1000, "VALUE a\xff\0b 1 1000\r\n", "VALUE a\xff\0b 1 1000 1\r\n"],
])("the value line of %j, flags %d, %d bytes", (name, flags, length, plain, numbered) => {
  const message = value(flags, 1, Buffer.alloc(length, "b"));
  expect(written((bytes) => writeValueLine(bytes, name, message, false))).toBe(plain);
  expect(written((bytes) => writeValueLine(bytes, name, message, true))).toBe(numbered);
});

test("a name of 250 bytes and the largest number of a message", () => {
  const name = "n".repeat(250);
  const message = value(7, 2 ** 43 - 1, Buffer.from("b"));
  const line = written((bytes) => writeValueLine(bytes, name, message, true));
  expect(line).toBe(`VALUE ${name} 7 1 8796093022207\r\n`);
});

test("a whole answer", () => {
  const answer = written((bytes) => {
    for (const body of ["Hello", "", "World"]) {
      const message = value(3, 12, Buffer.from(body));
      writeValueLine(bytes, "q", message, true);
      writeBytes(bytes, message.bytes, message.start, message.end);
      writeLineEnd(bytes);
    }
    writeLine(bytes, "END");
  });
  expect(answer).toBe(
    "VALUE q 3 5 12\r\nHello\r\nVALUE q 3 0 12\r\n\r\nVALUE q 3 5 12\r\nWorld\r\nEND\r\n",
  );
});

test.each([
  ["pid", 1234, "STAT pid 1234\r\n"],
  ["rusage_user", "0.123456", "STAT rusage_user 0.123456\r\n"],
  ["bytes_read", Number.MAX_SAFE_INTEGER, "STAT bytes_read 9007199254740991\r\n"],
  ["a\xe9\0", "2/1", "STAT a\xe9\0 2/1\r\n"],
])("the statistic %j", (name, content, expected) => {
  expect(written((bytes) => writeStat(bytes, [name, content]))).toBe(expected);
});
