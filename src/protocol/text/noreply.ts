import type { Request } from "../request.ts";
import { isWord, type Words } from "./words.ts";

/** Whether the last word, after at least `least` others, says that the client wants no reply. */
export function readNoreply(request: Request, words: Words, least: number): boolean {
  const found = words.count > least && isWord(words, words.count - 1, "noreply");
  if (found) request.wanted = "none";
  return found;
}
