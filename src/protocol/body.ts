/** How bodies are read: where they lie, when they arrived whole, or else into a buffer of their own. */
import { BAD_CHUNK } from "./errors.ts";
import { dropChunk, endLength, type Input } from "./input.ts";
import { accept, forgetBody, refuseBad, type Request } from "./request.ts";

/** The buffer for a body up to this size is made at once; a larger one grows with what arrives. */
const SMALL_BODY = 16 * 1024;
/** How many times larger than the part that has arrived the buffer of a body may be. */
const AMPLE = 4;
const CR = 13;
const LF = 10;

/**
 * Takes the body of `bytes` bytes that starts at `input.at`: where it lies if all of it has arrived, or else into a buffer
 * of its own. False when more bytes are needed for it.
 */
export function takeBody(input: Input, bytes: number): boolean {
  const { request, chunk, at } = input;
  const end = at + bytes;
  const whole = end + endLength(input);
  if (whole <= chunk.length) {
    input.at = whole;
    if (whole > end && (chunk[end] !== CR || chunk[end + 1] !== LF)) return refuseBody(request);
    request.body = chunk;
    request.bodyStart = at;
    request.bodyEnd = end;
    request.bodyAlone = false;
    return true;
  }
  request.body = Buffer.allocUnsafeSlow(Math.min(bytes, SMALL_BODY));
  request.bodyStart = 0;
  request.bodyEnd = bytes;
  request.bodyAlone = true;
  input.filling = true;
  input.filled = 0;
  input.badEnd = false;
  return fillBody(input);
}

/** Goes on with a body that arrives in pieces: false when more bytes are needed for it. */
export function fillBody(input: Input): boolean {
  const { request, chunk } = input;
  const bytes = request.bodyEnd;
  const whole = bytes + endLength(input);
  if (input.filled < bytes) {
    makeRoom(input);
    const copied = chunk.copy(request.body, input.filled, input.at);
    input.filled += copied;
    input.at += copied;
  }
  while (input.filled >= bytes && input.filled < whole && input.at < chunk.length) {
    const expected = input.filled === bytes ? CR : LF;
    if (chunk[input.at++] !== expected) input.badEnd = true;
    input.filled++;
  }
  if (input.filled < whole) return dropChunk(input);
  input.filling = false;
  return input.badEnd ? refuseBody(request) : true;
}

/** A few bytes announce a large body, so memory is taken only for the part that has arrived. */
function makeRoom({ request, chunk, at, filled }: Input): void {
  const needed = Math.min(request.bodyEnd, filled + chunk.length - at);
  if (needed <= request.body.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.min(request.bodyEnd, needed * AMPLE));
  request.body.copy(larger, 0, 0, filled);
  request.body = larger;
}

/** The body is not followed by CR LF. */
function refuseBody(request: Request): true {
  forgetBody(request);
  refuseBad(request, BAD_CHUNK);
  return accept(request, "error set");
}

/** Throws away the bytes of a refused body: false when more of them are to come. */
export function skipBody(input: Input): boolean {
  const skipped = Math.min(input.skip, input.chunk.length - input.at);
  input.skip -= skipped;
  input.at += skipped;
  return input.skip === 0 || dropChunk(input);
}
