import { expect, test } from "bun:test";

import {
  forgetWords,
  isSignedNumber,
  isWord,
  newWords,
  splitWords,
  wordLength,
  wordNumber,
  wordText,
} from "../../../src/protocol/text/words.ts";

const words = newWords();

/** Splits the line, with other bytes before and after it. */
function split(line: string): string[] {
  const buffer = Buffer.from(`xy z${line}x yz`, "latin1");
  splitWords(words, buffer, 4, 4 + line.length);
  return Array.from({ length: words.count }, (_, i) => wordText(words, i));
}

test.each([
  ["", []],
  [" ", []],
  ["     ", []],
  ["a", ["a"]],
  ["a b", ["a", "b"]],
  ["  a   bc  ", ["a", "bc"]],
  ["a\tb\vc\0d\fe\xa0f\rg h", ["a\tb\vc\0d\fe\xa0f\rg", "h"]],
  ["\xff \x80\x9f \x00", ["\xff", "\x80\x9f", "\x00"]],
])("the words of %j", (line, expected) => {
  expect(split(line)).toEqual(expected);
});

test("every byte but the space is part of a word", () => {
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    const line = `a${character}b`;
    expect(split(line)).toEqual(byte === 32 ? ["a", "b"] : [line]);
  }
});

test("thousands of words, and then few: nothing of the first line is left", () => {
  const many = Array.from({ length: 30_000 }, (_, n) => String(n));
  expect(split(many.join(" "))).toEqual(many);
  expect(split("a b")).toEqual(["a", "b"]);
  expect(words.count).toBe(2);
});

test("the places of many words are not kept", () => {
  split("a ".repeat(30_000));
  forgetWords(words);
  expect([words.buffer.length, words.starts.length, words.ends.length]).toEqual([0, 0, 0]);
});

test("a word is itself, and no beginning of it nor anything longer", () => {
  split("set  noreply");
  expect(wordLength(words, 0)).toBe(3);
  expect(wordLength(words, 1)).toBe(7);
  expect(isWord(words, 0, "set")).toBe(true);
  for (const text of ["se", "sett", "Set", "seT", "", "get"])
    expect(isWord(words, 0, text)).toBe(false);
  expect(isWord(words, 1, "noreply")).toBe(true);
});

const flags = 4_294_967_295;

test.each([
  ["0", 0],
  ["7", 7],
  ["00007", 7],
  ["10", 10],
  ["4294967295", 4_294_967_295],
  ["0000000000000000000004294967295", 4_294_967_295],
  ["4294967296", -1],
  ["9999999999", -1],
  ["18446744073709551616", -1],
  ["9".repeat(40), -1],
  ["-1", -1],
  ["-0", -1],
  ["+1", -1],
  ["1.0", -1],
  ["1e3", -1],
  ["0x10", -1],
  ["1,000", -1],
  ["a", -1],
  ["1a", -1],
  ["a1", -1],
  ["/", -1],
  [":", -1],
  ["1\0", -1],
  ["\xb2", -1],
])("%j as a number is %d", (word, expected) => {
  split(`set ${word} 1`);
  expect(wordNumber(words, 1, flags)).toBe(expected);
});

test("the most a number may be is its own limit", () => {
  split("2147483645 2147483646");
  expect(wordNumber(words, 0, 2_147_483_645)).toBe(2_147_483_645);
  expect(wordNumber(words, 1, 2_147_483_645)).toBe(-1);
});

test.each([
  ["0", true],
  ["-0", true],
  ["-1", true],
  ["2592000", true],
  ["1767225600", true],
  ["-1767225600", true],
  ["999999999999999", true],
  ["1000000000000000", false],
  ["-", false],
  ["--1", false],
  ["+1", false],
  ["1-", false],
  ["-a", false],
  ["soon", false],
  ["1.5", false],
  ["\xad1", false],
])("%j is a signed number: %p", (word, expected) => {
  split(`set q 0 ${word} 5`);
  expect(isSignedNumber(words, 3)).toBe(expected);
});
