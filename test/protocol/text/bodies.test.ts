/** Bodies: where their bytes are, and how much memory they take. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { nextRequest } from "../../../src/protocol/decoder.ts";
import {
  bufferedBytes,
  compactInput,
  feed,
  type Input,
  isIncomplete,
  newInput,
  rejectPartial,
} from "../../../src/protocol/input.ts";
import { forgetBody, newRequest } from "../../../src/protocol/request.ts";
import { dangerous, everyByte, get, refused, set, TOO_LARGE, wrongEnd } from "./conversations.ts";
import { foundIn, readAvailable, readCut, readWhole } from "./reading.ts";

setDefaultTimeout(60_000);

const MEGABYTE = 1024 * 1024;
const LARGE = 16 * 1024;

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function fed(input: Input, piece: Buffer): boolean {
  // A large piece is released when it is read to the end, and some are fed more than once.
  feed(input, piece.length > LARGE ? Buffer.from(piece) : piece);
  return nextRequest(input);
}

/** The body of the request, and nothing else. */
function bodyOf({ request }: Input): Buffer {
  return request.body.subarray(request.bodyStart, request.bodyEnd);
}

describe("a body that arrived whole", () => {
  test("is used in place", () => {
    const input = newInput(1024);
    const piece = bytesOf("set q 0 0 5\r\nHello\r\nset q 0 0 5\r\nWorld\r\n");
    expect(fed(input, piece)).toBe(true);
    expect(input.request.body).toBe(piece);
    expect(bodyOf(input).toString()).toBe("Hello");
    expect(input.request.bodyAlone).toBe(false);
    expect(nextRequest(input)).toBe(true);
    expect(input.request.body).toBe(piece);
    expect(bodyOf(input).toString()).toBe("World");
    expect(input.request.bodyAlone).toBe(false);
  });

  test("also when its line arrived earlier", () => {
    const input = newInput(1024);
    expect(fed(input, bytesOf("set q 0 0 "))).toBe(false);
    const piece = bytesOf("5\r\nHello\r\n");
    expect(fed(input, piece)).toBe(true);
    expect(input.request.body).toBe(piece);
    expect(bodyOf(input).toString()).toBe("Hello");
    expect(input.request.bodyAlone).toBe(false);
  });
});

describe("a body that arrives in pieces", () => {
  test("has a buffer of its size for itself", () => {
    const text = "set q 0 0 5\r\nHello\r\n";
    const bodyStart = text.indexOf("Hello");
    for (let place = bodyStart; place < text.length; place++) {
      const input = newInput(1024);
      expect(fed(input, bytesOf(text.slice(0, place)))).toBe(false);
      expect(fed(input, bytesOf(`${text.slice(place)}get q\r\n`))).toBe(true);
      const { body, bodyStart, bodyEnd, bodyAlone } = input.request;
      // When only the line has arrived, there is no part of the body to keep yet.
      expect(bodyAlone).toBe(true);
      expect([bodyStart, bodyEnd, body.length]).toEqual([0, 5, 5]);
      expect(body.buffer.byteLength).toBe(5);
      expect(body.toString()).toBe("Hello");
      expect(readAvailable(input)).toEqual([get("q")]);
    }
  });

  test("also when it is empty", () => {
    const input = newInput(1024);
    expect(fed(input, bytesOf("set q 0 0 0\r\n\r"))).toBe(false);
    expect(fed(input, bytesOf("\n"))).toBe(true);
    expect(bodyOf(input).length).toBe(0);
    expect(input.request.bodyAlone).toBe(true);
  });

  test("each one has its own buffer, so the last is not overwritten", () => {
    const input = newInput(1024);
    const bodies = ["Hello", "World"].map((body) => {
      fed(input, bytesOf("set q 0 0 5\r\n"));
      expect(fed(input, bytesOf(`${body}\r\n`))).toBe(true);
      return input.request.body;
    });
    expect(bodies.map(String)).toEqual(["Hello", "World"]);
  });

  test("after it the next one that arrives whole is not alone", () => {
    const input = newInput(1024);
    fed(input, bytesOf("set q 0 0 5\r\nHe"));
    expect(fed(input, bytesOf("llo\r\nset q 0 0 5\r\nWorld\r\n"))).toBe(true);
    expect(input.request.bodyAlone).toBe(true);
    expect(nextRequest(input)).toBe(true);
    expect(input.request.bodyAlone).toBe(false);
    expect(bodyOf(input).toString()).toBe("World");
  });

  test("what comes with its end is the next request", () => {
    expect(readCut(bytesOf("set q 3 0 5\r\nHello\r\nget a\r\nget b\r\n"), 15)).toEqual([
      set("q", 3, "Hello"),
      get("a"),
      get("b"),
    ]);
  });
});

