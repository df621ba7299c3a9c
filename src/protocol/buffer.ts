/** A growing run of bytes that answers are written into; nothing is allocated per answer. */
export interface Bytes {
  buffer: Buffer;
  /** How many bytes of `buffer` are written. */
  length: number;
}

/** A buffer that grew beyond this many bytes is given back by {@link clear}. */
const LARGEST_KEPT = 1024 * 1024;
/** From so many bytes on a buffer is worth being given back by hand. */
const LARGE = 32 * 1024;
/** Below this many bytes a loop beats the call into native code. */
const COPY_BY_HAND = 48;

/** @param size how many bytes to have room for at first, at least 1 */
export function newBytes(size: number): Bytes {
  return { buffer: Buffer.allocUnsafeSlow(size), length: 0 };
}

export function clear(bytes: Bytes): void {
  bytes.length = 0;
  if (bytes.buffer.length > LARGEST_KEPT) bytes.buffer = Buffer.allocUnsafeSlow(LARGEST_KEPT);
}

/** Gives the memory of a large buffer back at once: buffers can come faster than garbage is collected. */
export function release(buffer: Buffer): void {
  // For a small one the mere look at its memory would cost more than it gives back.
  if (buffer.length < LARGE) return;
  const { buffer: memory } = buffer;
  if (memory.byteLength === buffer.length && memory instanceof ArrayBuffer) memory.transfer(0);
}

/** Makes room for `more` bytes behind what is written. */
export function reserve(bytes: Bytes, more: number): void {
  const needed = bytes.length + more;
  if (needed <= bytes.buffer.length) return;
  let size = bytes.buffer.length * 2;
  while (size < needed) size *= 2;
  const larger = Buffer.allocUnsafeSlow(size);
  bytes.buffer.copy(larger, 0, 0, bytes.length);
  bytes.buffer = larger;
}

/** Writes a string of characters up to U+00FF, a byte each. */
export function writeText(bytes: Bytes, text: string): void {
  const length = text.length;
  reserve(bytes, length);
  const { buffer } = bytes;
  let at = bytes.length;
  if (length <= COPY_BY_HAND) {
    for (let i = 0; i < length; i++) buffer[at++] = text.charCodeAt(i);
  } else {
    at += buffer.write(text, at, "latin1");
  }
  bytes.length = at;
}

/** Writes a whole number from 0 to 2^53 - 1 in decimal digits. */
export function writeNumber(bytes: Bytes, value: number): void {
  reserve(bytes, 16);
  const { buffer } = bytes;
  let digits = 1;
  for (let power = 10; digits < 16 && value >= power; power *= 10) digits++;
  let rest = value;
  for (let at = bytes.length + digits - 1; at >= bytes.length; at--) {
    const digit = rest % 10;
    buffer[at] = 48 + digit;
    rest = (rest - digit) / 10;
  }
  bytes.length += digits;
}

/** Copies the bytes of `source` from `start` up to `end`. */
export function writeBytes(bytes: Bytes, source: Buffer, start: number, end: number): void {
  const length = end - start;
  reserve(bytes, length);
  const { buffer } = bytes;
  if (length <= COPY_BY_HAND) {
    let at = bytes.length;
    for (let i = start; i < end; i++) buffer[at++] = source[i] as number;
  } else {
    source.copy(buffer, bytes.length, start, end);
  }
  bytes.length += length;
}
