/** Reads a client's bytes as a connection does, whatever the dialect. */
import type { Command } from "../../src/protocol/command.ts";
import { feed, newInput } from "../../src/protocol/input.ts";
import { nextCommand } from "../../src/protocol/parser.ts";

/** What `look` makes of each request that is found in the pieces, which arrive one after the other. */
export function requestsIn<T>(
  pieces: Iterable<Buffer>,
  maxBody: number,
  look: (command: Command) => T,
): T[] {
  const input = newInput(maxBody);
  const found: T[] = [];
  for (const piece of pieces) {
    feed(input, piece);
    while (nextCommand(input)) {
      found.push(look(input.command));
      // Bytes that are read over and over again would be an endless loop.
      if (found.length > 100_000) throw new Error("no progress");
    }
    if (input.at < input.chunk.length) throw new Error("received bytes are left lying");
  }
  return found;
}

/** Every way to cut the bytes in two. */
export function* cuts(bytes: Buffer): Generator<Buffer[]> {
  for (let place = 0; place <= bytes.length; place++) {
    yield [bytes.subarray(0, place), bytes.subarray(place)];
  }
}

export function singleBytes(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}
