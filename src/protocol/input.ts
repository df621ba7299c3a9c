import { binary } from "./binary/encoder.ts";
import { type Bytes, release } from "./buffer.ts";
import { BAD_CHUNK, type ErrorKind, NO_ROOM, NO_ROOM_FOR_LINE } from "./errors.ts";
import { accept, forgetBody, newRequest, refuse, refuseBad, type Request } from "./request.ts";
import { text } from "./text/encoder.ts";

/** What one client has sent and what of it is understood so far. Received bytes are looked at where they lie. */
export interface Input {
  /** The request that was found last. */
  request: Request;
  /** The largest body accepted, in bytes. */
  maxBody: number;
  /** Whether the client speaks the binary dialect or text: its first byte says it. */
  binary: boolean | undefined;
  /** Keep each request in `request.line`, for the log. */
  keepLines: boolean;
  /** The bytes received last, and the first of them not yet looked at. */
  chunk: Buffer;
  at: number;
  /** What `chunk` is the beginning of, when it is the input's own: there may be room for more behind it. */
  ahead: Buffer | undefined;
  /** The beginning of a line, or of what is before a packet's value, whose end has not arrived. */
  line: Bytes | undefined;
  /** How many bytes of a body, its CR LF in text included, have arrived, while it is arriving in pieces. */
  filled: number;
  filling: boolean;
  badEnd: boolean;
  /** How many bytes of a refused body are still to be thrown away. */
  skip: number;
  /** The connection is out of step for good: nothing more is read from it. */
  ended: boolean;
}

const NOTHING = Buffer.alloc(0);
/** The largest size of a body that is a number at all (memcached's limit); `-B` is what is accepted. */
export const MAX_BYTES = 2_147_483_645;
export const MAX_FLAGS = 4_294_967_295;
/** In text a body is followed by CR LF. */
export const BODY_END = 2;
/** The buffer for a body up to this size is made at once; a larger one's grows with what arrives. */
const SMALL_BODY = 16 * 1024;
/** From a chunk of up to this size a rest is not moved. */
const SMALL_CHUNK = 4 * 1024;
/** How many times larger than what has arrived of a body, or is left of a chunk, its buffer may be. */
const AMPLE = 4;
const CR = 13;
const LF = 10;

/**
 * @param maxBody the largest body accepted, in bytes
 * @param binary whether what comes is binary, when that is not for the first byte to say
 */
export function newInput(maxBody: number, binary?: boolean): Input {
  return {
    request: newRequest(),
    maxBody,
    binary,
    keepLines: false,
    chunk: NOTHING,
    at: 0,
    ahead: undefined,
    line: undefined,
    filled: 0,
    filling: false,
    badEnd: false,
    skip: 0,
    ended: false,
  };
}

/** Adds received bytes, which the input keeps and reads in place: the caller must not change them any more. */
export function feed(input: Input, chunk: Buffer): void {
  const left = input.chunk.length - input.at;
  if (left === 0) {
    dropChunk(input);
    input.chunk = chunk;
    return;
  }
  let { ahead } = input;
  if (ahead === undefined || ahead.length - input.chunk.length < chunk.length) {
    // However small the chunks are, each byte is copied a few times at most.
    ahead = moveRest(input, (left + chunk.length) * 2);
  }
  const end = input.chunk.length + chunk.copy(ahead, input.chunk.length);
  input.chunk = ahead.subarray(0, end);
}

/** Moves what was not looked at to a buffer of its own, of so many bytes. */
function moveRest(input: Input, bytes: number): Buffer {
  const ahead = Buffer.allocUnsafeSlow(bytes);
  const left = input.chunk.copy(ahead, 0, input.at);
  dropChunk(input);
  input.ahead = ahead;
  input.chunk = ahead.subarray(0, left);
  return ahead;
}

/**
 * To be called when nothing more is looked at for now: a client that waits, or doesn't read, makes the server hold what
 * was not looked at, and little else.
 */
export function settle(input: Input): void {
  const left = input.chunk.length - input.at;
  if (left === 0) dropChunk(input);
  else if (chunkMemory(input) > Math.max(SMALL_CHUNK, left * AMPLE)) moveRest(input, left);
}

function chunkMemory({ chunk, ahead }: Input): number {
  return ahead?.length ?? chunk.length;
}

/** Whether something has arrived of a request, or of a refused body, whose rest has not. */
export function isIncomplete(input: Input): boolean {
  const { filling, skip, line, chunk, at } = input;
  return filling || skip > chunk.length - at || (line?.length ?? 0) > 0;
}

/** Bytes that are held for requests that have not arrived whole, or were not looked at or done to the end. */
export function heldBytes(input: Input): number {
  const { filling, line, request } = input;
  const body = filling ? request.body.length : 0;
  return body + request.later.length + (line?.buffer.length ?? 0) + chunkMemory(input);
}

/**
 * Refuses the request that is arriving, because there is no memory for the rest of it: `input.request` is the refusal,
 * and nothing is held any more. False when none is arriving.
 */
export function giveUp(input: Input): boolean {
  const { request } = input;
  if (input.filling) {
    input.skip = request.bodyEnd + endLength(input) - input.filled;
    input.filling = false;
    forgetBody(request);
    refuse(request, "failure", NO_ROOM);
    return accept(request, "refused set");
  }
  if (input.line === undefined) return false;
  request.opcode = 0;
  request.opaque = 0;
  return refuseForGood(input, "failure", NO_ROOM_FOR_LINE);
}

/**
 * Refuses what nobody knows the end of: nothing more is read. What the request before it wanted has no part in that.
 * @param reason in words for the client
 */
export function refuseForGood(input: Input, refusal: ErrorKind, reason: string): true {
  const { request } = input;
  input.line = undefined;
  input.ended = true;
  request.encoder = input.binary === true ? binary : text;
  request.wanted = "all";
  request.line = `(${reason})`;
  return refuse(request, refusal, reason, true);
}

/** An idle connection holds on to no received bytes. */
export function dropChunk(input: Input): false {
  if (input.ahead !== undefined) release(input.ahead);
  input.ahead = undefined;
  input.chunk = NOTHING;
  input.at = 0;
  return false;
}

/** Takes the body where it lies when all of it has arrived, or else starts a buffer for it. */
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

/** How many bytes follow a body. */
function endLength({ binary }: Input): number {
  return binary === true ? 0 : BODY_END;
}

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

/** Bodies are announced in a few bytes, so that memory is taken only for what has arrived. */
function makeRoom({ request, chunk, at, filled }: Input): void {
  const needed = Math.min(request.bodyEnd, filled + chunk.length - at);
  if (needed <= request.body.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.min(request.bodyEnd, needed * AMPLE));
  request.body.copy(larger, 0, 0, filled);
  request.body = larger;
}

/** The body is not followed by what it must be followed by. */
function refuseBody(request: Request): true {
  forgetBody(request);
  refuseBad(request, BAD_CHUNK);
  return accept(request, "refused set");
}

/** Throws refused bytes away: false when there are more to come. */
export function skipBody(input: Input): boolean {
  const skipped = Math.min(input.skip, input.chunk.length - input.at);
  input.skip -= skipped;
  input.at += skipped;
  return input.skip === 0 || dropChunk(input);
}