describe("64 MB in pieces of 64 KB", () => {
  const size = 64 * MEGABYTE;
  const piece = Buffer.alloc(64 * 1024, everyByte, "latin1");
  const line = `set q 1 0 ${size}\r\n`;

  /** Feeds the body from its `start` on; the pieces do not begin where the body does. */
  function feedBody(input: Input, start: number, whileFeeding: () => void): void {
    for (let at = start; at < size;) {
      const part = piece.subarray(
        at % piece.length,
        Math.min(piece.length, (at % piece.length) + size - at),
      );
      expect(fed(input, part)).toBe(false);
      at += part.length;
      whileFeeding();
    }
  }

  test("go into one buffer that grows with them to just that size, and nothing else is kept", () => {
    const input = newInput(size);
    expect(fed(input, bytesOf(line))).toBe(false);
    expect(bufferedBytes(input)).toBeLessThan(20_000);
    expect(fed(input, piece.subarray(0, 1000))).toBe(false);
    const bodies = new Set([input.request.body]);
    feedBody(input, 1000, () => {
      bodies.add(input.request.body);
      const held = bufferedBytes(input);
      if (held !== input.request.body.length) expect(held).toBe(input.request.body.length);
      if (held > 4 * input.filled) expect(held).toBeLessThanOrEqual(4 * input.filled);
    });
    expect(bodies.size).toBeLessThan(10);
    const { body } = input.request;
    expect(body.length).toBe(size);
    expect(isIncomplete(input)).toBe(true);
    expect(fed(input, bytesOf("\r"))).toBe(false);
    expect(fed(input, bytesOf("\nget q\r\n"))).toBe(true);
    expect(input.request.body).toBe(body);
    expect(input.request).toMatchObject({
      kind: "set",
      bodyStart: 0,
      bodyEnd: size,
      bodyAlone: true,
    });
    for (let at = 0; at < size; at += piece.length) {
      expect(body.compare(piece, 0, piece.length, at, at + piece.length)).toBe(0);
    }
    forgetBody(input.request);
    expect(readAvailable(input)).toEqual([get("q")]);
  });

  test("are rejected when there is no memory for the rest, which is thrown away", () => {
    const input = newInput(size);
    expect(rejectPartial(input)).toBe(false);
    expect(fed(input, Buffer.concat([bytesOf(line), piece.subarray(0, 1000)]))).toBe(false);
    expect(rejectPartial(input)).toBe(true);
    expect(foundIn(input.request)).toMatchObject({
      kind: "error set",
      answer: "SERVER_ERROR out of memory storing object",
      noreply: false,
      fatal: false,
    });
    expect(bufferedBytes(input)).toBe(0);
    feedBody(input, 1000, () => {
      if (bufferedBytes(input) > 0) expect(bufferedBytes(input)).toBe(0);
    });
    expect(fed(input, bytesOf("\r\nget q\r\n"))).toBe(true);
    expect(foundIn(input.request)).toEqual(get("q"));
  });

  test("are rejected in the middle of the CR LF after the body", () => {
    const input = newInput(size);
    expect(fed(input, bytesOf("set q 0 0 5 noreply\r\nHello\r"))).toBe(false);
    expect(rejectPartial(input)).toBe(true);
    expect(foundIn(input.request)).toMatchObject({ kind: "error set", noreply: true });
    expect(fed(input, bytesOf("\nget q\r\n"))).toBe(true);
    expect(foundIn(input.request)).toEqual(get("q"));
  });

  test("are thrown away as they come when they are too many", () => {
    const input = newInput(size - 1);
    expect(fed(input, bytesOf(line))).toBe(true);
    expect(foundIn(input.request)).toEqual(refused(TOO_LARGE));
    expect(nextRequest(input)).toBe(false);
    feedBody(input, 0, () => {
      const kept = [input.chunk.length, input.request.body.length, input.line?.length ?? 0];
      expect(kept).toEqual([0, 0, 0]);
    });
    expect(fed(input, bytesOf("\r"))).toBe(false);
    expect(fed(input, bytesOf("\nget q\r\n"))).toBe(true);
    expect(foundIn(input.request)).toEqual(get("q"));
  });
});

