import { takeBody } from "../body.ts";
import { newBytes, writeBytes } from "../buffer.ts";
import { MAX_CREDENTIALS } from "../credentials.ts";
import {
  AUTHENTICATION_FAILED,
  BAD_FORMAT,
  BAD_PAUSE,
  NO_DELAY,
  ONE_ALL,
  ONE_WAIT,
  TOO_LARGE,
  TOO_LONG,
} from "../errors.ts";
import { BODY_END, dropChunk, type Input, MAX_BYTES, MAX_FLAGS, refuseForGood } from "../input.ts";
import { type Key, keyAt, newKeyTable } from "../key.ts";
import { BAD_LEASE, leaseMs, leaseProblem, namesMessage } from "../lease.ts";
import { isMeta, parseMeta } from "../meta/decoder.ts";
import {
  accept,
  acceptKey,
  MOST_LISTED,
  refuse,
  refuseBad,
  refuseUnknown,
  type Request,
  setName,
  setTarget,
} from "../request.ts";
import { rareCommand } from "./commands.ts";
import { text } from "./encoder.ts";
import { parseAcknowledge, parseTouch } from "./leases.ts";
import { readNoreply } from "./noreply.ts";
import { isHttp, unexpectedBytes } from "./unknown.ts";
import {
  foldWord,
  isSignedNumber,
  isWord,
  splitWords,
  wordNumber,
  type Words,
  wordText,
} from "./words.ts";

/** The longest line, its end included, in bytes. */
export const MAX_LINE = 65_536;
/** Seconds. */
const MAX_PAUSE = 2 ** 31 - 1;
/** What the keys of a long list are compared with: none has t= or or=. */
const PLAIN: Pick<Key, "wait" | "others"> = { wait: -1, others: [] };
const CR = 13;
const LF = 10;

/** Finds the next request in lines: false when more bytes are needed for it. */
export function nextLine(input: Input): boolean {
  const { chunk, at } = input;
  const lineEnd = findLineEnd(chunk, at);
  const kept = input.line?.length ?? 0;
  const arrived = (lineEnd < 0 ? chunk.length : lineEnd + 1) - at;
  if (kept + arrived > MAX_LINE || (lineEnd < 0 && kept + arrived === MAX_LINE)) {
    return refuseForGood(input, "bad request", TOO_LONG);
  }
  if (lineEnd >= 0 && kept === 0) {
    input.at = lineEnd + 1;
    return parseLine(input, chunk, at, lineEnd);
  }
  input.line ??= newBytes(arrived);
  writeBytes(input.line, chunk, at, at + arrived);
  input.at += arrived;
  if (lineEnd < 0) return dropChunk(input);
  const { buffer, length } = input.line;
  input.line = undefined;
  return parseLine(input, buffer, 0, length - 1);
}

/** Most lines are short: a loop looks at the first bytes, and only a long line is worth the call into native code. */
function findLineEnd(chunk: Buffer, start: number): number {
  const near = Math.min(chunk.length, start + 64);
  for (let at = start; at < near; at++) if (chunk[at] === LF) return at;
  return near === chunk.length ? -1 : chunk.indexOf(LF, near);
}

function parseLine(input: Input, buffer: Buffer, start: number, lineEnd: number): boolean {
  const { request, words } = input;
  const end = lineEnd > start && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
  splitWords(words, buffer, start, end);
  request.encoder = text;
  request.wanted = "all";
  if (input.keepLines) request.line = buffer.toString("latin1", start, end);
  return words.count === 0 ? refuseUnknown(request) : parseWords(input);
}

function parseWords(input: Input): boolean {
  const { request, words } = input;
  if (isWord(words, 0, "set")) return parseStorage(input, "set", 5);
  if (isWord(words, 0, "get")) return parseRetrieval(request, words, false);
  if (isWord(words, 0, "gets")) return parseRetrieval(request, words, true);
  if (isMeta(words)) return parseMeta(input);
  return parseRareLine(input);
}

function parseRareLine(input: Input): boolean {
  const { request, words } = input;
  const verb = rareCommand(words);
  switch (verb) {
    case "add":
    case "replace":
    case "append":
    case "prepend":
      return parseStorage(input, verb, 5);
    case "cas":
      return parseStorage(input, verb, 6);
    case "delete":
      return parseDelete(request, words);
    case "gat":
      return parseLease(request, words, false);
    case "gats":
      return parseLease(request, words, true);
    case "touch":
      return parseTouch(request, words);
    case "flush":
      return parseFlush(request, words);
    case "flush_all":
      return parseFlushAll(request, words);
    case "pause":
      return parsePause(request, words);
    case "resume":
      return parseResume(request, words);
    case "stats":
      return parseStats(request, words);
    case "verbosity":
      return parseVerbosity(request, words);
    case "incr":
    case "decr":
      // A client that asked for no reply would take this one for the reply to its next command.
      readNoreply(request, words, 2);
      return refuseUnknown(request);
    case "dump_stats":
      return parseDump(request, words);
    case "flush_expired":
      return parseFlush(request, words, verb);
    case "status":
    case "reload":
    case "shutdown":
    case "flush_all_expired":
    case "version":
    case "db_checkpoint":
    case "db_archive":
      return words.count > 1 ? refuseUnknown(request) : accept(request, verb);
    case "quit":
      if (words.count > 1) return refuseUnknown(request);
      request.wanted = "none";
      return accept(request, "quit");
    case undefined:
      return parseUnknown(input);
  }
}

