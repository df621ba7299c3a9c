import { timingSafeEqual } from "node:crypto";

import { warn } from "../../util/log.ts";
import type { Runtime } from "../runtime.ts";
import { type Account, changeAccount, type Credentials, newAccount } from "./account.ts";
import {
  type Attempt,
  countFailure,
  isBusy,
  mayCheck,
  type Sender,
  senderOf,
  takeUnlogged,
} from "./sender.ts";

/**
 * The accounts of a server, and how clients prove that they are one:
 *
 *     attempt --digest remembered?--> done
 *        |
 *        +--> sender.waiting --one at a time, senders in turn--> verify --> done, or a pause and then done
 *
 * A check takes long and much memory, on purpose, and runs outside of the loop's thread. A success is remembered, so that
 * a client that connects for each request costs one check.
 */
export interface Access {
  accounts: Map<string, Account>;
  /** Of a client that has not authenticated: it has no rights. */
  nobody: Account;
  runtime: Runtime;
  verify: Verify;
  /** Makes digests of secrets; another one in each process. */
  key: Buffer;
  /** By address. */
  senders: Map<string, Sender>;
  /** Senders whose next attempt may be checked, in turn. */
  ready: Set<Sender>;
  isChecking: boolean;
  failures: number;
}

/** Compares a secret with a hash, outside of the loop's thread. */
export type Verify = (secret: Buffer, hash: string) => Promise<boolean>;

/** Checked for names that are not there, and beside plain secrets, where no account has a hash. */
const NO_HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$sCETp56cYZrQvfeRB04k0uv4jhrZ/OQKSDWwecBXlm4$qdKTnnsNlPAbXe7pdAYjp9LhP7t32jcq9a6Tohp1EkU";
/** Bytes of a name in the log. */
const MAX_LOGGED = 64;

export function newAccess(
  credentials: readonly Credentials[],
  runtime: Runtime,
  verify: Verify,
): Access {
  const nothing = { queues: { set: [], get: [], peek: [], delete: [] }, admin: false };
  return {
    accounts: new Map(credentials.map((each) => [each.name, newAccount(each)])),
    nobody: newAccount({ name: "", secret: "", isHash: false, grants: nothing }),
    runtime,
    verify,
    key: Buffer.from(crypto.getRandomValues(new Uint8Array(32))),
    senders: new Map(),
    ready: new Set(),
    isChecking: false,
    failures: 0,
  };
}

/** Takes over another version of the auth file. @returns the accounts that are not there any more */
export function changeAccounts(
  { accounts }: Access,
  credentials: readonly Credentials[],
): Account[] {
  const names = new Set(credentials.map(({ name }) => name));
  const removed = [...accounts.values()].filter(({ name }) => !names.has(name));
  for (const { name } of removed) accounts.delete(name);
  for (const each of credentials) {
    const known = accounts.get(each.name);
    if (known === undefined) accounts.set(each.name, newAccount(each));
    else changeAccount(known, each);
  }
  return removed;
}

/**
 * Finds out whether the secret is that of the name.
 * @param address where the attempt comes from; the failures of an address have pauses that grow
 * @param done called once: at once when the secret is remembered, otherwise later; undefined when it is wrong
 * @returns takes the attempt back, if its check has not begun; undefined where it was settled at once
 */
export function authenticate(
  access: Access,
  name: string,
  secret: string,
  address: string,
  done: (account: Account | undefined) => void,
): (() => void) | undefined {
  const account = rememberedAccount(access, name, secret);
  if (account !== undefined) {
    done(account);
    return undefined;
  }
  const sender = senderOf(access.senders, address);
  const attempt: Attempt = {
    name,
    secret,
    done: (isRight) => done(isRight ? access.accounts.get(name) : undefined),
  };
  sender.waiting.push(attempt);
  enqueue(access, sender);
  return () => {
    const at = sender.waiting.indexOf(attempt);
    if (at >= 0) sender.waiting.splice(at, 1);
    if (sender.waiting.length === 0) access.ready.delete(sender);
  };
}

function enqueue(access: Access, sender: Sender): void {
  if (mayCheck(sender)) access.ready.add(sender);
  checkNext(access);
}

