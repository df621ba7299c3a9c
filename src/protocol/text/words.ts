/**
 * The words of one line, as places in the buffer that holds it: word `i` is the bytes from `starts[i]` up to
 * `ends[i]`. One record serves all lines, since a line is dealt with before the next is looked at.
 */
export interface Words {
  buffer: Buffer;
  count: number;
  starts: number[];
  ends: number[];
}

const SPACE = 32;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

export const words: Words = { buffer: Buffer.alloc(0), count: 0, starts: [], ends: [] };

/** Splits the bytes from `start` up to `end`, a line without its end, at runs of spaces. */
export function splitWords(buffer: Buffer, start: number, end: number): void {
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

export function wordLength(index: number): number {
  return (words.ends[index] as number) - (words.starts[index] as number);
}

export function isWord(index: number, text: string): boolean {
  if (wordLength(index) !== text.length) return false;
  const start = words.starts[index] as number;
  for (let i = 0; i < text.length; i++) {
    if (words.buffer[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** The word as text, a character a byte. */
export function wordText(index: number): string {
  return words.buffer.toString("latin1", words.starts[index], words.ends[index]);
}

/** The word as a number from 0 to `most` (below 10^15), or -1 when it is none: plain decimal digits only. */
export function wordNumber(index: number, most: number): number {
  return digits(words.starts[index] as number, words.ends[index] as number, most);
}

/** What is behind the word's first letter as a number, like {@link wordNumber}. */
export function tokenNumber(index: number, most: number): number {
  return digits((words.starts[index] as number) + 1, words.ends[index] as number, most);
}

/** Whether the word is a whole number of up to 15 digits, with or without a minus sign. */
export function isSignedNumber(index: number): boolean {
  const start = words.starts[index] as number;
  const digitsStart = words.buffer[start] === MINUS ? start + 1 : start;
  return digits(digitsStart, words.ends[index] as number, 1e15 - 1) >= 0;
}

function digits(start: number, end: number, most: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const byte = words.buffer[at] as number;
    if (byte < ZERO || byte > NINE) return -1;
    value = value * 10 + (byte - ZERO);
    if (value > most) return -1;
  }
  return value;
}
