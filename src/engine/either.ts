import type { Key } from "../protocol/key.ts";
import { keyOf, type Request } from "../protocol/request.ts";

/*
 * A get of one message from several queues, of the first one named that has any: each of its keys has t=, or it has one
 * key with or=.
 */

/** A queue that a get may take its message from, and the place of the key that names it. */
export interface Target {
  queue: string;
  action: "take" | "open" | "peek";
  keyIndex: number;
}

export function isEither({ keys, keyTable }: Request): boolean {
  if (keyTable !== undefined) return false;
  const [key] = keys;
  if (key === undefined) return false;
  // The decoder accepts t= with several keys only when all of them have it.
  return keys.length > 1 ? key.wait >= 0 : key.others.length > 0;
}

/** The queues of a get that waits, or is for one message of several queues, in order of priority. */
export function targetsOf(request: Request): Target[] {
  if (!isEither(request)) return targetsIn(keyOf(request, 0), 0);
  return request.keys.flatMap(targetsIn);
}

function targetsIn({ queue, others, action: wanted }: Key, keyIndex: number): Target[] {
  const action = wanted === "none" ? "take" : wanted;
  return [queue, ...others].map((name) => ({ queue: name, action, keyIndex }));
}
