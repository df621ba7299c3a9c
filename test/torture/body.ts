/** Bodies that say whose they are, so that what is read proves itself: a head, and bytes that follow from it. */
import { newRandom } from "../protocol/random.ts";

/** Who wrote a message where, and as which of its own. A byte of the queue's name is a character. */
export interface Origin {
  queue: string;
  producer: number;
  sequence: number;
}

/** Bytes that a body can have. */
export const MOST_BYTES = 1024 * 1024;

const OFFSETS = 65_536;
const filler = newRandom(20080229).bytes(MOST_BYTES + OFFSETS);

/** A body of `length` bytes, or of the fewest that can say whose it is. */
export function makeBody(origin: Origin, length: number): Buffer {
  const { queue, producer, sequence } = origin;
  const head = Buffer.from(`${queue} ${producer} ${sequence}\n`, "latin1");
  const body = Buffer.alloc(Math.max(length, head.length));
  head.copy(body);
  fillerOf(origin, head.length, body.length).copy(body, head.length);
  return body;
}

/** Whose the body is; undefined when it is not one of ours, or not as it was made. */
export function readBody(body: Buffer): Origin | undefined {
  const end = body.indexOf("\n");
  const head = body.toString("latin1", 0, Math.min(Math.max(end, 0), 300));
  const [queue = "", producer = NaN, sequence = NaN] = head.split(" ");
  const origin = { queue, producer: Number(producer), sequence: Number(sequence) };
  const tail = fillerOf(origin, end + 1, body.length);
  return end > 0 && body.compare(tail, 0, tail.length, end + 1) === 0 ? origin : undefined;
}

/** The flags of the message: 32 bits. */
export function flagsOf({ producer, sequence }: Origin): number {
  return (Math.imul(producer, 0x9e3779b1) ^ Math.imul(sequence, 0x85ebca6b)) >>> 0;
}

function fillerOf(origin: Origin, from: number, to: number): Buffer {
  const start = flagsOf(origin) % OFFSETS;
  return filler.subarray(start + from, start + to);
}
