/**
 * Turns the bytes of a queue's name into a string. The same few names come again and again, so the last one seen of
 * each shape is kept: comparing bytes is cheaper than making a string, and a string seen before is found faster in
 * a map, since its hash is known.
 */
const SLOTS = 1024;
const recent: string[] = new Array<string>(SLOTS).fill("");

/** The bytes of `buffer` from `start` up to `end`, each a character from U+0000 to U+00FF. */
export function nameAt(buffer: Buffer, start: number, end: number): string {
  const length = end - start;
  let hash = length;
  for (let i = start; i < end; i++) hash = (hash * 31 + (buffer[i] as number)) | 0;
  const slot = hash & (SLOTS - 1);
  const known = recent[slot] as string;
  if (known.length === length && isAt(buffer, start, known)) return known;
  return (recent[slot] = buffer.toString("latin1", start, end));
}

function isAt(buffer: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (buffer[start + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}
