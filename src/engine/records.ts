import { NOTHING } from "../protocol/buffer.ts";
import { newRequest, type Request } from "../protocol/request.ts";
import type { Engine } from "./engine.ts";

/* The records of requests. The record of an answered request is used again for a later one. */

/** Records of answered requests that are kept. */
const MAX_KEPT = 4096;

/** A record for the next request of an input. */
export function takeRecord({ records }: Engine): Request {
  return records.pop() ?? newRequest();
}

/** The request is answered: its record may be used again. */
export function keepRecord({ records }: Engine, request: Request): void {
  if (request.body !== NOTHING) request.body = NOTHING;
  if (request.keys.length > 1) request.keys = [];
  if (request.keyTable !== undefined) request.keyTable = undefined;
  if (request.tokens.length > 0) request.tokens = [];
  if (records.length < MAX_KEPT) records.push(request);
}

/** Gives the request its own copy of its body: the received bytes that it lies in are released with the group. */
export function keepBody(request: Request): void {
  if (request.bodyAlone) return;
  request.body = Buffer.from(request.body.subarray(request.bodyStart, request.bodyEnd));
  request.bodyEnd -= request.bodyStart;
  request.bodyStart = 0;
  request.bodyAlone = true;
}
