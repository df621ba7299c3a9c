import { binary } from "./binary/encoder.ts";
import { newPacket, type Packet } from "./binary/packet.ts";
import { type Bytes, isReleasable, NOTHING, release } from "./buffer.ts";
import { type ErrorKind, NO_ROOM, NO_ROOM_FOR_LINE } from "./errors.ts";
import { accept, forgetBody, newRequest, refuse, type Request } from "./request.ts";
import { text } from "./text/encoder.ts";
import { forgetWords, newWords, type Words } from "./text/words.ts";

/**
 * What one client has sent, and how far it is read. Received bytes are read in place:
 *
 *     chunk: | set q 0 0 5 CR LF | Hello | CR LF | get q CR LF | set q 0 |
 *                                ^ bodyStart     ^ at          ^ becomes `line`, and then
 *                                        ^ bodyEnd             grows until its end has arrived
 *
 *     ahead: | chunk             | room for what arrives while the chunk is not read to its end |
 *
 *     body:  | Hel |             | a body whose rest has not arrived: a buffer of its own, `filled` bytes so far
 *
 * The requests that the engine took may have their bodies in a chunk. So bytes are only ever added after the chunk, and a
 * `pinned` chunk goes to the list `spent` instead of being released.
 */
export interface Input {
  /** The request that was found last, or is arriving. The engine takes it and puts another record in its place. */
  request: Request;
  /** The largest body accepted, in bytes. */
  maxBody: number;
  /**
   * none: there are no commands to authenticate. needed: a `set` of the text dialect brings the client's name and secret.
   * done: the client has authenticated.
   */
  authentication: "none" | "needed" | "done";
  /** Whether the client speaks the binary dialect; its first byte decides. */
  binary: boolean | undefined;
  /** The names of commands may be written in capitals. */
  anyCase: boolean;
  /** Keep each request in `request.line`, for the log. */
  keepLines: boolean;
  /** The bytes received last, and the first of them that is not read yet. */
  chunk: Buffer;
  at: number;
  /** The input's own buffer that `chunk` is the beginning of, if it is one: there may be room after the chunk. */
  ahead: Buffer | undefined;
  /** Set by the engine: it took a request whose body lies in this chunk. The next chunk begins without it. */
  pinned: boolean;
  /** Large buffers that were pinned and are read to the end. The engine takes them, and frees them with the group. */
  spent: Buffer[];
  /** The start of a line, or of a packet up to its value, whose end has not arrived. */
  line: Bytes | undefined;
  /** A body is arriving in pieces: how many bytes of it have arrived, and in text of the CR LF after it. */
  filling: boolean;
  filled: number;
  /** The bytes after that body are not CR LF. */
  badEnd: boolean;
  /** How many bytes of a refused body are still to be thrown away. */
  skip: number;
  /** It is not known where the next request starts, so nothing more is read. */
  ended: boolean;
  /** What the decoders fill for one line, or for one packet. */
  words: Words;
  packet: Packet;
}

/** The largest size of a body that counts as a number (memcached's limit); `-B` limits what is accepted. */
export const MAX_BYTES = 2_147_483_645;
export const MAX_FLAGS = 4_294_967_295;
/** In text a body is followed by CR LF. */
export const BODY_END = 2;
/** What is left of a chunk up to this size is not moved. */
const SMALL_CHUNK = 4 * 1024;
/** What is left of a chunk is moved when the chunk is more than this many times larger. */
const AMPLE = 4;

/**
 * @param maxBody the largest body accepted, in bytes
 * @param binary whether the bytes are binary, when their first byte does not decide it
 * @param anyCase whether the names of commands may be written in capitals
 */
export function newInput(maxBody: number, binary?: boolean, anyCase = true): Input {
  return {
    request: newRequest(),
    maxBody,
    authentication: "none",
    binary,
    anyCase,
    keepLines: false,
    chunk: NOTHING,
    at: 0,
    ahead: undefined,
    pinned: false,
    spent: [],
    line: undefined,
    filling: false,
    filled: 0,
    badEnd: false,
    skip: 0,
    ended: false,
    words: newWords(),
    packet: newPacket(),
  };
}

/**
 * Adds received bytes. From now on they belong to the input: it reads them in place, and frees their memory when they are
 * large and read to the end.
 */
