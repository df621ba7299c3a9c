/** How binary requests are read, in whatever pieces they arrive. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { binary } from "../../../src/protocol/binary/encoder.ts";
import { nextRequest } from "../../../src/protocol/decoder.ts";
import { feed, newInput, rejectPartial } from "../../../src/protocol/input.ts";
import { anyHeader, packets } from "../../hostile/packets.ts";
import { checkPackets } from "../../hostile/parser.ts";
import { newRandom, seeds } from "../random.ts";
import { cuts, requestsIn, singleBytes } from "../reading.ts";
import { number, opcodes, request, set } from "./packet.ts";
import { type Asked, INVALID, MAX_BODY, reference, requestOf, withoutReason } from "./reference.ts";

setDefaultTimeout(60_000);

const name250 = "n".repeat(250);
const noop = request(opcodes.noop);
const alive: Asked = { noop: 0, wanted: "all" };

const no = (reason: string, more: Partial<Asked> = {}): Asked => ({
  error: INVALID,
  reason,
  fatal: false,
  opaque: 0,
  wanted: "all",
  ...more,
});
const unknown: Asked = {
  error: "unknown command",
  reason: "",
  fatal: false,
  opaque: 0,
  wanted: "all",
};

type Row = [title: string, bytes: Buffer[], ...requests: Asked[]];

const gets: Row[] = [
  [
    "get",
    [request(opcodes.get, { key: "q", opaque: 0xdeadbeef })],
    { get: "q", opcode: 0, opaque: 0xdeadbeef, wanted: "all" },
  ],
  [
    "all four",
    [opcodes.get, opcodes.getq, opcodes.getk, opcodes.getkq].map((opcode) =>
      request(opcode, { key: "q" }),
    ),
    { get: "q", opcode: 0x00, opaque: 0, wanted: "all" },
    { get: "q", opcode: 0x09, opaque: 0, wanted: "quiet" },
    { get: "q", opcode: 0x0c, opaque: 0, wanted: "all" },
    { get: "q", opcode: 0x0d, opaque: 0, wanted: "quiet" },
  ],
  [
    "options",
    [request(opcodes.get, { key: "q/close/t=5/open" })],
    { get: "q/close/t=5/open", opcode: 0, opaque: 0, wanted: "all" },
  ],
  [
    "a bad option",
    [request(opcodes.getq, { key: "q/abort/open" })],
    no("option abort does not go with open", { wanted: "quiet" }),
  ],
  [
    "a name of any bytes",
    [request(opcodes.get, { key: "\0\xff\r\t\x80" })],
    { get: "\0\xff\r\t\x80", opcode: 0, opaque: 0, wanted: "all" },
  ],
  [
    "a name of 250 bytes, and one more",
    [name250, `${name250}n`].map((key) => request(opcodes.get, { key })),
    { get: name250, opcode: 0, opaque: 0, wanted: "all" },
    no("bad command line format"),
  ],
  [
    "the longest key there can be",
    [request(opcodes.get, { key: "n".repeat(65_535) }), noop],
    no("bad command line format"),
    alive,
  ],
  ...["a b", "a\nb", " ", "q\n"].map((key): Row => [
    `a name that text could not say: ${JSON.stringify(key)}`,
    [request(opcodes.get, { key }), set(key, "x")],
    no("a queue's name has no space and no line end in it"),
    no("a queue's name has no space and no line end in it"),
  ]),
  ["no name", [request(opcodes.get), noop], no("a key is needed"), alive],
  [
    "extras",
    [request(opcodes.get, { key: "q", extras: "1234" }), noop],
    no("extras of 4 bytes, there must be 0"),
    alive,
  ],
  [
    "a value, which is swallowed",
    [request(opcodes.get, { key: "q", value: noop.toString("latin1") }), noop],
    no("a value has no place here"),
    alive,
  ],
  [
    "cas, type and what is reserved mean nothing",
    [request(opcodes.get, { key: "q", cas: 9n, type: 1, reserved: 7 })],
    { get: "q", opcode: 0, opaque: 0, wanted: "all" },
  ],
];

const sets: Row[] = [
  [
    "set",
    [set("q", "hi", 7, { opaque: 3 })],
    { set: "q", flags: 7, body: "hi", opaque: 3, wanted: "all" },
  ],
  [
    "set quietly",
    [set("q", "hi", 4294967295).fill(opcodes.setq, 1, 2)],
    { set: "q", flags: 4294967295, body: "hi", opaque: 0, wanted: "quiet" },
  ],
  [
    "an empty value",
    [set("q", ""), noop],
    { set: "q", flags: 0, body: "", opaque: 0, wanted: "all" },
    alive,
  ],
  [
    "a value that looks like requests",
    [set("q", noop.toString("latin1")), noop],
    { set: "q", flags: 0, body: noop.toString("latin1"), opaque: 0, wanted: "all" },
    alive,
  ],
  [
    "the largest value, and one more",
    [set("q", "x".repeat(MAX_BODY)), set("q", "\x80".repeat(MAX_BODY + 1)), noop],
    { set: "q", flags: 0, body: "x".repeat(MAX_BODY), opaque: 0, wanted: "all" },
    { ...unknown, error: "too large", reason: "object too large for cache" },
    alive,
  ],
  ...[0, 4, 7, 9, 255].map((size): Row => [
    `extras of ${size} bytes`,
    [set("q", "hi", 0, { extras: "e".repeat(size) }), noop],
    no(`extras of ${size} bytes, there must be 8`),
    alive,
  ]),
  ["no name", [set("", "hi"), noop], no("a key is needed"), alive],
  [
    "a slash in the name",
    [set("q/open", "hi"), noop],
    no("a slash has no place in the name here, it begins the options of a get"),
    alive,
  ],
  [
    "compare and swap",
    [set("q", "hi", 0, { cas: 1n }), set("q", "hi", 0, { cas: 1n << 63n }), noop],
    no("cas has no meaning for a queue"),
    no("cas has no meaning for a queue"),
    alive,
  ],
];

const others: Row[] = [
  [
    "delete",
    [request(opcodes.delete, { key: "q" }), request(opcodes.deleteq, { key: "q" })],
    { delete: "q", opaque: 0, wanted: "all" },
    { delete: "q", opaque: 0, wanted: "quiet" },
  ],
  [
    "delete with a slash, with extras, of nothing",
    [
      request(opcodes.delete, { key: "q/open" }),
      request(opcodes.delete, { key: "q", extras: "1234" }),
      request(opcodes.delete),
    ],
    no("a message is named <queue>/<number>, with the number that its lease told"),
    no("extras of 4 bytes, there must be 0"),
    no("a key is needed"),
  ],
  [
    "flush",
    [opcodes.flush, opcodes.flushq].flatMap((opcode) => [
      request(opcode),
      request(opcode, { extras: number(0) }),
    ]),
    { flush_all: 0, wanted: "all" },
    { flush_all: 0, wanted: "all" },
    { flush_all: 0, wanted: "quiet" },
    { flush_all: 0, wanted: "quiet" },
  ],
  [
    "flush later",
    [request(opcodes.flush, { extras: number(1) })],
    no("a delay other than 0 is not possible"),
  ],
  [
    "flush with the wrong parts",
    [request(opcodes.flush, { extras: "12" }), request(opcodes.flush, { key: "q" })],
    no("extras of 2 bytes, there must be 0 or 4"),
    no("a key has no place here"),
  ],
  [
    "verbosity",
    [request(opcodes.verbosity, { extras: number(2), opaque: 9 })],
    { verbosity: 2, opaque: 9, wanted: "all" },
  ],
  ["verbosity of nothing", [request(opcodes.verbosity)], no("extras of 0 bytes, there must be 4")],
  [
    "stat",
    ["", "reset", "queue", "queue jobs", "queue jobs and more"].map((key) =>
      request(opcodes.stat, { key }),
    ),
    { stats: 0, wanted: "all" },
    { "stats reset": 0, wanted: "all" },
    { "stats queues": 0, wanted: "all" },
    { "stats queue": "jobs", opaque: 0, wanted: "all" },
    { "stats queue": "jobs", opaque: 0, wanted: "all" },
  ],
  [
    "stat of what there is none",
    ["settings", "queues", "Queue", "q"].map((key) => request(opcodes.stat, { key })),
    ...Array.from({ length: 4 }, () => ({ ...unknown, error: "unknown statistics" })),
  ],
  [
    "stat of a wrong name",
    [
      request(opcodes.stat, { key: "queue a/b" }),
      request(opcodes.stat, { key: `queue ${name250}n` }),
      request(opcodes.stat, { key: "queue " }),
    ],
    no("a slash has no place in the name here, it begins the options of a get"),
    no("bad command line format"),
    no("bad command line format"),
  ],
  [
    "version, no-op, quit",
    [request(opcodes.version), noop, request(opcodes.quit, { opaque: 5 }), request(opcodes.quitq)],
    { version: 0, wanted: "all" },
    alive,
    { quit: 0, opaque: 5, wanted: "all" },
    { quit: 0, wanted: "quiet" },
  ],
  [
    "a no-op with a key and a value",
    [request(opcodes.noop, { key: "q" }), request(opcodes.noop, { value: "v" }), noop],
    no("a key has no place here"),
    no("a value has no place here"),
    alive,
  ],
  ...[0x02, 0x03, 0x05, 0x06, 0x0e, 0x0f, 0x12, 0x19, 0x1a, 0x20, 0x21, 0x22, 0x55, 0xff].map(
    (opcode): Row => [
      `opcode ${opcode}`,
      [request(opcode, { key: "PLAIN", extras: "1234", value: noop.toString("latin1") }), noop],
      unknown,
      alive,
    ],
  ),
];

const agree = "the lengths in the header do not agree";
const broken: Row[] = [
  [
    "extras and key beyond the end",
    [request(opcodes.get, { key: "q", length: 0, opaque: 8 }), noop],
    no(agree, { fatal: true, opaque: 8 }),
  ],
  [
    "only the header of it",
    [request(opcodes.set, { keyLength: 65_535, extrasLength: 255, length: 65_535 })],
    no(agree, { fatal: true }),
  ],
  [
    "more than can be",
    [request(opcodes.setq, { key: "q", extras: "12345678", length: 2 ** 32 - 1 }), noop],
    no(agree, { fatal: true }),
  ],
  [
    "a wrong magic",
    [noop, Buffer.from("get q\r\n"), noop],
    alive,
    no("a request starts with 0x80", { fatal: true }),
  ],
  [
    "an answer's magic",
    [noop, request(opcodes.noop, { magic: 0x81, opaque: 4 }), noop],
    alive,
    no("a request starts with 0x80", { fatal: true }),
  ],
];

const rows = [...gets, ...sets, ...others, ...broken].map(([title, packets, ...requests]) => ({
  title,
  bytes: Buffer.concat(packets),
  requests: requests.map((one) => ({ opaque: 0, ...one })),
}));

const read = (pieces: Buffer[]) => requestsIn(pieces, MAX_BODY, requestOf);

describe.each(rows)("$title", ({ bytes, requests }) => {
  test("in one piece", () => expect(read([bytes])).toEqual(requests));

  test("cut in two", () => {
    // A key of 65,535 bytes is cut where it matters only.
    for (const pieces of cuts(bytes)) {
      const [first] = pieces as [Buffer];
      if (first.length > 400 && bytes.length - first.length > 100) continue;
      expect(read(pieces)).toEqual(requests);
    }
  });

  test("a byte at a time", () => expect(read(singleBytes(bytes))).toEqual(requests));

  test("as the plain reference reads it", () => {
    expect(reference(bytes)).toEqual(requests.map(withoutReason));
  });
});

test("half a request is none", () => {
  const whole = set("queue", "value");
  for (let end = 0; end < whole.length; end++) expect(read([whole.subarray(0, end)])).toEqual([]);
});

test("lengths that do not agree are an error as soon as the header has arrived", () => {
  expect(read([request(opcodes.get, { keyLength: 10, length: 5 })])).toHaveLength(1);
});

test("the dialect of all of them is binary, the first byte says so", () => {
  const dialects = requestsIn(
    [Buffer.concat([noop, set("q", "x"), request(0x55)])],
    MAX_BODY,
    ({ encoder }) => encoder,
  );
  expect(dialects).toEqual([binary, binary, binary]);
});

test("for the log a request is its name and its key, without its value", () => {
  const input = newInput(MAX_BODY);
  input.keepLines = true;
  feed(
    input,
    Buffer.concat([
      set("q", "secret"),
      request(opcodes.getkq, { key: "a/peek" }),
      request(0x55),
      request(opcodes.add, { key: "q", value: "secret" }),
    ]),
  );
  const lines: string[] = [];
  while (nextRequest(input)) lines.push(input.request.line);
  expect(lines).toEqual(["set q", "getkq a/peek", "0x55", "0x02 q"]);
});

describe.each(seeds)("seed %d", (seed) => {
  test("ten thousand streams of requests, some of them wrong, cut at random", () => {
    const random = newRandom(seed);
    for (let round = 0; round < 10_000; round++) {
      checkPackets(random, packets(random, random.below(8)));
    }
  });

  test("twenty thousand headers of any bytes", () => {
    const random = newRandom(seed);
    for (let round = 0; round < 20_000; round++) checkPackets(random, anyHeader(random));
  });
});

/** Neither the opcode nor the quietness of the request before it may change the answer. */
test("a partial packet that is rejected is answered in its dialect, and not silently", () => {
  const input = newInput(MAX_BODY);
  const long = request(opcodes.get, { key: "n".repeat(60_000), opaque: 2 });
  feed(input, request(opcodes.setq, { key: "q", extras: number(0) + number(0), opaque: 1 }));
  expect(nextRequest(input)).toBe(true);
  expect(input.request).toMatchObject({ wanted: "quiet", opaque: 1 });
  feed(input, long.subarray(0, 50_000));
  expect(nextRequest(input)).toBe(false);
  expect(rejectPartial(input)).toBe(true);
  expect(input.request).toMatchObject({
    kind: "error",
    wanted: "all",
    opcode: 0,
    opaque: 0,
    fatal: true,
  });
  expect(input.request.encoder).toBe(binary);
  const other = newInput(MAX_BODY);
  feed(other, long.subarray(0, 50_000));
  expect(nextRequest(other)).toBe(false);
  expect(rejectPartial(other)).toBe(true);
  expect(other.request.encoder).toBe(binary);
});

test("a value that arrives in pieces goes into one buffer of its size", () => {
  const bytes = set("q", "v".repeat(100_000));
  const pieces = [bytes.subarray(0, 50), bytes.subarray(50, 60_000), bytes.subarray(60_000), noop];
  const [first] = requestsIn(pieces, 100_000, ({ body, bodyAlone, bodyStart, bodyEnd }) => ({
    alone: bodyAlone,
    size: body.length,
    bodyStart,
    bodyEnd,
  }));
  expect(first).toEqual({ alone: true, size: 100_000, bodyStart: 0, bodyEnd: 100_000 });
});
