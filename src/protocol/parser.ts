import { MAGIC, nextPacket } from "./binary/parser.ts";
import { dropChunk, fillBody, type Input, skipBody } from "./input.ts";
import { nextLine } from "./text/parser.ts";

/** Finds the next request and puts it into `input.command`: false when more bytes are needed for it. */
export function nextCommand(input: Input): boolean {
  if (input.ended) return dropChunk(input);
  if (input.skip > 0 && !skipBody(input)) return false;
  if (input.filling) return fillBody(input);
  if (input.at === input.chunk.length) return dropChunk(input);
  input.binary ??= input.chunk[input.at] === MAGIC;
  return input.binary ? nextPacket(input) : nextLine(input);
}
