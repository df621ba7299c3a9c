import { BAD_FORMAT, TOO_LARGE } from "../errors.ts";
import { BODY_END, type Input, MAX_BYTES, MAX_FLAGS, takeBody } from "../input.ts";
import { type Key, keyAt } from "../key.ts";
import { accept, refuse, refuseBad, refuseUnknown, type Request, setName } from "../request.ts";
import { isWord, tokenNumber, wordLength, wordNumber, words, wordText } from "../text/words.ts";
import { meta } from "./encoder.ts";

/** The flags that a request takes: a letter each, with a token behind some. */
interface Flags {
  /** Those that memcached knows. What {@link readFlag} does nothing about changes nothing for a queue. */
  known: string;
  /** Those of them that would do something to an item that can't be done to a queue. */
  meaningless: string;
}

const GET: Flags = { known: "vfsktcbqOhluENRTPL", meaningless: "" };
const SET: Flags = { known: "FkbqOscMTIENCPL", meaningless: "C" };
const DELETE: Flags = { known: "kbqOTEICxPL", meaningless: "ICx" };
const DEBUG: Flags = { known: "kbqO", meaningless: "" };

/** The longest token that is sent back, in bytes. */
const LONGEST_OPAQUE = 31;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const BAD_KEY = "error decoding key";
const M = 109;

/** Whether the flags of the line say that its key is encoded. */
let isEncoded = false;

/** Whether the line's first word may be a meta command: the letter m and another one. */
export function isMeta(): boolean {
  return wordLength(0) === 2 && words.buffer[words.starts[0] as number] === M;
}

export function parseMeta(input: Input): boolean {
  const { request } = input;
  request.encoder = meta;
  request.tokens = [];
  isEncoded = false;
  if (isWord(0, "mn")) return accept(request, "noop");
  if (words.count === 1) return refuseUnknown(request);
  if (isWord(0, "mg")) return parseGet(request);
  if (isWord(0, "ms")) return parseSet(input);
  if (isWord(0, "md")) return acceptName(request, "delete", DELETE);
  if (isWord(0, "me")) return acceptName(request, "stats queue", DEBUG);
  if (isWord(0, "ma")) return refuseBad(request, "ma has no meaning for a queue");
  return refuseUnknown(request);
}

/** `mg <queue>[/<option>…] <flag>*` */
function parseGet(request: Request): boolean {
  request.numbered = true;
  request.withBody = false;
  const problem = readFlags(request, 2, GET);
  if (problem !== undefined) return refuseBad(request, problem);
  const key = readKey();
  if (key === undefined || key.problem !== undefined) {
    return refuseBad(request, key?.problem ?? BAD_KEY);
  }
  request.keys.length = 1;
  request.keys[0] = key;
  return accept(request, "get");
}

/** `ms <queue> <bytes> <flag>*`; a body follows. */
function parseSet(input: Input): boolean {
  const { request } = input;
  const bytes = words.count > 2 ? wordNumber(2, MAX_BYTES) : -1;
  if (bytes < 0) return refuseBad(request, BAD_FORMAT);
  request.flags = 0;
  request.numbered = false;
  const problem = readFlags(request, 3, SET) ?? readName(request);
  if (problem === undefined && bytes <= input.maxBody) {
    accept(request, "set");
    return takeBody(input, bytes);
  }
  input.skip = bytes + BODY_END;
  if (problem !== undefined) return refuseBad(request, problem);
  return refuse(request, "too large", TOO_LARGE);
}

/** `md <queue> <flag>*` and `me <queue> <flag>*` */
function acceptName(request: Request, kind: "delete" | "stats queue", flags: Flags): boolean {
  const problem = readFlags(request, 2, flags) ?? readName(request);
  return problem === undefined ? accept(request, kind) : refuseBad(request, problem);
}

/** Reads the flags from word `from` on. @returns what is wrong with them, in words for the client */
function readFlags(request: Request, from: number, flags: Flags): string | undefined {
  let seen = "";
  for (let i = from; i < words.count; i++) {
    const letter = String.fromCharCode(words.buffer[words.starts[i] as number] as number);
    if (!flags.known.includes(letter)) return "invalid flag";
    if (flags.meaningless.includes(letter)) return `flag ${letter} has no meaning for a queue`;
    if (seen.includes(letter)) return "duplicate flag";
    seen += letter;
    const problem = readFlag(request, letter, i);
    if (problem !== undefined) return problem;
  }
  // The key comes back as it was sent, and says so.
  const at = isEncoded ? request.tokens.findIndex((token) => token.startsWith("k")) : -1;
  if (at >= 0) request.tokens[at] += " b";
  return undefined;
}

function readFlag(request: Request, letter: string, index: number): string | undefined {
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
    case "b":
      isEncoded = true;
      break;
    case "f":
    case "s":
    case "t":
      request.tokens.push(letter);
      break;
    case "k":
      request.tokens.push(`k${wordText(1)}`);
      break;
    case "O":
      if (wordLength(index) > 1 + LONGEST_OPAQUE) return "opaque token too long";
      request.tokens.push(wordText(index));
      break;
    case "F":
      request.flags = tokenNumber(index, MAX_FLAGS);
      return request.flags < 0 ? BAD_FORMAT : undefined;
    case "M":
      return modeProblem(wordText(index).slice(1));
  }
  return undefined;
}

/** What speaks against the mode of an `ms`. */
function modeProblem(mode: string): string | undefined {
  if (/^[Ss]$/.test(mode)) return undefined;
  const isKnown = /^[EeAaPpRr]$/.test(mode);
  return isKnown ? `mode ${mode} has no meaning for a queue, use S` : "invalid mode, use S";
}

/** The key, decoded if the flags say so; undefined when that can't be. */
function readKey(): Key | undefined {
  if (!isEncoded) {
    return keyAt(words.buffer, words.starts[1] as number, words.ends[1] as number);
  }
  const text = wordText(1);
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return keyAt(bytes, 0, bytes.length);
}

/** Reads the queue's name. @returns what is wrong with it, in words for the client */
function readName(request: Request): string | undefined {
  const key = readKey();
  return key === undefined ? BAD_KEY : setName(request, key);
}
