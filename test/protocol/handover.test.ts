/** What the engine may do: take each request, and use it later, when the input has long gone on. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { release } from "../../src/protocol/buffer.ts";
import { nextRequest } from "../../src/protocol/decoder.ts";
import {
  compactInput,
  feed,
  type Input,
  newInput,
  releaseSpent,
} from "../../src/protocol/input.ts";
import {
  keyCount,
  keyMemory,
  keyOf,
  newRequest,
  type Request,
} from "../../src/protocol/request.ts";
import { number, opcodes, request as packet } from "./binary/packet.ts";
import { cutAtRandom, newRandom, type Random, seeds } from "./random.ts";
import { keysOf } from "./reading.ts";

setDefaultTimeout(60_000);

/** Takes all requests that have arrived, as the engine does. */
function takeAll(input: Input, taken: Request[]): void {
  while (nextRequest(input)) {
    const { request } = input;
    taken.push(request);
    if (request.kind === "set" && !request.bodyAlone) input.pinned = true;
    input.request = newRequest();
  }
}

function textOf(request: Request): string {
  const { kind, name, body, bodyStart, bodyEnd } = request;
  if (kind === "set") return `set ${name} ${body.toString("latin1", bodyStart, bodyEnd)}`;
  return `${kind} ${keysOf(request).join(" ")}`;
}

/** Sets of all sizes and gets of one or many keys. */
function stream(random: Random, isBinary: boolean): { bytes: Buffer; texts: string[] } {
  const parts: Buffer[] = [];
  const texts: string[] = [];
  for (let n = 0; n < 200; n++) {
    const name = `q${n}`;
    if (random.below(3) > 0) {
      const size = random.pick([0, 1, 100, 5000, 40_000]);
      const body = random.bytes(size).toString("latin1");
      const extras = number(0) + number(0);
      parts.push(
        isBinary
          ? packet(opcodes.set, { key: name, extras, value: body })
          : Buffer.from(`set ${name} 0 0 ${size}\r\n${body}\r\n`, "latin1"),
      );
      texts.push(`set ${name} ${body}`);
    } else {
      const count = isBinary ? 1 : random.pick([1, 2, 16, 17, 18, 1000]);
      const keys = Array.from({ length: count }, (_, i) => `${name}-${i}/peek`);
      parts.push(
        isBinary
          ? packet(opcodes.get, { key: keys.join() })
          : Buffer.from(`get  ${keys.join("  ")} \r\n`),
      );
      texts.push(`get ${keys.join(" ")}`);
    }
  }
  return { bytes: Buffer.concat(parts), texts };
}

describe.each(seeds)("seed %d", (seed) => {
  test.each([false, true])(
    "requests stay as they were until their group ends, binary: %p",
    (isBinary) => {
      const random = newRandom(seed);
      for (let round = 0; round < 10; round++) {
        const { bytes, texts } = stream(random, isBinary);
        const input = newInput(100_000);
        const found: string[] = [];
        let taken: Request[] = [];
        for (const piece of cutAtRandom(random, bytes, random.between(5, 60))) {
          feed(input, Buffer.from(piece));
          if (random.below(3) === 0) continue;
          // Some requests may be left for later, when more has arrived.
          for (let left = random.below(20); left > 0; left--) {
            if (!nextRequest(input)) break;
            taken.push(input.request);
            if (input.request.kind === "set" && !input.request.bodyAlone) input.pinned = true;
            input.request = newRequest();
          }
          compactInput(input);
          if (random.below(4) > 0) continue;
          found.push(...taken.map(textOf));
          taken = [];
          releaseSpent(input);
        }
        takeAll(input, taken);
        found.push(...taken.map(textOf));
        expect(found.length).toBe(texts.length);
        expect(Bun.deepEquals(found, texts)).toBe(true);
      }
    },
  );
});

describe("a large chunk", () => {
  const large = () => Buffer.from(`set q 0 0 40000\r\n${"x".repeat(40_000)}\r\nget a\r\n`);

  test("without a request in use is released when it is read to the end", () => {
    const input = newInput(100_000);
    const chunk = large();
    feed(input, chunk);
    while (nextRequest(input));
    expect([chunk.length, input.spent.length]).toEqual([0, 0]);
  });

  test("that is pinned is spent instead, and released when the group ends", () => {
    const input = newInput(100_000);
    const chunk = large();
    const taken: Request[] = [];
    feed(input, chunk);
    takeAll(input, taken);
    expect(input.spent).toEqual([chunk]);
    expect(input.pinned).toBe(false);
    expect(taken.map(textOf)).toEqual([`set q ${"x".repeat(40_000)}`, "get a"]);
    releaseSpent(input);
    expect([chunk.length, input.spent.length]).toEqual([0, 0]);
  });

  test("that is pinned is spent when what is left of it moves", () => {
    const input = newInput(100_000);
    const chunk = large();
    feed(input, chunk);
    expect(nextRequest(input)).toBe(true);
    const first = input.request;
    input.pinned = true;
    input.request = newRequest();
    compactInput(input);
    expect(input.spent).toEqual([chunk]);
    expect(input.chunk.toString()).toBe("get a\r\n");
    expect(textOf(first)).toBe(`set q ${"x".repeat(40_000)}`);
    expect(nextRequest(input)).toBe(true);
    expect(textOf(input.request)).toBe("get a");
  });

  test("of which only a part is a buffer's own memory is never released", () => {
    const memory = Buffer.alloc(100_000, "get a\r\n");
    const part = memory.subarray(0, 70_000);
    release(part);
    expect(part.length).toBe(70_000);
  });
});

describe("keys", () => {
  function get(count: number): Request {
    const input = newInput(1024);
    const keys = Array.from({ length: count }, (_, i) => String(i % 10));
    feed(input, Buffer.from(`get ${keys.join(" ")}\r\n`));
    expect(nextRequest(input)).toBe(true);
    expect(input.request.kind).toBe("get");
    return input.request;
  }

  test.each([1, 2, 15, 16, 17, 1000, 30_000])("%d of them", (count) => {
    const request = get(count);
    expect(keyCount(request)).toBe(count);
    expect(keyOf(request, 0).queue).toBe("0");
    expect(keyOf(request, count - 1).queue).toBe(String((count - 1) % 10));
  });

  test("many take about as much memory as their line", () => {
    expect(keyMemory(get(16))).toBe(0);
    expect(get(30_000).keys).toEqual([]);
    expect(keyMemory(get(30_000))).toBeLessThan(2 * 2 * 30_000);
  });

  test("a record that is used again has those of the last get only", () => {
    const input = newInput(1024);
    const many = Array.from({ length: 20 }, (_, i) => `k${i}`);
    feed(
      input,
      Buffer.from(`get ${many.join(" ")}\r\nget a b\r\nmg c\r\nget ${many.join(" ")}\r\n`),
    );
    const found: string[][] = [];
    while (nextRequest(input)) found.push(keysOf(input.request));
    expect(found).toEqual([many, ["a", "b"], ["c"], many]);
  });

  test("after a long line the input keeps no places of words, and no bytes", () => {
    const input = newInput(1024);
    for (const line of ["get", "set", "mg q", "nonsense"]) {
      feed(input, Buffer.from(`${line}${" a".repeat(30_000)}\r\nget b\r\nget c\r\n`));
      for (let n = 0; n < 2; n++) expect(nextRequest(input)).toBe(true);
      compactInput(input);
      const { buffer, starts, ends } = input.words;
      expect([buffer.length, starts.length < 65, ends.length < 65]).toEqual([0, true, true]);
      while (nextRequest(input));
    }
  });
});
