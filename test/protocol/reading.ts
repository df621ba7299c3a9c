import { nextRequest } from "../../src/protocol/decoder.ts";
import { feed, newInput } from "../../src/protocol/input.ts";
/** Reads a client's bytes as a connection does, whatever the dialect. */
import type { Request } from "../../src/protocol/request.ts";

/** What `look` makes of each request that is found in the pieces, which arrive one after the other. */
export function requestsIn<T>(
  pieces: Iterable<Buffer>,
  maxBody: number,
  look: (request: Request) => T,
): T[] {
  const input = newInput(maxBody);
  const found: T[] = [];
  for (const piece of pieces) {
    feed(input, piece);
    while (nextRequest(input)) {
      found.push(look(input.request));
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
