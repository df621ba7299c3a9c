/** Reads a client's bytes as a connection does, and notes what the client asks for. */
import { newBytes } from "../../../src/protocol/buffer.ts";
import { nextRequest } from "../../../src/protocol/decoder.ts";
import { feed, type Input, newInput } from "../../../src/protocol/input.ts";
import { forgetBody, type Request, type RequestKind } from "../../../src/protocol/request.ts";
import { keysOf } from "../reading.ts";

/** One request, as plain values; a body is a character a byte. */
export interface Found {
  /** `gets` is a get that asks for the messages' numbers. */
  kind: RequestKind | "gets";
  name?: string;
  names?: string[];
  flags?: number;
  body?: string;
  level?: number;
  noreply?: boolean;
  answer?: string;
  fatal?: boolean;
}

/** The largest body that the inputs here accept: small, since they are read in many thousand ways. */
export const MAX_BODY = 256;

export function foundIn(request: Request): Found {
  const { kind, name } = request;
  const noreply = request.wanted === "none";
  switch (kind) {
    case "set": {
      const body = request.body.toString("latin1", request.bodyStart, request.bodyEnd);
      return { kind, name, flags: request.flags, body, noreply };
    }
    case "get": {
      const names = keysOf(request);
      return { kind: request.numbered ? "gets" : "get", names };
    }
    case "delete":
    case "acknowledge":
    case "touch":
    case "flush":
      return { kind, name, noreply };
    case "flush_all":
      return { kind, noreply };
    case "stats queue":
      return { kind, name };
    case "verbosity":
      return { kind, level: request.level, noreply };
    case "error":
    case "error set":
      return { kind, answer: errorOf(request), noreply, fatal: request.fatal };
    default:
      return { kind };
  }
}

/** The error line of a request, without its end. */
function errorOf(request: Request): string {
  const bytes = newBytes(64);
  request.encoder.error(bytes, request, request.error, request.reason);
  return bytes.buffer.toString("latin1", 0, bytes.length).replace(/\r\n$/, "");
}

/** All requests that are complete by now. Each of them must have taken at least one byte. */
export function readAvailable(input: Input): Found[] {
  const found: Found[] = [];
  let left = input.chunk.length - input.at;
  while (nextRequest(input)) {
    found.push(foundIn(input.request));
    if (input.request.kind === "set") forgetBody(input.request);
    const now = input.chunk.length - input.at;
    if (now >= left && !input.ended) throw new Error(`no progress: ${now} bytes were left before`);
    left = now;
  }
  if (input.chunk.length - input.at > 0) throw new Error("received bytes are left lying");
  return found;
}

export function readPieces(pieces: Iterable<Buffer>, maxBody = MAX_BODY): Found[] {
  const input = newInput(maxBody, false);
  const found: Found[] = [];
  for (const piece of pieces) {
    // The input releases large buffers, and a test may need the piece again.
    feed(input, Buffer.from(piece));
    for (const one of readAvailable(input)) found.push(one);
  }
  return found;
}

export function readWhole(bytes: Buffer, maxBody = MAX_BODY): Found[] {
  return readPieces([bytes], maxBody);
}

/** In two pieces. */
export function readCut(bytes: Buffer, place: number, maxBody = MAX_BODY): Found[] {
  return readPieces([bytes.subarray(0, place), bytes.subarray(place)], maxBody);
}

export function* singleBytes(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}