/** A line that is no command in small letters. */
function parseUnknown(input: Input): boolean {
  const { request, words } = input;
  if (isHttp(words)) {
    input.ended = true;
    return refuse(request, "unknown command", "", true);
  }
  // Kestrel's clients write capitals.
  if (input.anyCase && foldWord(words, 0)) return parseWords(input);
  swallowUnexpected(input);
  return refuseUnknown(request);
}

/** Swallows the body behind a line that is no command. @returns whether there is one, as far as can be told */
function swallowUnexpected(input: Input): boolean {
  const bytes = unexpectedBytes(input.words);
  if (bytes >= 0) input.skip = bytes + BODY_END;
  return bytes >= 0;
}

/** `<verb> <queue> <flags> <exptime> <bytes> …`, at least `least` words; a body follows. */
function parseStorage(input: Input, verb: string, least: number): boolean {
  const { request, words } = input;
  const { count } = words;
  if (input.authentication === "needed" && verb === "set" && count >= least)
    return parseCredentials(input);
  const noreply = readNoreply(request, words, 2);
  const bytes = count > 4 ? wordNumber(words, 4, MAX_BYTES) : -1;
  if (count === least || (count === least + 1 && noreply)) {
    const problem = storageProblem(request, words, verb, bytes);
    if (problem !== undefined) refuseBad(request, problem);
    else if (bytes > input.maxBody) refuse(request, "too large", TOO_LARGE);
    else return takeBody(input, bytes);
  } else {
    refuseUnknown(request);
  }
  if (bytes >= 0) input.skip = bytes + BODY_END;
  else if (swallowUnexpected(input)) refuseUnknown(request);
  return true;
}

/**
 * `set <any> <flags> <exptime> <bytes> [noreply]` of a client that has not authenticated: the body is its name and
 * secret.
 */
function parseCredentials(input: Input): boolean {
  const { request, words } = input;
  const bytes = wordNumber(words, 4, MAX_BYTES);
  readNoreply(request, words, 5);
  if (bytes >= 0 && bytes <= MAX_CREDENTIALS) {
    accept(request, "authenticate");
    return takeBody(input, bytes);
  }
  if (bytes >= 0) input.skip = bytes + BODY_END;
  return refuse(request, "unauthenticated", AUTHENTICATION_FAILED);
}

/** Reads the line of a set. @returns what is wrong with it, in words for the client */
function storageProblem(
  request: Request,
  words: Words,
  verb: string,
  bytes: number,
): string | undefined {
  const { buffer, starts, ends } = words;
  const problem = setTarget(request, buffer, starts[1] as number, ends[1] as number);
  request.kind = "set";
  request.numbered = false;
  request.flags = wordNumber(words, 2, MAX_FLAGS);
  if (bytes < 0 || request.flags < 0 || !isSignedNumber(words, 3)) return BAD_FORMAT;
  // Nearly all messages have none.
  request.exptime = isWord(words, 3, "0") ? 0 : Number(wordText(words, 3));
  if (verb === "set") return problem;
  return problem ?? `${verb} has no meaning for a queue, use set`;
}

/** The word as a key, which may be a wrong one. */
function wordKey({ buffer, starts, ends }: Words, index: number): Key {
  return keyAt(buffer, starts[index] as number, ends[index] as number);
}

/** `get <key>*` */
function parseRetrieval(request: Request, words: Words, numbered: boolean): boolean {
  request.leaseMs = 0;
  return parseKeys(request, words, 1, numbered);
}

/** `gat <seconds> <key>*` */
function parseLease(request: Request, words: Words, numbered: boolean): boolean {
  if (words.count < 3) return refuseUnknown(request);
  request.leaseMs = leaseMs(wordNumber(words, 1, MAX_FLAGS));
  if (request.leaseMs === 0) return refuseBad(request, BAD_LEASE);
  return parseKeys(request, words, 2, numbered);
}

/** The keys of a get are the words from number `from` on. */
function parseKeys(request: Request, words: Words, from: number, numbered: boolean): boolean {
  const count = words.count - from;
  if (count === 0) return refuseUnknown(request);
  request.kind = "get";
  request.numbered = numbered;
  request.withBody = true;
  request.keyTable = undefined;
  if (count > MOST_LISTED) return parseLongList(request, words, from);
  const { keys } = request;
  keys.length = count;
  for (let i = 0; i < count; i++) {
    const key = wordKey(words, i + from);
    const other = i === 0 ? undefined : otherProblem(keys[0] as Key, key);
    const problem = key.problem ?? other ?? leaseProblem(request, key);
    if (problem !== undefined) {
      keys.length = i;
      return refuseBad(request, problem);
    }
    keys[i] = key;
  }
  const first = keys[0] as Key;
  if (count === 1 && first.action === "move all") return acceptKey(request, first);
  return keys.some(({ action }) => action === "move all") ? refuseBad(request, ONE_ALL) : true;
}

