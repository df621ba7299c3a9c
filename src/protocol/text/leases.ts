import { BAD_FORMAT } from "../errors.ts";
import { acceptTouch, readMessage } from "../lease.ts";
import { accept, refuseBad, refuseUnknown, type Request } from "../request.ts";
import { readNoreply } from "./noreply.ts";
import { isSignedNumber, type Words, wordText } from "./words.ts";

/* The lines that name a leased message. */

/** `touch <queue>/<number> <seconds> [noreply]` */
export function parseTouch(request: Request, words: Words): boolean {
  const rest = readNoreply(request, words, 2) ? words.count - 3 : words.count - 2;
  if (words.count < 3) return refuseUnknown(request);
  const problem = readLeaseWord(request, words);
  if (problem !== undefined) return refuseBad(request, problem);
  if (rest !== 1 || !isSignedNumber(words, 2)) return refuseBad(request, BAD_FORMAT);
  return acceptTouch(request, Number(wordText(words, 2)));
}

function readLeaseWord(request: Request, { buffer, starts, ends }: Words): string | undefined {
  return readMessage(request, buffer, starts[1] as number, ends[1] as number);
}

/** `delete <queue>/<number> [<time>] [noreply]` */
export function parseAcknowledge(request: Request, words: Words): boolean {
  const rest = readNoreply(request, words, 2) ? words.count - 3 : words.count - 2;
  const problem = readLeaseWord(request, words);
  if (problem !== undefined) return refuseBad(request, problem);
  if (rest > 1 || (rest === 1 && !isSignedNumber(words, 2))) return refuseBad(request, BAD_FORMAT);
  return accept(request, "acknowledge");
}
