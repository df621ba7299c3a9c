import { matches, type Pattern } from "../../util/pattern.ts";

/** What an account may do with a queue. */
export type QueueRight = "set" | "get" | "peek" | "delete";

/** What one account may do. */
export interface Grants {
  /** The queues of each right. */
  queues: Readonly<Record<QueueRight, readonly Pattern[]>>;
  /** Commands that concern the whole server. */
  admin: boolean;
}

/** A line of the auth file. */
export interface Credentials {
  name: string;
  /** Plain, or a hash that `Bun.password` knows. A byte is a character from U+0000 to U+00FF, as in the name. */
  secret: string;
  isHash: boolean;
  /** undefined: everything is allowed. */
  grants: Grants | undefined;
}

/** A name that clients authenticate with. The sessions that did refer to it, so a change of its rights holds at once. */
export interface Account extends Credentials {
  /** The keyed digest of the secret that was right: later checks compare with it. */
  digest: Buffer | undefined;
  /** Rights by queue as a set of bits, resolved before; a cache of the grants. */
  resolved: Map<string, number>;
}

/** The bit of each right. */
export const BITS: Readonly<Record<QueueRight, number>> = { set: 1, get: 2, peek: 4, delete: 8 };
const RIGHTS = Object.keys(BITS) as readonly QueueRight[];
const ALL = 15;
/** Queues of one account whose rights are kept resolved. */
const MAX_RESOLVED = 4096;

export function newAccount(credentials: Credentials): Account {
  return { ...credentials, digest: undefined, resolved: new Map() };
}

/** Gives the account another secret and other rights. */
export function changeAccount(account: Account, { secret, isHash, grants }: Credentials): void {
  if (account.secret !== secret) account.digest = undefined;
  account.secret = secret;
  account.isHash = isHash;
  account.grants = grants;
  account.resolved.clear();
}

/** The rights to a queue, as the bits of {@link BITS}. */
export function rightsTo({ grants, resolved }: Account, queue: string): number {
  if (grants === undefined) return ALL;
  const known = resolved.get(queue);
  if (known !== undefined) return known;
  let bits = 0;
  for (const right of RIGHTS) {
    if (grants.queues[right].some((pattern) => matches(pattern, queue))) bits |= BITS[right];
  }
  if (resolved.size >= MAX_RESOLVED) resolved.clear();
  resolved.set(queue, bits);
  return bits;
}

export function isAdmin({ grants }: Account): boolean {
  return grants === undefined || grants.admin;
}

/** Whether the account may look at messages of the queue. @param account undefined where no account is needed */
export function mayPeek(account: Account | undefined, queue: string): boolean {
  return account === undefined || (rightsTo(account, queue) & BITS.peek) !== 0;
}

/** Whether lists tell the account of the queue. @param account undefined where no account is needed */
export function maySee(account: Account | undefined, queue: string): boolean {
  return account === undefined || isAdmin(account) || rightsTo(account, queue) !== 0;
}
