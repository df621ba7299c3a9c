import { takeBody } from "../body.ts";
import { BAD_FORMAT, TOO_LARGE } from "../errors.ts";
import { BODY_END, type Input, MAX_BYTES, MAX_FLAGS } from "../input.ts";
import { type Key, keyAt } from "../key.ts";
import {
  BAD_LEASE,
  leaseMs,
  leaseProblem,
  namesMessage,
  readMessage,
  setNumber,
} from "../lease.ts";
import {
  accept,
  acceptKey,
  refuse,
  refuseBad,
  refuseUnknown,
  type Request,
  setName,
  setTarget,
} from "../request.ts";
import {
  firstByte,
  isWord,
  splitAtTabs,
  tokenNumber,
  wordLength,
  wordNumber,
  type Words,
  wordText,
} from "../text/words.ts";
import { meta } from "./encoder.ts";

/** The flags of a command: one letter each, and some with a token after the letter. */
interface Flags {
  /** The flags that memcached knows. Those that {@link readFlag} ignores change nothing for a queue. */
  known: string;
  /** Those of them that would change an item in a way that a queue has not. */
  meaningless: string;
}

const GET: Flags = { known: "vfsktcbqOhdluENRTPL", meaningless: "" };
const SET: Flags = { known: "FkbqOscMTIENCPL", meaningless: "C" };
const DELETE: Flags = { known: "kbqOTEICxPL", meaningless: "Ix" };
const DEBUG: Flags = { known: "kbqO", meaningless: "" };

/** The longest opaque token, in bytes. */
const LONGEST_OPAQUE = 31;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const BAD_KEY = "error decoding key";
const B = 98;
const M = 109;

/** Whether the line's first word is a meta command: the letter m and one of a, d, e, g, n, s. */
export function isMeta(words: Words): boolean {
  if (wordLength(words, 0) !== 2 || firstByte(words, 0) !== M) return false;
  switch (words.buffer[(words.starts[0] as number) + 1]) {
    case 97:
    case 100:
    case 101:
    case 103:
    case 110:
    case 115:
      return true;
    default:
      return false;
  }
}

export function parseMeta(input: Input): boolean {
  const { request, words } = input;
  request.encoder = meta;
  request.tokens = [];
  if (isWord(words, 0, "mn")) return accept(request, "noop");
  if (words.count === 1) return refuseUnknown(request);
  if (isWord(words, 0, "mg")) return parseGet(request, words);
  if (isWord(words, 0, "ms")) return parseSet(input);
  if (isWord(words, 0, "md")) return parseDelete(request, words);
  if (isWord(words, 0, "me")) return acceptName(request, words, "stats queue", DEBUG);
  return refuseBad(request, "ma has no meaning for a queue");
}

/** `mg <queue>[/<option>…] <flag>*` */
function parseGet(request: Request, words: Words): boolean {
  request.numbered = true;
  request.withBody = false;
  request.leaseMs = 0;
  const problem = readFlags(request, words, 2, GET);
  if (problem !== undefined) return refuseBad(request, problem);
  const key = readKey(words, 2);
  if (key === undefined) return refuseBad(request, BAD_KEY);
  const wrong = key.problem ?? leaseProblem(request, key);
  if (wrong !== undefined) return refuseBad(request, wrong);
  const isLease = request.leaseMs > 0 || key.action === "lease";
  // Without its number a lease is of no use.
  if (isLease && !request.tokens.includes("c")) request.tokens.push("c");
  return acceptKey(request, key);
}

/** `md <queue> <flag>*`, or of a leased message: `md <queue> C<number>` and `md <queue>/<number>`. */
function parseDelete(request: Request, words: Words): boolean {
  request.number = 0;
  const problem = readFlags(request, words, 2, DELETE);
  const bytes = problem === undefined ? keyBytes(words, 2) : undefined;
  if (bytes === undefined) return refuseBad(request, problem ?? BAD_KEY);
  const { buffer, start, end } = bytes;
  const isMessage = namesMessage(buffer, start, end);
  const wrong =
    isMessage && request.number === 0
      ? readMessage(request, buffer, start, end)
      : setName(request, keyAt(buffer, start, end));
  if (wrong !== undefined) return refuseBad(request, wrong);
  return accept(request, request.number > 0 ? "acknowledge" : "delete");
}

/** `ms <queue> <bytes> <flag>*`; a body follows. */
function parseSet(input: Input): boolean {
  const { request, words } = input;
  const bytes = words.count > 2 ? wordNumber(words, 2, MAX_BYTES) : -1;
  if (bytes < 0) return refuseSet(input);
  request.flags = 0;
  request.exptime = 0;
  request.numbered = false;
  const problem = readFlags(request, words, 3, SET) ?? readTarget(request, words, 3);
  if (problem === undefined && bytes <= input.maxBody) {
    accept(request, "set");
    return takeBody(input, bytes);
  }
  input.skip = bytes + BODY_END;
  if (problem !== undefined) return refuseBad(request, problem);
  return refuse(request, "too large", TOO_LARGE);
}

