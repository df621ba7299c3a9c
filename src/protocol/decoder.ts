import { MAGIC, nextPacket } from "./binary/decoder.ts";
import { fillBody, skipBody } from "./body.ts";
import { dropChunk, type Input } from "./input.ts";
import { nextLine } from "./text/decoder.ts";

/** Finds the next request and puts it into `input.request`: false when more bytes are needed for it. */
export function nextRequest(input: Input): boolean {
  if (input.ended) return dropChunk(input);
  if (input.skip > 0 && !skipBody(input)) return false;
  if (input.filling) return fillBody(input);
  if (input.at === input.chunk.length) return dropChunk(input);
  input.binary ??= input.chunk[input.at] === MAGIC;
  return input.binary ? nextPacket(input) : nextLine(input);
}
