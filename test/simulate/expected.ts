/** The bytes that a client may be sent, as far as it was not sent them yet. */
import { type Bytes, clear, newBytes, writeBytes, writeText } from "../../src/protocol/buffer.ts";
import type { Body } from "./body.ts";
import { ofText, Violation } from "./violation.ts";

export interface Expected {
  bytes: Bytes;
  /** How many of them were sent. */
  sent: number;
  /** Answers that are not known byte for byte: a function that finds the answer right, and measures it. */
  checks: { at: number; lengthOf: (text: string) => number }[];
}

/** Bytes. */
const FIRST_ROOM = 512;
const SHOWN = 200;

export function newExpected(): Expected {
  return { bytes: newBytes(FIRST_ROOM), sent: 0, checks: [] };
}

export function expectText({ bytes }: Expected, text: string): void {
  writeText(bytes, text);
}

export function expectBody(expected: Expected, { bytes, start, end }: Body): void {
  writeBytes(expected.bytes, bytes, start, end);
}

/** An answer comes here that the function measures. @param lengthOf throws a Violation when the answer is not right */
export function expectCheck({ bytes, checks }: Expected, lengthOf: (text: string) => number): void {
  checks.push({ at: bytes.length, lengthOf });
}

/** Known bytes that were not sent yet. */
export function unsentBytes({ bytes, sent }: Expected): number {
  return bytes.length - sent;
}

export function isAllSent(expected: Expected): boolean {
  return unsentBytes(expected) === 0 && expected.checks.length === 0;
}

export function forget(expected: Expected): void {
  clear(expected.bytes);
  expected.sent = 0;
  expected.checks = [];
}

/** The client is sent bytes. @param who is named when they are not the ones that are expected @throws Violation */
export function compareSent(
  expected: Expected,
  who: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  let at = start;
  while (at < end) {
    const [check] = expected.checks;
    if (check?.at === expected.sent) {
      at += check.lengthOf(bytes.toString("latin1", at, end));
      expected.checks.shift();
      continue;
    }
    const known = (check?.at ?? expected.bytes.length) - expected.sent;
    const size = Math.min(known, end - at);
    if (size === 0) {
      const sent = ofText(bytes.toString("latin1", at, Math.min(end, at + SHOWN)));
      throw new Violation(`client ${who} is sent ${sent}, which is promised by nothing`);
    }
    compareKnown(expected, who, bytes, at, size);
    at += size;
    expected.sent += size;
  }
  if (isAllSent(expected)) forget(expected);
}

function compareKnown(
  { bytes: { buffer }, sent }: Expected,
  who: number,
  bytes: Buffer,
  at: number,
  size: number,
): void {
  if (bytes.compare(buffer, sent, sent + size, at, at + size) === 0) return;
  let same = 0;
  while (bytes[at + same] === buffer[sent + same]) same++;
  const shown = (from: Buffer, start: number) =>
    ofText(
      from.toString("latin1", start + Math.max(0, same - 60), start + Math.min(size, same + 40)),
    );
  throw new Violation(
    `client ${who} is sent ${shown(bytes, at)}, must be sent ${shown(buffer, sent)}`,
  );
}
