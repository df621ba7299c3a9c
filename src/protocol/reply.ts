import { type Bytes, reserve, writeBytes, writeNumber, writeText } from "./bytes.ts";

/** A message as it is answered: its body is the bytes of `bytes` from `start` up to `end`. */
export interface Value {
  flags: number;
  /** The message's own number in its queue, counted from 1. */
  number: number;
  bytes: Buffer;
  start: number;
  end: number;
}

const CR = 13;
const LF = 10;

export function writeLineEnd(bytes: Bytes): void {
  reserve(bytes, 2);
  bytes.buffer[bytes.length++] = CR;
  bytes.buffer[bytes.length++] = LF;
}

/** One line of an answer; `text` is without its end. */
export function writeLine(bytes: Bytes, text: string): void {
  writeText(bytes, text);
  writeLineEnd(bytes);
}

/** `VALUE <key> <flags> <bytes>[ <number>]`, the line that goes before a body. */
export function writeValueLine(bytes: Bytes, key: string, value: Value, numbered: boolean): void {
  writeText(bytes, "VALUE ");
  writeText(bytes, key);
  writeSpaced(bytes, value.flags);
  writeSpaced(bytes, value.end - value.start);
  if (numbered) writeSpaced(bytes, value.number);
  writeLineEnd(bytes);
}

export function writeBody(bytes: Bytes, value: Value): void {
  writeBytes(bytes, value.bytes, value.start, value.end);
}

/** `STAT <name> <value>` */
export function writeStat(bytes: Bytes, name: string, value: string | number): void {
  writeText(bytes, "STAT ");
  writeText(bytes, name);
  writeText(bytes, " ");
  writeLine(bytes, String(value));
}

function writeSpaced(bytes: Bytes, value: number): void {
  reserve(bytes, 1);
  bytes.buffer[bytes.length++] = 32;
  writeNumber(bytes, value);
}