test("the largest possible number of bytes, thrown away piece by piece", () => {
  const input = newInput(1024);
  expect(fed(input, bytesOf("set q 0 0 2147483645\r\n"))).toBe(true);
  expect(foundIn(input.request)).toEqual(refused(TOO_LARGE));
  const piece = Buffer.alloc(MEGABYTE, dangerous);
  for (let left = 2_147_483_645 + 2; left > 0; left -= piece.length) {
    const part = left < piece.length ? piece.subarray(0, left) : piece;
    if (fed(input, part)) expect(foundIn(input.request)).toBe("nothing" as never);
  }
  expect(isIncomplete(input)).toBe(false);
  expect(fed(input, bytesOf("get q\r\n"))).toBe(true);
  expect(foundIn(input.request)).toEqual(get("q"));
});

test("a body of the largest size that is accepted, and one byte more", () => {
  for (const size of [0, 1, 1024, 70_000]) {
    const good = `set q 0 0 ${size}\r\n${"b".repeat(size)}\r\n`;
    const large = `set q 0 0 ${size + 1}\r\n${"b".repeat(size + 1)}\r\n`;
    expect(readWhole(bytesOf(good + large + good), size)).toEqual([
      set("q", 0, "b".repeat(size)),
      refused(TOO_LARGE),
      set("q", 0, "b".repeat(size)),
    ]);
  }
});

test("a body that is forgotten is not held by its request any more", () => {
  const request = newRequest();
  expect(request.body.length).toBe(0);
  request.body = Buffer.alloc(10);
  forgetBody(request);
  expect(request.body.length).toBe(0);
});

test.each([
  ["", false],
  ["get q\r\n", false],
  ["set q 0 0 5\r\nHello\r\n", false],
  ["g", true],
  ["get q\r", true],
  ["get q\r\nget", true],
  ["set q 0 0 5\r\n", true],
  ["set q 0 0 5\r\nHel", true],
  ["set q 0 0 5\r\nHello", true],
  ["set q 0 0 5\r\nHello\r", true],
  ["set q 0 0 0\r\n", true],
  ["set q 0 0 5\r\nHelloXX", false],
  ["set q x 0 5\r\n", true],
  ["set q x 0 5\r\nHello\r", true],
  ["set q x 0 5\r\nHello\r\n", false],
  ["set q 0 0 x\r\n", false],
])("after %j something is missing: %p", (text, missing) => {
  const input = newInput(1024);
  feed(input, bytesOf(text));
  readAvailable(input);
  expect(isIncomplete(input)).toBe(missing);
});

test("a refused body is complete when all of its bytes have arrived", () => {
  const input = newInput(1024);
  for (const [piece, missing] of [
    ["add q 0 0 5\r\nHe", true],
    ["llo\r", true],
    ["\n", false],
    ["add q 0 0 5\r\nHello\r\n", false],
  ] as const) {
    feed(input, bytesOf(piece));
    nextRequest(input);
    expect(isIncomplete(input)).toBe(missing);
    readAvailable(input);
    expect(isIncomplete(input)).toBe(missing);
  }
});

test("an input that has understood everything holds no received bytes", () => {
  const input = newInput(1024);
  feed(input, bytesOf("get q\r\nset q 0 0 5\r\nHello\r\n"));
  readAvailable(input);
  expect([input.chunk.length, input.request.body.length]).toEqual([0, 0]);
  expect(input.line).toBeUndefined();
});

test("bytes that arrive before earlier ones are read come after them", () => {
  const input = newInput(1024);
  for (const text of ["get a\r\nget", " b\r\nset q 0 0 5\r", "\nHel", "", "lo\r\nget c\r\n"]) {
    feed(input, bytesOf(text));
  }
  expect(readAvailable(input)).toEqual([get("a"), get("b"), set("q", 0, "Hello"), get("c")]);
});

/** A waiting client may send a byte at a time; its earlier bytes must not be copied each time. */
test("bytes that arrive one by one before the others are read go into few buffers", () => {
  const input = newInput(1024);
  const request = bytesOf("set q 0 0 5\r\nHello\r\n");
  const memory = new Set<ArrayBufferLike>();
  feed(input, bytesOf("get a\r\n"));
  for (let n = 0; n < 200_000; n++) {
    feed(input, request.subarray(n % request.length, (n % request.length) + 1));
    memory.add(input.chunk.buffer);
  }
  expect(memory.size).toBeLessThan(30);
  expect(bufferedBytes(input)).toBeLessThan(500_000);
  const [first, ...others] = readAvailable(input);
  expect(first).toEqual(get("a"));
  expect(others).toEqual(
    Array.from({ length: Math.floor(200_000 / request.length) }, () => set("q", 0, "Hello")),
  );
});

