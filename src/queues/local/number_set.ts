/**
 * A set of messages' numbers. There may be millions, and most of them follow each other: 32 numbers take one entry of the
 * map, and so the memory of one number.
 */
export interface NumberSet {
  /** By `number / 32`: which of these 32 numbers are in the set. */
  blocks: Map<number, number>;
  size: number;
}

const BLOCK = 32;

export function newNumberSet(): NumberSet {
  return { blocks: new Map(), size: 0 };
}

export function hasNumber({ blocks }: NumberSet, number: number): boolean {
  const bits = blocks.get(Math.floor(number / BLOCK));
  return bits !== undefined && (bits & bitOf(number)) !== 0;
}

export function addNumber(set: NumberSet, number: number): void {
  const block = Math.floor(number / BLOCK);
  const before = set.blocks.get(block) ?? 0;
  const after = before | bitOf(number);
  if (after === before) return;
  set.blocks.set(block, after);
  set.size++;
}

/** @returns false when it was not there */
export function removeNumber(set: NumberSet, number: number): boolean {
  const block = Math.floor(number / BLOCK);
  const before = set.blocks.get(block) ?? 0;
  const after = before & ~bitOf(number);
  if (after === before) return false;
  if (after === 0) set.blocks.delete(block);
  else set.blocks.set(block, after);
  set.size--;
  return true;
}

/** In any order. */
export function* numbersIn({ blocks }: NumberSet): Generator<number> {
  for (const [block, bits] of blocks) {
    for (let at = 0; at < BLOCK; at++) if ((bits & (1 << at)) !== 0) yield block * BLOCK + at;
  }
}

function bitOf(number: number): number {
  return 1 << (number % BLOCK);
}
