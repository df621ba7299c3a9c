/** Bytes that grow as replies are written into them, so that nothing is allocated for each reply. */
export interface Bytes {
  buffer: Buffer;
  /** How many bytes of `buffer` are written. */
  length: number;
}

export const NOTHING = Buffer.alloc(0);
/** {@link clear} replaces a buffer that grew beyond this many bytes. */
const LARGEST_KEPT = 1024 * 1024;
/** From this many bytes on it pays to release a buffer by hand. */
const LARGE = 32 * 1024;
/** Below this many bytes a loop is faster than the call into native code. */
const COPY_BY_HAND = 48;

/** @param size the room at first, in bytes, at least 1 */
export function newBytes(size: number): Bytes {
  return { buffer: Buffer.allocUnsafeSlow(size), length: 0 };
}

export function clear(bytes: Bytes): void {
  bytes.length = 0;
  if (bytes.buffer.length > LARGEST_KEPT) bytes.buffer = Buffer.allocUnsafeSlow(LARGEST_KEPT);
}

/** Whether {@link release} gives memory back: for a small buffer it would cost more than it brings. */
export function isReleasable(buffer: Buffer): boolean {
  return buffer.length >= LARGE && buffer.buffer.byteLength === buffer.length;
}

/**
 * Frees the memory of a large buffer at once, because buffers can arrive faster than garbage is collected. The buffer,
 * and every view of it, is empty afterwards.
 */
export function release(buffer: Buffer): void {
  if (!isReleasable(buffer)) return;
  const { buffer: memory } = buffer;
  if (memory instanceof ArrayBuffer) memory.transfer(0);
}

/** Makes room for `more` bytes after the written ones. */
export function reserve(bytes: Bytes, more: number): void {
  const needed = bytes.length + more;
  if (needed <= bytes.buffer.length) return;
  let size = bytes.buffer.length * 2;
  while (size < needed) size *= 2;
  const larger = Buffer.allocUnsafeSlow(size);
  bytes.buffer.copy(larger, 0, 0, bytes.length);
  bytes.buffer = larger;
}

/** Writes a string of characters up to U+00FF, one byte each. */
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
