import { MAX_BYTES } from "../input.ts";
import { isCommand, STORAGE } from "./commands.ts";
import {
  foldWord,
  isSignedNumber,
  splitAtTabs,
  wordNumber,
  type Words,
  wordText,
} from "./words.ts";

/* Lines that are no command, and what can be told of them. */

/** Whether the line comes from a browser: a web page may have made it send commands in the body. */
export function isHttp(words: Words): boolean {
  return wordText(words, words.count - 1).startsWith("HTTP/");
}

/**
 * The size of the body behind a line that is no command, when the line is like that of a set: its name is misspelt, or
 * tabs separate its words. -1 when it is not like that. The words are split anew, and the name has small letters.
 */
export function unexpectedBytes(words: Words): number {
  splitAtTabs(words);
  foldWord(words, 0);
  const { count } = words;
  const name = wordText(words, 0);
  if (name === "ms") return count > 2 ? wordNumber(words, 2, MAX_BYTES) : -1;
  if (count < 5 || !isSignedNumber(words, 2) || !isSignedNumber(words, 3)) return -1;
  return isCommand(name) && !STORAGE.has(name) ? -1 : wordNumber(words, 4, MAX_BYTES);
}