/** All keys are checked, but only their bytes are kept: as a list they would take much more memory. */
function parseLongList(request: Request, words: Words, from: number): boolean {
  const count = words.count - from;
  request.keys.length = 0;
  for (let i = from; i < words.count; i++) {
    const key = wordKey(words, i);
    const all = key.action === "move all" ? ONE_ALL : undefined;
    const problem = key.problem ?? otherProblem(PLAIN, key) ?? leaseProblem(request, key) ?? all;
    if (problem !== undefined) return refuseBad(request, problem);
  }
  const { buffer, starts, ends } = words;
  request.keyTable = newKeyTable(buffer, starts, from, count, ends[words.count - 1] as number);
  return true;
}

/** What is wrong with a key beside the first one, in words for the client. */
function otherProblem(first: Pick<Key, "wait" | "others">, key: Key): string | undefined {
  const isSame = key.wait === first.wait && key.others.length + first.others.length === 0;
  return isSame ? undefined : ONE_WAIT;
}

/** `delete <queue> [<time>] [noreply]` */
function parseDelete(request: Request, words: Words): boolean {
  const { buffer, starts, ends, count } = words;
  if (count > 1 && namesMessage(buffer, starts[1] as number, ends[1] as number)) {
    return parseAcknowledge(request, words);
  }
  const rest = parseOnQueue(request, words);
  if (rest > 1 || (rest === 1 && !isSignedNumber(words, 2))) return refuseBad(request, BAD_FORMAT);
  return rest < 0 || accept(request, "delete");
}

/** `flush <queue> [noreply]` */
function parseFlush(
  request: Request,
  words: Words,
  kind: "flush" | "flush_expired" = "flush",
): boolean {
  const rest = parseOnQueue(request, words);
  if (rest > 0) return refuseBad(request, BAD_FORMAT);
  return rest < 0 || accept(request, kind);
}

/** `pause <queue> <seconds> [noreply]` */
function parsePause(request: Request, words: Words): boolean {
  const rest = parseOnQueue(request, words);
  if (rest < 0) return true;
  request.seconds = rest === 1 ? wordNumber(words, 2, MAX_PAUSE) : -1;
  return request.seconds < 0 ? refuseBad(request, BAD_PAUSE) : accept(request, "pause");
}

/** `resume <queue> [noreply]` */
function parseResume(request: Request, words: Words): boolean {
  const rest = parseOnQueue(request, words);
  if (rest > 0) return refuseBad(request, BAD_FORMAT);
  return rest < 0 || accept(request, "resume");
}

/** `dump_stats [queue]` */
function parseDump(request: Request, words: Words): boolean {
  if (words.count === 1) return accept(request, "dump_stats");
  if (words.count > 2) return refuseBad(request, BAD_FORMAT);
  return !readName(request, words, 1) || accept(request, "dump_stats queue");
}

/** The start of `delete` and `flush`: how many words follow the name, or -1 when the line is refused. */
function parseOnQueue(request: Request, words: Words): number {
  const { count } = words;
  if (count === 1) {
    refuseUnknown(request);
    return -1;
  }
  const noreply = readNoreply(request, words, 2);
  if (!readName(request, words, 1)) return -1;
  return noreply ? count - 3 : count - 2;
}

/** Takes the word as a queue's name: false when it is a wrong one, and the line is refused. */
function readName(request: Request, words: Words, index: number): boolean {
  const problem = setName(request, wordKey(words, index));
  return problem === undefined || !refuseBad(request, problem);
}

/** `flush_all [delay] [noreply]` */
function parseFlushAll(request: Request, words: Words): boolean {
  const { count } = words;
  const rest = readNoreply(request, words, 1) ? count - 2 : count - 1;
  if (rest > 1 || (rest === 1 && !isSignedNumber(words, 1))) return refuseBad(request, BAD_FORMAT);
  if (rest === 1 && wordNumber(words, 1, 0) < 0) return refuseBad(request, NO_DELAY);
  return accept(request, "flush_all");
}

function parseStats(request: Request, words: Words): boolean {
  if (words.count === 1) return accept(request, "stats");
  if (isWord(words, 1, "reset")) return accept(request, "stats reset");
  if (isWord(words, 1, "settings") && words.count > 2) {
    return !readName(request, words, 2) || accept(request, "stats settings");
  }
  if (!isWord(words, 1, "queue")) return refuse(request, "unknown statistics", "");
  if (words.count === 2) return accept(request, "stats queues");
  return !readName(request, words, 2) || accept(request, "stats queue");
}

/** `verbosity <n> [noreply]` */
function parseVerbosity(request: Request, words: Words): boolean {
  const { count } = words;
  if (count === 1) return refuseUnknown(request);
  const rest = readNoreply(request, words, 1) ? count - 3 : count - 2;
  request.level = wordNumber(words, 1, MAX_FLAGS);
  if (request.level < 0 || rest > 0) return refuseBad(request, BAD_FORMAT);
  return accept(request, "verbosity");
}
