import { dropChunk, fillBody, type Input, skipBody } from "./input.ts";
import { nextLine } from "./text/parser.ts";

/** Finds the next request and puts it into `input.command`: false when more bytes are needed for it. */
export function nextCommand(input: Input): boolean {
  if (input.ended) return dropChunk(input);
  if (input.skip > 0 && !skipBody(input)) return false;
  return input.filling ? fillBody(input) : nextLine(input);
}
