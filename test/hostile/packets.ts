/** What nobody planned to send in the binary dialect. */
import { opcodes, request } from "../protocol/binary/packet.ts";
import { MAX_BODY } from "../protocol/binary/reference.ts";
import type { Random } from "../protocol/random.ts";

export const noop = request(opcodes.noop);
const name250 = "n".repeat(250);
const keys = [
  ...["q", "q", "a", "jobs/open", "jobs/close", "jobs/peek/t=5", "q/", "a b", "", "\xff\0"],
  ...[name250, `${name250}n`, "queue", "queue q"],
];
const values = [
  ...["", "", "hi", noop.toString("latin1"), "x".repeat(MAX_BODY), "x".repeat(MAX_BODY + 1)],
];
const extras = ["", "", "1234", "\0\0\0\0", "12345678", "12345678"];

/** Something near to a request. */
export function nearlyPacket(random: Random): Buffer {
  const wrong = random.below(40);
  return request(random.pick([...Object.values(opcodes), random.below(256)]), {
    key: random.pick(keys),
    value: random.pick(values),
    extras: random.pick(extras),
    opaque: random.below(2 ** 32),
    cas: random.below(10) === 0 ? BigInt(random.below(3)) : 0n,
    ...(wrong === 0 ? { length: random.below(300) } : {}),
    ...(wrong === 1 ? { keyLength: random.below(300) } : {}),
    ...(wrong === 2 ? { magic: random.below(256) } : {}),
  });
}

/** A stream of requests, which begins with a right one. @param count of the others */
export function packets(random: Random, count: number): Buffer {
  return Buffer.concat([noop, ...Array.from({ length: count }, () => nearlyPacket(random))]);
}

/** A header of any bytes, with something behind it. */
export function anyHeader(random: Random): Buffer {
  const header = random.bytes(24);
  header[0] = 0x80;
  // Small lengths are what is followed by something.
  if (random.below(2) === 0) header.fill(0, 8, 11);
  return Buffer.concat([header, random.bytes(random.below(300))]);
}
