import type { Action, Key } from "../../protocol/key.ts";
import { keyCount, keyOf, type Request, type RequestKind } from "../../protocol/request.ts";
import type { Session } from "../engine.ts";
import { type Account, BITS, isAdmin, maySee, type QueueRight, rightsTo } from "./account.ts";

/**
 * What a kind of request needs:
 *
 *     nothing          also a client that has not authenticated has it
 *     name             to have authenticated
 *     set, get, delete that right to the queue that it names
 *     keys             what each of its keys needs
 *     sight            any right to the queue that it names
 *     admin            the right to what concerns the whole server
 */
type Need = "nothing" | "name" | QueueRight | "keys" | "sight" | "admin";

/** A kind of request without a need does not compile. */
export const NEEDS: Readonly<Record<RequestKind, Need>> = {
  set: "set",
  get: "keys",
  delete: "delete",
  "move all": "keys",
  acknowledge: "get",
  touch: "get",
  "give back": "admin",
  remove: "admin",
  return: "admin",
  "return all": "admin",
  flush: "delete",
  pause: "delete",
  resume: "delete",
  flush_all: "admin",
  stats: "name",
  "stats queue": "sight",
  "stats settings": "sight",
  // It tells of the queues that the client may see.
  "stats queues": "name",
  "stats reset": "admin",
  dump_stats: "name",
  "dump_stats queue": "sight",
  status: "name",
  reload: "admin",
  shutdown: "admin",
  flush_expired: "delete",
  flush_all_expired: "admin",
  version: "nothing",
  verbosity: "admin",
  noop: "name",
  db_checkpoint: "admin",
  db_archive: "admin",
  authenticate: "nothing",
  mechanisms: "nothing",
  quit: "nothing",
  error: "nothing",
  "error set": "nothing",
};

/** What a key needs beside what it does first; an action without a right does not compile. */
const ACTION_RIGHTS: Readonly<Record<Action, number>> = {
  take: BITS.get,
  open: BITS.get,
  lease: BITS.get,
  move: BITS.get,
  "move all": BITS.get,
  peek: BITS.peek,
  none: 0,
};
const BEFORE_RIGHTS: Readonly<Record<NonNullable<Key["before"]>, number>> = {
  close: BITS.get,
  abort: BITS.get,
  bury: BITS.get,
  pass: BITS.get,
  pause: BITS.delete,
  resume: BITS.delete,
};

/** Why the client may not ask for this; undefined when it may. */
export function refusalOf(
  { engine }: Session,
  account: Account,
  request: Request,
): "unauthenticated" | "not allowed" | undefined {
  if (isPlainGet(request) && (rightsTo(account, (request.keys[0] as Key).queue) & BITS.get) !== 0) {
    return undefined;
  }
  const need = NEEDS[request.kind];
  if (need === "nothing") return undefined;
  if (account === engine.access?.nobody) return "unauthenticated";
  return isAllowed(account, need, request) ? undefined : "not allowed";
}

/** The hot path of consumers: one key without options. */
function isPlainGet({ kind, keyTable, keys }: Request): boolean {
  return kind === "get" && keyTable === undefined && keys.length === 1 && keys[0]?.plain === true;
}

function isAllowed(account: Account, need: Exclude<Need, "nothing">, request: Request): boolean {
  switch (need) {
    case "name":
      return true;
    case "admin":
      return isAdmin(account);
    case "sight":
      return maySee(account, request.name);
    case "keys":
      return areKeysAllowed(account, request);
    case "set": {
      const source = request.options?.source ?? "";
      if (source !== "" && (rightsTo(account, source) & BITS.get) === 0) return false;
      return (rightsTo(account, request.name) & BITS.set) !== 0;
    }
    default:
      return (rightsTo(account, request.name) & BITS[need]) !== 0;
  }
}

function areKeysAllowed(account: Account, request: Request): boolean {
  for (let i = 0; i < keyCount(request); i++) {
    const { queue, target, others, action, before } = keyOf(request, i);
    // A lease needs what a take needs, so a request that leases all its keys needs nothing more.
    const toTake = ACTION_RIGHTS[action];
    const needed = toTake | (before === undefined ? 0 : BEFORE_RIGHTS[before]);
    if ((rightsTo(account, queue) & needed) !== needed) return false;
    if (target !== "" && (rightsTo(account, target) & BITS.set) === 0) return false;
    for (const other of others) if ((rightsTo(account, other) & toTake) !== toTake) return false;
  }
  return true;
}
