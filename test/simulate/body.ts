/** Bodies of messages, as bytes. */
import { type Bytes, writeBytes, writeText } from "../../src/protocol/buffer.ts";
import { ofText } from "./violation.ts";

/** Bytes of a buffer that does not change. */
export interface Body {
  bytes: Buffer;
  start: number;
  end: number;
}

export function sizeOf({ start, end }: Body): number {
  return end - start;
}

/** A pool of bytes, of which bodies are parts. */
const POOL = Buffer.alloc(384 * 1024);
for (let n = 0; n < POOL.length; n++) POOL[n] = n * 7 + (n >> 8) * 13;
const STARTS = 1021;

/** A body of its own for each `fill`: it begins with it. Line ends and the words of commands are among its bytes. */
export function writeBody(out: Bytes, size: number, fill: number): void {
  const begin = `${fill}\r\nget q\r\n`;
  writeText(out, begin.length > size ? begin.slice(0, size) : begin);
  const start = fill % STARTS;
  if (size > begin.length) writeBytes(out, POOL, start, start + size - begin.length);
}

/** Whether the bytes of a buffer from `start` up to `end` are the body. */
export function isBody(right: Body, bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== sizeOf(right)) return false;
  return bytes.compare(right.bytes, right.start, right.end, start, end) === 0;
}

/** For a message: how the body begins. */
export function beginOf({ bytes, start, end }: Body): string {
  return ofText(bytes.toString("latin1", start, Math.min(end, start + 20)));
}