/** Refuses an `ms` without a size. When tabs separate its words, there is one, and a body. */
function refuseSet(input: Input): true {
  const { request, words } = input;
  splitAtTabs(words);
  const bytes = words.count > 2 ? wordNumber(words, 2, MAX_BYTES) : -1;
  if (bytes < 0) return refuseBad(request, BAD_FORMAT);
  input.skip = bytes + BODY_END;
  return refuseUnknown(request);
}

/** `me <queue> <flag>*` */
function acceptName(request: Request, words: Words, kind: "stats queue", flags: Flags): boolean {
  const problem = readFlags(request, words, 2, flags) ?? readName(request, words, 2);
  return problem === undefined ? accept(request, kind) : refuseBad(request, problem);
}

/** Reads the flags, which start at word `from`. @returns what is wrong with them, in words for the client */
function readFlags(request: Request, words: Words, from: number, flags: Flags): string | undefined {
  let seen = "";
  for (let i = from; i < words.count; i++) {
    const letter = String.fromCharCode(firstByte(words, i));
    if (!flags.known.includes(letter)) return "invalid flag";
    if (flags.meaningless.includes(letter)) return `flag ${letter} has no meaning for a queue`;
    if (seen.includes(letter)) return "duplicate flag";
    seen += letter;
    const problem = readFlag(request, words, letter, i);
    if (problem !== undefined) return problem;
  }
  // An encoded key is returned as it was sent, with a note that it is encoded.
  const isKeyWanted = seen.includes("k") && seen.includes("b");
  const at = isKeyWanted ? request.tokens.findIndex((token) => token.startsWith("k")) : -1;
  if (at >= 0) request.tokens[at] += " b";
  return undefined;
}

function readFlag(
  request: Request,
  words: Words,
  letter: string,
  index: number,
): string | undefined {
  switch (letter) {
    case "v":
      request.withBody = true;
      break;
    case "q":
      request.wanted = "quiet";
      break;
    case "c":
      request.numbered = true;
      request.tokens.push(letter);
      break;
    case "f":
    case "s":
    case "t":
    case "h":
    case "d":
      request.tokens.push(letter);
      break;
    case "k":
      request.tokens.push(`k${wordText(words, 1)}`);
      break;
    case "O":
      if (wordLength(words, index) > 1 + LONGEST_OPAQUE) return "opaque token too long";
      request.tokens.push(wordText(words, index));
      break;
    case "F":
      request.flags = tokenNumber(words, index, MAX_FLAGS);
      return request.flags < 0 ? BAD_FORMAT : undefined;
    case "T":
      return readTime(request, words, index);
    case "C":
      return setNumber(request, wordText(words, index).slice(1));
    case "M":
      return modeProblem(wordText(words, index).slice(1));
  }
  return undefined;
}

/** `T<seconds>` of mg takes a lease; of ms it is the expiry, and of md it is ignored. */
function readTime(request: Request, words: Words, index: number): string | undefined {
  if (!isWord(words, 0, "mg")) {
    request.exptime = exptimeOf(wordText(words, index).slice(1));
    return undefined;
  }
  request.leaseMs = leaseMs(tokenNumber(words, index, MAX_FLAGS));
  return request.leaseMs === 0 ? BAD_LEASE : undefined;
}

/** Of an `ms`; what is no number is ignored, as it is for other commands. */
function exptimeOf(text: string): number {
  return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

/** What is wrong with the mode of an `ms`, in words for the client. */
function modeProblem(mode: string): string | undefined {
  if (/^[Ss]$/.test(mode)) return undefined;
  const isKnown = /^[EeAaPpRr]$/.test(mode);
  return isKnown ? `mode ${mode} has no meaning for a queue, use S` : "invalid mode, use S";
}

/** The key, decoded if one of the flags from word `from` on says so; undefined when it can't be decoded. */
function readKey(words: Words, from: number): Key | undefined {
  const bytes = keyBytes(words, from);
  return bytes && keyAt(bytes.buffer, bytes.start, bytes.end);
}

/** Where the bytes of the key are, decoded if a flag says so; undefined when they can't be. */
function keyBytes(
  words: Words,
  from: number,
): { buffer: Buffer; start: number; end: number } | undefined {
  if (!isEncoded(words, from)) {
    const { buffer, starts, ends } = words;
    return { buffer, start: starts[1] as number, end: ends[1] as number };
  }
  const text = wordText(words, 1);
  if (!BASE64.test(text)) return undefined;
  const buffer = Buffer.from(text, "base64");
  return { buffer, start: 0, end: buffer.length };
}

/** Reads what is set. @returns what is wrong with it, in words for the client */
function readTarget(request: Request, words: Words, from: number): string | undefined {
  const bytes = keyBytes(words, from);
  if (bytes === undefined) return BAD_KEY;
  return setTarget(request, bytes.buffer, bytes.start, bytes.end);
}

function isEncoded(words: Words, from: number): boolean {
  for (let i = from; i < words.count; i++) if (firstByte(words, i) === B) return true;
  return false;
}

/** Reads the queue's name. @returns what is wrong with it, in words for the client */
function readName(request: Request, words: Words, from: number): string | undefined {
  const key = readKey(words, from);
  return key === undefined ? BAD_KEY : setName(request, key);
}
