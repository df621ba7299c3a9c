import type { Key } from "../protocol/key.ts";
import { keyOf, type Request } from "../protocol/request.ts";

/*
 * A get of one message from several queues, of the first one named that has any: each of its keys has t=, or it has one
 * key with or=.
 */

/** A queue that a get may take its message from, and the place of the key that names it. */
export interface Target {
  queue: string;
  action: Exclude<Key["action"], "none" | "move all">;
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
  if (!isEither(request)) return targetsIn(request, keyOf(request, 0), 0);
  return request.keys.flatMap((key, keyIndex) => targetsIn(request, key, keyIndex));
}

/** What the request wants with the message of a key: a whole request may ask for leases. */
export function actionOf({ leaseMs }: Request, { action }: Key): Key["action"] {
  return leaseMs > 0 ? "lease" : action;
}

/** How long the lease of a key lasts, in milliseconds. */
export function leaseOf({ leaseMs }: Request, { lease }: Key): number {
  return leaseMs > 0 ? leaseMs : lease;
}

function targetsIn(request: Request, key: Key, keyIndex: number): Target[] {
  const { queue, others } = key;
  const wanted = actionOf(request, key);
  const action = wanted === "none" || wanted === "move all" ? "take" : wanted;
  return [queue, ...others].map((name) => ({ queue: name, action, keyIndex }));
}