/** Checks the next attempt, of the sender whose turn it is. */
function checkNext(access: Access): void {
  if (access.isChecking) return;
  const [sender] = access.ready;
  const attempt = sender?.waiting.shift();
  if (sender === undefined || attempt === undefined) return;
  access.ready.delete(sender);
  access.isChecking = true;
  sender.untold++;
  // Behind all others.
  if (mayCheck(sender)) access.ready.add(sender);
  const startedAt = access.runtime.monotonic();
  void isRight(access, attempt)
    .catch((cause: unknown) => {
      warn(`a password cannot be checked: ${String(cause)}`);
      return false;
    })
    .then((right) => {
      access.isChecking = false;
      if (right) settle(access, sender, attempt, true);
      else fail(access, sender, attempt, startedAt);
      checkNext(access);
    });
}

async function isRight(access: Access, { name, secret }: Attempt): Promise<boolean> {
  const account = access.accounts.get(name);
  if (account === undefined || !account.isHash) {
    const right =
      account !== undefined &&
      timingSafeEqual(digestOf(access, account, secret), digestOf(access, account, account.secret));
    if (!right) await access.verify(Buffer.from(secret, "latin1"), decoyOf(access, name));
    else account.digest = digestOf(access, account, secret);
    return right;
  }
  const { secret: hash } = account;
  const right = await access.verify(Buffer.from(secret, "latin1"), hash);
  // The file may have been read again meanwhile.
  if (access.accounts.get(name)?.secret !== hash) return false;
  if (right) account.digest = digestOf(access, account, secret);
  return right;
}

/**
 * The hash that is checked for a name without one: that of some account, always the same for the name. Hashes may take
 * very different times, and none tells whether it is the name's own.
 */
function decoyOf({ accounts, key }: Access, name: string): string {
  const hashes = [...accounts.values()].filter(({ isHash }) => isHash);
  const hasher = new Bun.CryptoHasher("sha256", key);
  const number = hasher.update(name, "latin1").digest().readUInt32BE();
  return hashes[number % hashes.length]?.secret ?? NO_HASH;
}

/** The account, if its secret is known to be this one by an earlier check. */
export function rememberedAccount(
  access: Access,
  name: string,
  secret: string,
): Account | undefined {
  const account = access.accounts.get(name);
  if (account?.digest === undefined) return undefined;
  return timingSafeEqual(account.digest, digestOf(access, account, secret)) ? account : undefined;
}

/** Whether another attempt from that address would have to wait for earlier ones that failed, or are checked. */
export function isSenderBusy({ senders }: Access, address: string): boolean {
  const sender = senders.get(address);
  return sender !== undefined && isBusy(sender);
}

function digestOf({ key }: Access, { name }: Account, secret: string): Buffer {
  const hasher = new Bun.CryptoHasher("sha256", key);
  return hasher.update(`${name}\0${secret}`, "latin1").digest();
}

function settle(access: Access, sender: Sender, { done }: Attempt, right: boolean): void {
  sender.untold--;
  done(right);
  enqueue(access, sender);
}

function fail(access: Access, sender: Sender, attempt: Attempt, startedAt: number): void {
  const { runtime } = access;
  const now = runtime.monotonic();
  const pause = countFailure(sender, now);
  logFailure(access, sender, shownName(attempt.name));
  runtime.after(Math.max(0, startedAt + pause - now), () => settle(access, sender, attempt, false));
}

/** An attempt that had no name and secret in it has failed. */
export function noteMalformed(access: Access, address: string): void {
  logFailure(access, senderOf(access.senders, address), "a request without name and secret");
}

/** Counts and logs a failure, at most once a second for each address. */
function logFailure(access: Access, sender: Sender, subject: string): void {
  access.failures++;
  const unlogged = takeUnlogged(sender, access.runtime.monotonic());
  if (unlogged === undefined) return;
  const others = unlogged === 0 ? "" : `, after ${unlogged} more that were not logged`;
  warn(`authentication failed for ${subject} from ${sender.address}${others}`);
}

function shownName(name: string): string {
  return JSON.stringify(Buffer.from(name, "latin1").toString().slice(0, MAX_LOGGED));
}
