import { NOTHING } from "../buffer.ts";

/** The words of one line, as places in the buffer that holds it: word `i` is its bytes from `starts[i]` up to `ends[i]`. */
export interface Words {
  buffer: Buffer;
  count: number;
  starts: number[];
  ends: number[];
}

/** The places of this many words are kept for the next line; those of more would be much memory. */
const MOST_KEPT = 64;
const SPACE = 32;
const TAB = 9;
const UPPER_A = 65;
const UPPER_Z = 90;
/** What makes a small letter of a capital one. */
const SMALL = 32;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

export function newWords(): Words {
  return { buffer: NOTHING, count: 0, starts: [], ends: [] };
}

/** Frees the memory that belongs to a line which is dealt with. */
export function forgetWords(words: Words): void {
  words.buffer = NOTHING;
  if (words.starts.length <= MOST_KEPT) return;
  words.starts = [];
  words.ends = [];
}

/** Splits a line without its end, the bytes from `start` up to `end`, at runs of spaces. */
export function splitWords(words: Words, buffer: Buffer, start: number, end: number): void {
  const { starts, ends } = words;
  let count = 0;
  let at = start;
  while (at < end) {
    while (at < end && buffer[at] === SPACE) at++;
    if (at === end) break;
    starts[count] = at;
    while (at < end && buffer[at] !== SPACE) at++;
    ends[count++] = at;
  }
  words.buffer = buffer;
  words.count = count;
}

/** Splits the words once more, at tabs. */
export function splitAtTabs(words: Words): void {
  const { buffer, count, starts, ends } = words;
  if (count === 0) return;
  const from = starts[0] as number;
  const line = Buffer.from(buffer.subarray(from, ends[count - 1]));
  for (let at = 0; at < line.length; at++) if (line[at] === TAB) line[at] = SPACE;
  splitWords(words, line, 0, line.length);
}

/** Makes the capital letters of the word small, in the line itself. @returns whether there were any */
export function foldWord({ buffer, starts, ends }: Words, index: number): boolean {
  let found = false;
  for (let at = starts[index] as number; at < (ends[index] as number); at++) {
    const byte = buffer[at] as number;
    if (byte < UPPER_A || byte > UPPER_Z) continue;
    buffer[at] = byte + SMALL;
    found = true;
  }
  return found;
}

export function wordLength({ starts, ends }: Words, index: number): number {
  return (ends[index] as number) - (starts[index] as number);
}

export function isWord(words: Words, index: number, text: string): boolean {
  if (wordLength(words, index) !== text.length) return false;
  const { buffer } = words;
  const start = words.starts[index] as number;
  for (let i = 0; i < text.length; i++) {
    if (buffer[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** The first byte of the word. */
export function firstByte({ buffer, starts }: Words, index: number): number {
  return buffer[starts[index] as number] as number;
}

/** The word as text, a character for each byte. */
export function wordText({ buffer, starts, ends }: Words, index: number): string {
  return buffer.toString("latin1", starts[index], ends[index]);
}

/** The word as a number from 0 to `most` (below 10^15), or -1: only decimal digits make a number. */
export function wordNumber(words: Words, index: number, most: number): number {
  return digits(words, words.starts[index] as number, words.ends[index] as number, most);
}

/** The word without its first letter as a number, like {@link wordNumber}. */
export function tokenNumber(words: Words, index: number, most: number): number {
  return digits(words, (words.starts[index] as number) + 1, words.ends[index] as number, most);
}

/** Whether the word is a whole number of up to 15 digits, with or without a minus sign. */
export function isSignedNumber(words: Words, index: number): boolean {
  const start = words.starts[index] as number;
  const digitsStart = words.buffer[start] === MINUS ? start + 1 : start;
  return digits(words, digitsStart, words.ends[index] as number, 1e15 - 1) >= 0;
}

function digits(words: Words, start: number, end: number, most: number): number {
  if (start === end) return -1;
  const { buffer } = words;
  let value = 0;
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte < ZERO || byte > NINE) return -1;
    value = value * 10 + (byte - ZERO);
    if (value > most) return -1;
  }
  return value;
}
