import { type Key, keyAt } from "./key.ts";
import { accept, refuseBad, type Request, setName } from "./request.ts";

/* How leases are named, `<queue>/<number>`, and how long they may be. */

/** 30 days, as memcached's longest relative time. */
const LONGEST_SECONDS = 2_592_000;
const BAD_NUMBER = "a message is named <queue>/<number>, with the number that its lease told";
export const BAD_LEASE = `a lease lasts from 1 to ${LONGEST_SECONDS} seconds`;
const BAD_TOUCH = `seconds from 1 to ${LONGEST_SECONDS} are accepted, 0 gives the message back, -1 makes it a dead letter`;
const SLASH = 47;

/** Milliseconds of a lease of so many seconds; 0 when that is not possible. */
export function leaseMs(seconds: number): number {
  return seconds >= 1 && seconds <= LONGEST_SECONDS ? seconds * 1000 : 0;
}

/** What is wrong with the key of a request that leases, in words for the client. */
export function leaseProblem({ leaseMs: length }: Request, { action }: Key): string | undefined {
  if (length === 0 || action === "take") return undefined;
  return `a lease does not go with ${action === "none" ? "close or abort alone" : action}`;
}

/** Whether there is a slash among the bytes of `buffer` from `start` up to `end`. */
export function namesMessage(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] === SLASH) return true;
  return false;
}

/** Reads `<queue>/<number>`. @returns what is wrong with it, in words for the client */
export function readMessage(
  request: Request,
  buffer: Buffer,
  start: number,
  end: number,
): string | undefined {
  let slash = start;
  while (slash < end && buffer[slash] !== SLASH) slash++;
  const problem = setName(request, keyAt(buffer, start, slash));
  if (problem !== undefined) return problem;
  return setNumber(request, buffer.toString("latin1", slash + 1, end));
}

/** @returns what is wrong with the number, in words for the client */
export function setNumber(request: Request, text: string): string | undefined {
  request.number = /^[0-9]{1,16}$/.test(text) ? Number(text) : 0;
  return request.number >= 1 && request.number <= Number.MAX_SAFE_INTEGER ? undefined : BAD_NUMBER;
}

/** Accepts a touch of the message that was read. @param seconds 0 is back now, -1 to the dead letters */
export function acceptTouch(request: Request, seconds: number): true {
  request.leaseMs = seconds <= 0 ? seconds : leaseMs(seconds);
  const isPossible = seconds === 0 || seconds === -1 || request.leaseMs > 0;
  return isPossible ? accept(request, "touch") : refuseBad(request, BAD_TOUCH);
}
