import { describe, expect, test } from "bun:test";

import {
  appendMessage,
  appendPacked,
  bodyAt,
  bodyBytesFrom,
  flagsAt,
  hasRoom,
  largeSegment,
  lengthAt,
  newSegment,
  packedSegment,
  placeOf,
  resetSegment,
  type Segment,
  SEGMENT_BYTES,
  segmentCost,
} from "../../../src/queues/local/segment.ts";
import { HEAD } from "../../../src/store/batch.ts";
import { newRandom } from "../../protocol/random.ts";

type Sent = { flags: number; body: Buffer };

function filled(first: number, messages: readonly Sent[]): Segment {
  const segment = newSegment(first, 0);
  for (const { flags, body } of messages) appendMessage(segment, flags, body, 0, body.length);
  return segment;
}

/** The messages, each found by its number. */
function read(segment: Segment): Sent[] {
  return Array.from({ length: segment.end - segment.first }, (_, n) => {
    const at = placeOf(segment, segment.first + n);
    const start = bodyAt(segment, at);
    const body = segment.bytes.subarray(start, start + lengthAt(segment, at));
    return { flags: flagsAt(segment, at), body: Buffer.from(body) };
  });
}

const sent = (body: string, flags = 0): Sent => ({ flags, body: Buffer.from(body) });

describe("messages come out of a segment as they went in", () => {
  test("few of them", () => {
    const messages = [sent("one", 1), sent(""), sent("three", 4_294_967_295), sent("", 2 ** 31)];
    const segment = filled(17, messages);
    expect(read(segment)).toEqual(messages);
    expect(segment).toMatchObject({ first: 17, end: 21, cursor: 0, saved: 0, large: false });
    expect(segment.used).toBe(4 * HEAD + "onethree".length);
  });

  test.each([1, 2, 3])("many of random sizes, in a segment that grows, seed %d", (seed) => {
    const random = newRandom(seed);
    const messages: Sent[] = [];
    const segment = newSegment(1, 0);
    for (;;) {
      const body = random.bytes(random.below(random.pick([1, 20, 500, 9000])));
      if (!hasRoom(segment, body.length)) break;
      const flags = random.below(2 ** 32);
      appendMessage(segment, flags, body, 0, body.length);
      messages.push({ flags, body });
    }
    expect(messages.length).toBeGreaterThan(5);
    expect(read(segment)).toEqual(messages);
    expect(segment.used).toBeLessThanOrEqual(SEGMENT_BYTES);
    expect(segment.bytes.length).toBeLessThanOrEqual(SEGMENT_BYTES);
  });

  test("a part of a buffer", () => {
    const segment = newSegment(1, 0);
    appendMessage(segment, 5, Buffer.from("abcdefg"), 2, 5);
    appendMessage(segment, 6, Buffer.from("abcdefg"), 7, 7);
    expect(read(segment)).toEqual([sent("cde", 5), sent("", 6)]);
  });

  test("a change of the buffer afterwards is none of the message", () => {
    const source = Buffer.from("abc");
    const segment = filled(1, [{ flags: 0, body: source }]);
    source.fill("x");
    expect(read(segment)).toEqual([sent("abc")]);
  });
});

test("each message is its length and flags, 32 bits little-endian, and its body", () => {
  const segment = filled(1, [sent("AB", 0x01020304), sent("", 0xffffffff)]);
  expect(segment.bytes.subarray(0, segment.used).toString("hex")).toBe(
    "0200000004030201" + "4142" + "00000000ffffffff",
  );
});

test("there is room up to 64 KB, for a first message always", () => {
  const segment = newSegment(1, 0);
  expect(hasRoom(segment, SEGMENT_BYTES * 2)).toBe(true);
  const body = Buffer.alloc(SEGMENT_BYTES / 2 - HEAD);
  appendMessage(segment, 0, body, 0, body.length);
  expect(hasRoom(segment, body.length)).toBe(true);
  expect(hasRoom(segment, body.length + 1)).toBe(false);
  appendMessage(segment, 0, body, 0, body.length);
  expect(segment.used).toBe(SEGMENT_BYTES);
  expect(hasRoom(segment, 0)).toBe(false);
});

describe("a large message", () => {
  const body = Buffer.alloc(100_000, "large;");

  test("has a segment of its own, and is not copied", () => {
    const segment = largeSegment(9, 4_000_000_000, body);
    expect(segment.bytes).toBe(body);
    expect(segment).toMatchObject({ first: 9, end: 10, used: body.length, large: true });
    expect(read(segment)).toEqual([{ flags: 4_000_000_000, body }]);
  });

  test("shares it with no other message", () => {
    expect(hasRoom(largeSegment(1, 0, body), 0)).toBe(false);
  });
});

describe("packed messages", () => {
  const some = filled(5, [sent("one", 1), sent("", 2), sent("three", 3)]);
  const packed = Buffer.from(some.bytes.subarray(0, some.used));

  test("are a segment, all of it saved", () => {
    const segment = packedSegment(5, 3, packed);
    expect(read(segment)).toEqual(read(some));
    expect(segment).toMatchObject({ first: 5, end: 8, used: packed.length, saved: packed.length });
  });

  test("are added to others, and others to them", () => {
    const segment = filled(4, [sent("zero", 9)]);
    appendPacked(segment, 3, packed);
    appendMessage(segment, 8, Buffer.from("last"), 0, 4);
    expect(read(segment)).toEqual([sent("zero", 9), ...read(some), sent("last", 8)]);
    expect(segment.end).toBe(9);
    const after = packedSegment(5, 3, packed);
    appendMessage(after, 8, Buffer.from("last"), 0, 4);
    expect(read(after)).toEqual([...read(some), sent("last", 8)]);
    // What was packed is left alone.
    expect(read(packedSegment(5, 3, packed))).toEqual(read(some));
  });
});

test("the bytes of the bodies from a message on", () => {
  const segment = filled(5, [sent("one"), sent(""), sent("three")]);
  const from = [1, 5, 6, 7, 8, 9].map((number) => bodyBytesFrom(segment, number));
  expect(from).toEqual([8, 8, 5, 5, 0, 0]);
  const large = largeSegment(9, 0, Buffer.alloc(20_000));
  expect([8, 9, 10].map((number) => bodyBytesFrom(large, number))).toEqual([20_000, 20_000, 0]);
  expect(bodyBytesFrom(newSegment(3, 0), 3)).toBe(0);
});

test("an emptied segment is as good as a new one, and keeps its room", () => {
  const segment = filled(1, Array<Sent>(100).fill(sent("some message")));
  segment.cursor = segment.saved = segment.used;
  const room = segment.bytes.length;
  resetSegment(segment, 50);
  expect(segment).toMatchObject({ first: 50, end: 50, used: 0, cursor: 0, saved: 0 });
  appendMessage(segment, 3, Buffer.from("again"), 0, 5);
  expect(read(segment)).toEqual([sent("again", 3)]);
  expect(segment.bytes.length).toBe(room);
});

test("what a segment costs is its bytes and something more", () => {
  for (const segment of [
    newSegment(1, 0),
    newSegment(1, 10_000),
    largeSegment(1, 0, Buffer.alloc(7)),
  ]) {
    const overhead = segmentCost(segment) - segment.bytes.length;
    expect(overhead).toBeGreaterThan(0);
    expect(overhead).toBeLessThan(1000);
  }
});
