/** How binary requests are answered: every field of every header. */
import { expect, test } from "bun:test";

import { binary } from "../../../src/protocol/binary/encoder.ts";
import type { ErrorKind } from "../../../src/protocol/errors.ts";
import { keyAt } from "../../../src/protocol/key.ts";
import type { Outcome } from "../../../src/protocol/reply.ts";
import { newRequest, type Request } from "../../../src/protocol/request.ts";
import { written } from "../written.ts";
import { number, opcodes, type Packet, parse, parseAll, status } from "./packet.ts";

const body = Buffer.from("leftHelloright");
const message = {
  flags: 4294967295,
  number: 2 ** 43 - 1,
  bytes: body,
  start: 4,
  end: 9,
  deliveries: 2,
};

function request(opcode: number): Request {
  const key = keyAt(Buffer.from("q/t=1"), 0, 5);
  return { ...newRequest(), encoder: binary, opcode, opaque: 0xdeadbeef, keys: [key] };
}

/** What is in an answer that has nothing but a header, with what differs. */
function answer(opcode: number, parts: Partial<Packet> = {}): Packet {
  const { extras = "", key = "", value = "" } = parts;
  return {
    magic: 0x81,
    opcode,
    keyLength: key.length,
    extrasLength: extras.length,
    type: 0,
    reserved: 0,
    length: extras.length + key.length + value.length,
    opaque: 0xdeadbeef,
    cas: 0n,
    extras,
    key,
    value,
    ...parts,
  };
}

test.each([
  ["get", ""],
  ["getq", ""],
  ["getk", "q/t=1"],
  ["getkq", "q/t=1"],
] as const)("a message, for %s", (name, key) => {
  const asked = request(opcodes[name]);
  const head = written((bytes) => {
    binary.head(bytes, asked, asked.keys[0] as Request["keys"][0], message);
  });
  const tail = written((bytes) => {
    binary.tail(bytes);
    binary.end(bytes, asked, true);
  });
  const whole = Buffer.concat([head, body.subarray(4, 9), tail]);
  const parts = { extras: number(4294967295), key, value: "Hello", cas: 2n ** 43n - 1n };
  expect(parse(whole)).toEqual(answer(opcodes[name], parts));
});

test.each([
  ["get", { value: "Not found" }],
  ["getk", { key: "q/t=1" }],
  ["getkq", { key: "q/t=1" }],
] as const)("no message, for %s", (name, parts) => {
  const packet = parse(written((bytes) => binary.end(bytes, request(opcodes[name]), false)));
  expect(packet).toEqual(answer(opcodes[name], { reserved: status.notFound, ...parts }));
});

const outcomes: [Outcome, Partial<Packet>][] = [
  ["stored", { cas: 7n }],
  ["not stored", { reserved: status.notStored, value: "Not stored", cas: 7n }],
  ["deleted", { cas: 7n }],
  ["not found", { reserved: status.notFound, value: "Not found", cas: 7n }],
  ["reset", { cas: 7n }],
  ["done", { cas: 7n }],
  ["alive", { cas: 7n }],
];

test.each(outcomes)("%s", (outcome, parts) => {
  const packet = parse(written((bytes) => binary.outcome(bytes, request(0x11), outcome, 7)));
  expect(packet).toEqual(answer(0x11, parts));
});

test("which outcomes a quiet client does not get", () => {
  expect([...binary.quietOutcomes]).toEqual(["stored", "deleted", "done"]);
});

const errors: [ErrorKind, string, number, string][] = [
  ["unknown command", "", status.unknown, "Unknown command"],
  ["unknown statistics", "", status.notFound, "Not found"],
  ["bad request", "a key is needed", status.invalid, "a key is needed"],
  ["too large", "object too large for cache", status.tooLarge, "object too large for cache"],
  ["failure", "disk full", status.failed, "disk full"],
];

test.each(errors)("%s", (error, reason, code, value) => {
  const packet = parse(written((bytes) => binary.error(bytes, request(0x55), error, reason)));
  expect(packet).toEqual(answer(0x55, { reserved: code, value }));
});

test("statistics are a packet each, and an empty one", () => {
  const rows = [
    ["pid", 1234],
    ["a\xff", "2/1"],
    ["long", "x".repeat(300)],
  ] as const;
  const packets = parseAll(written((bytes) => binary.statistics(bytes, request(0x10), rows)));
  expect(packets).toEqual([
    ...rows.map(([key, value]) => answer(0x10, { key, value: String(value) })),
    answer(0x10),
  ]);
});

test("the version", () => {
  const packet = parse(written((bytes) => binary.version(bytes, request(0x0b), "1.0.0")));
  expect(packet).toEqual(answer(0x0b, { value: "1.0.0" }));
});

test("for the log an answer is its name, its status and its key", () => {
  const bytes = written((bytes) => {
    binary.statistics(bytes, request(0x10), [["pid", "1234"]]);
    binary.error(bytes, request(0x55), "unknown command", "");
  });
  const behind = Buffer.concat([Buffer.from("others"), bytes]);
  expect(binary.describe(behind, 6, behind.length)).toEqual([
    "stat status 0 pid",
    "stat status 0",
    "0x55 status 129",
  ]);
  const asked = request(opcodes.getk);
  const head = written((bytes) => {
    binary.head(bytes, asked, asked.keys[0] as Request["keys"][0], message);
  });
  expect(binary.describe(head, 0, head.length)).toEqual(["getk status 0 q/t=1"]);
});
