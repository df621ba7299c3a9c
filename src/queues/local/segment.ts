import { HEAD } from "../../store/batch.ts";

/**
 * Consecutive messages of one queue, packed into one buffer: a message costs its body and 8 bytes, and the garbage
 * collector sees one object for hundreds of messages.
 *
 *     | head body | head body | head body | head body | head body | unused |
 *     ^                       ^                       ^           ^
 *     message `first`         cursor                  saved       used; the next message is number `end`
 *
 * - A head is the length of the body and the flags: 32 bits each, little-endian.
 * - Messages before `cursor` were taken, and messages from `saved` on are not in the store yet.
 * - A large message is alone in its segment, and has no head.
 */
export interface Segment {
  /** Number of the first message, and the number after the last. */
  first: number;
  end: number;
  bytes: Buffer;
  /** How many of `bytes` are in use. */
  used: number;
  /** Where the next message to be taken starts. */
  cursor: number;
  /** Where the first message starts that is not in the store. */
  saved: number;
  /** This is one large message: `bytes` is its body without a head, and its flags are in `flags`. */
  large: boolean;
  flags: number;
  /** When its messages were committed first, in milliseconds since 1970; 0: when they are stored, or were. */
  arrived: number;
}

/** A segment takes more messages until it has this many bytes. */
export const SEGMENT_BYTES = 64 * 1024;
/** A body of at least so many bytes gets a segment of its own, so that it need not be copied. */
export const LARGE_BODY = 16 * 1024;

const SMALLEST = 128;
/** JavaScriptCore keeps a buffer of at most so many bytes in its object, until a view of it is made. */
const FEW_BYTES = 1000;
/** Bytes that a segment costs beside `bytes`: its objects in the heap. */
const OVERHEAD = 320;

/** A segment without messages; `number` is the number that its first message will have. */
export function newSegment(number: number, room: number): Segment {
  return {
    first: number,
    end: number,
    bytes: Buffer.allocUnsafeSlow(Math.max(SMALLEST, room)),
    used: 0,
    cursor: 0,
    saved: 0,
    large: false,
    flags: 0,
    arrived: 0,
  };
}

/** The segment of one large message; `body` is kept, not copied. */
export function largeSegment(number: number, flags: number, body: Buffer): Segment {
  const used = body.length;
  return {
    first: number,
    end: number + 1,
    bytes: body,
    used,
    cursor: 0,
    saved: 0,
    large: true,
    flags,
    arrived: 0,
  };
}

/** The segment of one message, whose body is copied: the bytes of `source` from `start` up to `end`. */
export function singleSegment(
  number: number,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
): Segment {
  if (end - start >= LARGE_BODY) {
    return largeSegment(number, flags, Buffer.from(source.subarray(start, end)));
  }
  const segment = newSegment(number, HEAD + end - start);
  appendMessage(segment, flags, source, start, end);
  return segment;
}

/** A segment of messages that are packed already: so the store returns them. */
export function packedSegment(first: number, count: number, bytes: Buffer): Segment {
  const used = bytes.length;
  return {
    first,
    end: first + count,
    bytes,
    used,
    cursor: 0,
    saved: used,
    large: false,
    flags: 0,
    arrived: 0,
  };
}

/** How much memory the segment takes, in bytes. */
export function segmentCost(segment: Segment): number {
  return segment.bytes.length + OVERHEAD;
}

/** Whether a body of `length` bytes may be added. */
export function hasRoom(segment: Segment, length: number): boolean {
  return !segment.large && (segment.used === 0 || segment.used + HEAD + length <= SEGMENT_BYTES);
}

/** Adds a message: the bytes of `source` from `start` up to `end` are copied. */
export function appendMessage(
  segment: Segment,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
): void {
  const length = end - start;
  const at = segment.used;
  if (at + HEAD + length > segment.bytes.length) grow(segment, at + HEAD + length);
  const { bytes } = segment;
  write32(bytes, at, length);
  write32(bytes, at + 4, flags);
  source.copy(bytes, at + HEAD, start, end);
  segment.used = at + HEAD + length;
  segment.end++;
}

/** Adds messages that are packed already. */
export function appendPacked(segment: Segment, count: number, packed: Buffer): void {
  const needed = segment.used + packed.length;
  if (needed > segment.bytes.length) grow(segment, needed);
  packed.copy(segment.bytes, segment.used);
  segment.used = needed;
  segment.end += count;
}

function grow(segment: Segment, needed: number): void {
  const ample = Math.min(SEGMENT_BYTES, segment.bytes.length * 4);
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, ample));
  segment.bytes.copy(larger, 0, 0, segment.used);
  segment.bytes = larger;
}

/** Length in bytes of the body whose head is at `at`. */
export function lengthAt(segment: Segment, at: number): number {
  return segment.large ? segment.used : read32(segment.bytes, at);
}

export function flagsAt(segment: Segment, at: number): number {
  return segment.large ? segment.flags : read32(segment.bytes, at + 4);
}

/** Where the body starts of the message whose head is at `at`. */
export function bodyAt(segment: Segment, at: number): number {
  return segment.large ? at : at + HEAD;
}

/** Where message `number` starts. It must be in the segment. */
export function placeOf(segment: Segment, number: number): number {
  let at = 0;
  for (let n = segment.first; n < number; n++) at = bodyAt(segment, at) + lengthAt(segment, at);
  return at;
}

/** Where message `to` starts, when message `from` starts at the cursor, or is the first. */
export function placeFrom(segment: Segment, from: number, to: number): number {
  let at = from === segment.first ? 0 : segment.cursor;
  for (let n = from; n < to; n++) at = bodyAt(segment, at) + lengthAt(segment, at);
  return at;
}

/** Bytes of the bodies from message `number` on. */
export function bodyBytesFrom(segment: Segment, number: number): number {
  const { first, end, used, large } = segment;
  if (number >= end) return 0;
  if (large) return used;
  const at = number <= first ? 0 : placeOf(segment, number);
  return used - at - (end - Math.max(first, number)) * HEAD;
}

/** The bytes from `start` up to `end`, valid until the segment changes. */
export function part({ bytes }: Segment, start: number, end: number): Uint8Array {
  // A view of a small buffer makes the buffer cost three times as much as long as it lives.
  const isView = bytes.length > FEW_BYTES;
  return isView ? bytes.subarray(start, end) : Uint8Array.prototype.slice.call(bytes, start, end);
}

/** Empties the segment for reuse; `number` is the number that its first message will have. */
export function resetSegment(segment: Segment, number: number): void {
  segment.first = number;
  segment.end = number;
  segment.used = 0;
  segment.cursor = 0;
  segment.saved = 0;
  segment.arrived = 0;
}

function write32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function read32(bytes: Buffer, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  const high = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
  return (low | high) >>> 0;
}
