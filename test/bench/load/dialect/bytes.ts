const LF = 10;
const CR = 13;

// Below this a loop in JavaScript is faster than the call into native code.
const NATIVE_COMPARE_FROM = 48;

/** Whether `bytes` holds exactly `expected` at `from`, before `to`. */
export function holds(bytes: Buffer, from: number, to: number, expected: Buffer): boolean {
  const length = expected.length;
  if (to - from < length) return false;
  if (length >= NATIVE_COMPARE_FROM) {
    return bytes.compare(expected, 0, length, from, from + length) === 0;
  }
  for (let i = 0; i < length; i++) if (bytes[from + i] !== expected[i]) return false;
  return true;
}

/** Length of the line at `from`, its line end included; 0 when it has no end yet. */
export function lineLength(bytes: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) if (bytes[at] === LF) return at - from + 1;
  return 0;
}

/** The line at `from` without its line end. */
export function lineText(bytes: Buffer, from: number, length: number): string {
  const end = from + length - 1;
  return bytes.toString("latin1", from, bytes[end - 1] === CR ? end - 1 : end);
}