test("bytes that arrive while others are looked at are in one buffer that does not grow for ever", () => {
  const input = newInput(1024);
  feed(input, bytesOf("get a\r\nget a\r\n"));
  for (let n = 0; n < 100_000; n++) {
    expect(nextRequest(input)).toBe(true);
    feed(input, bytesOf("get a\r\n"));
  }
  expect(bufferedBytes(input)).toBeLessThan(1000);
  expect(readAvailable(input)).toEqual([get("a"), get("a")]);
});

describe("compacted", () => {
  const line = bytesOf("get a\r\n");

  test.each([
    ["all of a large chunk is looked at", Buffer.alloc(400_000, "\n"), "", 0],
    ["little of it is left", Buffer.alloc(400_000, "\n"), "get b\r\nge", 20],
  ])("when %s, nothing else is held", (_title, looked, rest, most) => {
    for (const before of ["", "\n"]) {
      const input = newInput(1024);
      // Bytes that arrive after unread ones are in a buffer of the input's own.
      if (before !== "") feed(input, bytesOf(before));
      feed(input, Buffer.concat([looked, bytesOf(rest)]));
      for (let n = 0; n < looked.length + before.length; n++) nextRequest(input);
      compactInput(input);
      expect(bufferedBytes(input)).toBeLessThanOrEqual(most);
      feed(input, bytesOf("t c\r\n"));
      expect(readAvailable(input)).toEqual(rest === "" ? [refused("ERROR")] : [get("b"), get("c")]);
    }
  });

  test("the rest of a large chunk is not moved as long as it is large", () => {
    const input = newInput(1024);
    const chunk = Buffer.alloc(7 * 10_000, line);
    feed(input, chunk);
    for (let n = 0; n < 5000; n++) nextRequest(input);
    compactInput(input);
    expect(input.chunk).toBe(chunk);
    expect(bufferedBytes(input)).toBe(chunk.length);
    for (let n = 0; n < 4000; n++) nextRequest(input);
    compactInput(input);
    expect(bufferedBytes(input)).toBe(7000);
    expect(readAvailable(input)).toHaveLength(1000);
  });
});

test("bytes that arrive between two requests are read after them", () => {
  const input = newInput(1024);
  expect(fed(input, bytesOf("get a\r\nget b\r\nget"))).toBe(true);
  expect(foundIn(input.request)).toEqual(get("a"));
  expect(fed(input, bytesOf(" c\r\n"))).toBe(true);
  expect(foundIn(input.request)).toEqual(get("b"));
  expect(nextRequest(input)).toBe(true);
  expect(foundIn(input.request)).toEqual(get("c"));
  expect(nextRequest(input)).toBe(false);
});

test("a wrong end in pieces", () => {
  for (const end of ["\n\n", "\r\r", "X\n", "\rX", "XX"]) {
    const text = `set q 0 0 5\r\nHello${end}get q\r\n`;
    for (let place = 13; place < 21; place++) {
      expect(readCut(bytesOf(text), place)).toEqual([wrongEnd(), get("q")]);
    }
  }
});

/** Otherwise a client that does this and then sends nothing would hold the memory of a whole body. */
test("a body that came in pieces and has a wrong end is not held any longer", () => {
  const input = newInput(1_000_000);
  expect(fed(input, bytesOf("set q 0 0 1000000\r\n"))).toBe(false);
  expect(fed(input, Buffer.alloc(1_000_002, "x"))).toBe(true);
  expect(foundIn(input.request)).toEqual(wrongEnd());
  expect(nextRequest(input)).toBe(false);
  expect(input.request.body.length).toBe(0);
});

test("the line is kept for the log, if that is wanted", () => {
  const text = "get q\r\n  set  q 0 0 3 \r\nabc\r\nfoo \xff\n\n";
  const expected = ["get q", "  set  q 0 0 3 ", "foo \xff", ""];
  for (let place = 0; place <= text.length; place++) {
    const input = newInput(1024);
    input.keepLines = true;
    const lines: string[] = [];
    for (const piece of [text.slice(0, place), text.slice(place)]) {
      feed(input, bytesOf(piece));
      while (nextRequest(input)) lines.push(input.request.line);
    }
    expect(lines).toEqual(expected);
  }
  const input = newInput(1024);
  fed(input, bytesOf(text));
  expect(input.request.line).toBe("");
});
