/** Reads a client's bytes as a connection does, whatever the dialect. */
import { nextRequest } from "../../src/protocol/decoder.ts";
import { feed, newInput } from "../../src/protocol/input.ts";
import { keyCount, keyOf, type Request } from "../../src/protocol/request.ts";

/** The texts of all keys of a get. */
export function keysOf(request: Request): string[] {
  return Array.from({ length: keyCount(request) }, (_, i) => keyOf(request, i).text);
}

/** Feeds the pieces one after the other. @returns what `look` makes of each request that is found */
export function requestsIn<T>(
  pieces: Iterable<Buffer>,
  maxBody: number,
  look: (request: Request) => T,
): T[] {
  const input = newInput(maxBody);
  const found: T[] = [];
  for (const piece of pieces) {
    // The input releases large buffers, and a test may need the piece again.
    feed(input, Buffer.from(piece));
    while (nextRequest(input)) {
      found.push(look(input.request));
      // Without this, bytes that are read again and again would be an endless loop.
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