export function feed(input: Input, chunk: Buffer): void {
  const left = input.chunk.length - input.at;
  if (left === 0) {
    dropChunk(input);
    input.chunk = chunk;
    return;
  }
  let { ahead } = input;
  if (ahead === undefined || ahead.length - input.chunk.length < chunk.length) {
    // Twice the size, so that each byte is copied only a few times, however small the chunks are.
    ahead = moveRest(input, (left + chunk.length) * 2);
  }
  const end = input.chunk.length + chunk.copy(ahead, input.chunk.length);
  input.chunk = ahead.subarray(0, end);
}

/** Moves the unread bytes to a new buffer of `size` bytes. */
function moveRest(input: Input, size: number): Buffer {
  const ahead = Buffer.allocUnsafeSlow(size);
  const left = input.chunk.copy(ahead, 0, input.at);
  dropChunk(input);
  input.ahead = ahead;
  input.chunk = ahead.subarray(0, left);
  return ahead;
}

/**
 * Moves the unread bytes out of a chunk that is much larger. Call it when nothing more is read for now: then a client
 * that waits, or does not take its replies, makes the server hold little more than its unread bytes.
 */
export function compactInput(input: Input): void {
  const left = input.chunk.length - input.at;
  forgetParsed(input);
  if (left === 0) dropChunk(input);
  else if (chunkMemory(input) > Math.max(SMALL_CHUNK, left * AMPLE)) moveRest(input, left);
}

function chunkMemory({ chunk, ahead }: Input): number {
  return ahead?.length ?? chunk.length;
}

/** Whether a request, or a refused body, has arrived only in part. */
export function isIncomplete(input: Input): boolean {
  const { filling, skip, line, chunk, at } = input;
  return filling || skip > chunk.length - at || (line?.length ?? 0) > 0;
}

/** How many bytes of memory hold requests that are incomplete or not read yet. */
export function bufferedBytes(input: Input): number {
  const { filling, line, request } = input;
  const body = filling ? request.body.length : 0;
  return body + (line?.buffer.length ?? 0) + chunkMemory(input);
}

/**
 * Refuses the request that is arriving, because there is no memory for the rest of it. `input.request` is the error
 * then, and the memory is free. False when no request is arriving, as far as is known.
 */
export function rejectPartial(input: Input): boolean {
  const { request } = input;
  if (input.filling) {
    input.skip = request.bodyEnd + endLength(input) - input.filled;
    input.filling = false;
    forgetBody(request);
    refuse(request, "failure", NO_ROOM);
    return accept(request, "error set");
  }
  // What has arrived behind it is not read yet, and may have its end.
  if (input.line === undefined || input.at < input.chunk.length) return false;
  return refuseForGood(input, "failure", NO_ROOM_FOR_LINE, true);
}

/**
 * Refuses a request whose end is not known: nothing more is read.
 * @param reason in words for the client
 * @param isUnread whether nothing of the request is in `input.request` yet
 */
export function refuseForGood(
  input: Input,
  error: ErrorKind,
  reason: string,
  isUnread = false,
): true {
  const { request } = input;
  input.line = undefined;
  input.ended = true;
  request.encoder = input.binary === true ? binary : text;
  request.wanted = "all";
  request.line = `(${reason})`;
  if (isUnread) {
    request.opcode = 0;
    request.opaque = 0;
  }
  return refuse(request, error, reason, true);
}

/** Forgets the chunk, so that an idle connection holds no received bytes. */
export function dropChunk(input: Input): false {
  const buffer = input.ahead ?? input.chunk;
  if (isReleasable(buffer)) {
    if (input.pinned) input.spent.push(buffer);
    else release(buffer);
  }
  input.ahead = undefined;
  input.chunk = NOTHING;
  input.at = 0;
  input.pinned = false;
  forgetParsed(input);
  return false;
}

/** The decoders keep no bytes, nor much else, when nothing more is read for now. */
function forgetParsed({ words, packet }: Input): void {
  forgetWords(words);
  packet.buffer = NOTHING;
}

/** Releases the buffers that were pinned. Call it when no request is in use any more that the engine took before. */
export function releaseSpent(input: Input): void {
  for (const buffer of input.spent) release(buffer);
  input.spent.length = 0;
}

/** How many bytes follow a body. */
export function endLength({ binary }: Input): number {
  return binary === true ? 0 : BODY_END;
}
