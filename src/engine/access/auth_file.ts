import { newPattern, type Pattern } from "../../util/pattern.ts";
import type { Credentials, Grants, QueueRight } from "./account.ts";

/*
 * The auth file has one account a line:
 *
 *     alice:open sesame                                   everything is allowed
 *     bob:$argon2id$v=19$m=19456,t=2,p=1$…:set=jobs*,get=mail,admin
 *
 * Lines without anything and lines that begin with # mean nothing. It is read as bytes: a byte is a character from U+0000
 * to U+00FF here.
 */

/** A name, and a secret, has at most so many bytes, so that both together fit into one request. */
const MAX_PART = 250;
/** Kilobytes of memory and passes over it that the check of a hash may take, and what bcrypt calls its cost. */
const MAX_MEMORY = 64 * 1024;
const MAX_PASSES = 16;
const MAX_BCRYPT_COST = 14;
const QUEUE_RIGHTS: readonly string[] = ["set", "get", "peek", "delete"];
const FORM = "a line is name:secret or name:secret:rights";
const COLON = "a secret with a colon in it can be given as a hash";
const KNOWN = "rights are set, get, peek and delete, each with =<pattern>, and admin";

/** @throws Error that names the line, in words for the user, and repeats no secret */
export function parseAuthFile(text: string): Credentials[] {
  const found = new Map<string, Credentials>();
  for (const [i, line] of text
    .replace(/^\xef\xbb\xbf/, "")
    .split(/\r?\n/)
    .entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const credentials = parseLine(line);
    const problem =
      typeof credentials === "string"
        ? credentials
        : found.has(credentials.name) && "the name is in an earlier line, too";
    if (problem !== false) throw new Error(`line ${i + 1}: ${problem}`);
    found.set((credentials as Credentials).name, credentials as Credentials);
  }
  if (found.size === 0) throw new Error("there is no line name:secret in it");
  return [...found.values()];
}

/** @returns or what is wrong with the line */
function parseLine(line: string): Credentials | string {
  const [name = "", secret, rights, ...more] = line.split(":");
  if (secret === undefined || more.length > 0) {
    return `${FORM}; ${COLON}`;
  }
  if (!/^[^\s\0]{1,250}$/.test(name)) return "a name has 1 to 250 bytes, and no space";
  const isHash = /^\$(?:argon2|2[abxy]\$)/.test(secret);
  const problem = isHash ? hashProblem(secret) : plainProblem(secret);
  if (problem !== undefined) return problem;
  const grants = rights === undefined ? undefined : parseGrants(rights);
  return typeof grants === "string" ? grants : { name, secret, isHash, grants };
}

function plainProblem(secret: string): string | undefined {
  if (/[\0]/.test(secret)) return "a secret has no zero byte";
  return secret.length >= 1 && secret.length <= MAX_PART
    ? undefined
    : `a secret has 1 to ${MAX_PART} bytes`;
}

/** What is wrong with the hash. One that takes very much to check would let anyone keep the server busy. */
function hashProblem(hash: string): string | undefined {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (cost !== undefined) {
    const isGood = Number(cost) >= 4 && Number(cost) <= MAX_BCRYPT_COST;
    return isGood ? undefined : `a bcrypt hash has a cost from 4 to ${MAX_BCRYPT_COST}`;
  }
  const [, memory, passes] =
    /^\$argon2(?:id|i|d)\$v=19\$m=(\d+),t=(\d+),p=\d{1,2}\$[+/A-Za-z0-9]{11,}\$[+/A-Za-z0-9]{16,}$/.exec(
      hash,
    ) ?? [];
  if (memory === undefined) {
    return "the hash is none that --hash-password prints: argon2 ($argon2id$v=19$m=…) or bcrypt ($2b$…)";
  }
  if (Number(memory) > MAX_MEMORY)
    return `an argon2 hash may take 64 MiB (m=${MAX_MEMORY}) at most`;
  return Number(passes) <= MAX_PASSES
    ? undefined
    : `an argon2 hash has ${MAX_PASSES} passes (t=) at most`;
}

/** @returns or what is wrong with the rights. It repeats none of them: the end of a secret with a colon would look like one. */
function parseGrants(text: string): Grants | string {
  const queues: Record<QueueRight, Pattern[]> = { set: [], get: [], peek: [], delete: [] };
  let admin = false;
  for (const [i, item] of text.split(",").entries()) {
    const [right = "", pattern, ...more] = item.split("=");
    if (item === "admin") admin = true;
    else if (!QUEUE_RIGHTS.includes(right) || pattern === undefined || more.length > 0) {
      return `right number ${i + 1} is none: ${KNOWN}; ${COLON}`;
    } else {
      const name = decodePattern(pattern);
      if (name === undefined)
        return `right number ${i + 1} has no pattern of names: * is for any part, %XX for a byte`;
      queues[right as QueueRight].push(name);
    }
  }
  return { queues, admin };
}

/** A byte that has a meaning in the file is written as %XX in a name. */
function decodePattern(text: string): Pattern | undefined {
  if (!/^(?:[^%\s/\0]|%[0-9a-f]{2})+$/i.test(text)) return undefined;
  // The star that is a byte of a name is none of the pattern's.
  return newPattern(text).map((part) =>
    part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  );
}
