import { newBytes, writeBytes } from "../buffer.ts";
import { BAD_FORMAT, NO_DELAY, ONE_WAIT, TOO_LARGE, TOO_LONG } from "../errors.ts";
import {
  BODY_END,
  dropChunk,
  type Input,
  MAX_BYTES,
  MAX_FLAGS,
  refuseForGood,
  takeBody,
} from "../input.ts";
import { type Key, keyAt } from "../key.ts";
import { isMeta, parseMeta } from "../meta/decoder.ts";
import {
  accept,
  forgetKeys,
  refuse,
  refuseBad,
  refuseUnknown,
  type Request,
  setName,
} from "../request.ts";
import { text } from "./encoder.ts";
import { isSignedNumber, isWord, splitWords, wordNumber, words, wordText } from "./words.ts";

/** The longest line, its end included, in bytes. */
export const MAX_LINE = 65_536;
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

/** Most lines are short: the first bytes are looked at here, only a long line is worth the call into native code. */
function findLineEnd(chunk: Buffer, start: number): number {
  const near = Math.min(chunk.length, start + 64);
  for (let at = start; at < near; at++) if (chunk[at] === LF) return at;
  return near === chunk.length ? -1 : chunk.indexOf(LF, near);
}

function parseLine(input: Input, buffer: Buffer, start: number, lineEnd: number): boolean {
  const end = lineEnd > start && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
  splitWords(buffer, start, end);
  const { request } = input;
  request.encoder = text;
  request.wanted = "all";
  if (input.keepLines) request.line = buffer.toString("latin1", start, end);
  if (words.count === 0) return refuseUnknown(request);
  if (isWord(0, "set")) return parseStorage(input, "set", 5);
  if (isWord(0, "get")) return parseRetrieval(request, false);
  if (isWord(0, "gets")) return parseRetrieval(request, true);
  if (isMeta()) return parseMeta(input);
  return parseRareLine(input);
}

function parseRareLine(input: Input): boolean {
  const { request } = input;
  const verb = wordText(0);
  switch (verb) {
    case "add":
    case "replace":
    case "append":
    case "prepend":
      return parseStorage(input, verb, 5);
    case "cas":
      return parseStorage(input, verb, 6);
    case "delete":
      return parseDelete(request);
    case "flush":
      return parseFlush(request);
    case "flush_all":
      return parseFlushAll(request);
    case "stats":
      return parseStats(request);
    case "verbosity":
      return parseVerbosity(request);
    case "incr":
    case "decr":
    case "touch":
      // Whoever asks for no answer must not get one, lest it be taken for that of the next command.
      readNoreply(request, 2);
      return refuseUnknown(request);
    case "version":
    case "db_checkpoint":
    case "db_archive":
      return words.count > 1 ? refuseUnknown(request) : accept(request, verb);
    case "quit":
      if (words.count > 1) return refuseUnknown(request);
      request.wanted = "none";
      return accept(request, "quit");
    default:
      if (!wordText(words.count - 1).startsWith("HTTP/")) return refuseUnknown(request);
      // A browser that some web page has told to send commands: they come as the body.
      input.ended = true;
      return refuse(request, "unknown command", "", true);
  }
}

/** `<verb> <queue> <flags> <exptime> <bytes> …`, `least` words of which must be there; a body follows. */
function parseStorage(input: Input, verb: string, least: number): boolean {
  const { request } = input;
  const { count } = words;
  const noreply = readNoreply(request, 2);
  const bytes = count > 4 ? wordNumber(4, MAX_BYTES) : -1;
  if (count === least || (count === least + 1 && noreply)) {
    const problem = storageProblem(request, verb, bytes);
    if (problem !== undefined) refuseBad(request, problem);
    else if (bytes > input.maxBody) refuse(request, "too large", TOO_LARGE);
    else return takeBody(input, bytes);
  } else {
    refuseUnknown(request);
  }
  if (bytes >= 0) input.skip = bytes + BODY_END;
  return true;
}

/** Reads what a body is set with. @returns what is wrong with it, in words for the client */
function storageProblem(request: Request, verb: string, bytes: number): string | undefined {
  const problem = setName(request, keyOf(1));
  request.kind = "set";
  request.numbered = false;
  request.flags = wordNumber(2, MAX_FLAGS);
  if (bytes < 0 || request.flags < 0 || !isSignedNumber(3)) return BAD_FORMAT;
  if (verb === "set") return problem;
  return problem ?? `${verb} has no meaning for a queue, use set`;
}

/** Whether the last word, behind at least `least` others, says that no answer is wanted. */
function readNoreply(request: Request, least: number): boolean {
  const found = words.count > least && isWord(words.count - 1, "noreply");
  if (found) request.wanted = "none";
  return found;
}

/** The word as a key, without a look at whether it is a good one. */
function keyOf(index: number): Key {
  return keyAt(words.buffer, words.starts[index] as number, words.ends[index] as number);
}

function parseRetrieval(request: Request, numbered: boolean): boolean {
  const { count } = words;
  if (count === 1) return refuseUnknown(request);
  request.kind = "get";
  request.numbered = numbered;
  request.withBody = true;
  request.keys.length = count - 1;
  for (let i = 1; i < count; i++) {
    const key = keyOf(i);
    const problem = key.problem ?? (key.wait >= 0 && count > 2 ? ONE_WAIT : undefined);
    if (problem !== undefined) {
      forgetKeys(request);
      return refuseBad(request, problem);
    }
    request.keys[i - 1] = key;
  }
  return true;
}

/** `delete <queue> [<time>] [noreply]` */
function parseDelete(request: Request): boolean {
  const rest = parseOnQueue(request);
  if (rest > 1 || (rest === 1 && !isSignedNumber(2))) return refuseBad(request, BAD_FORMAT);
  return rest < 0 || accept(request, "delete");
}

/** `flush <queue> [noreply]` */
function parseFlush(request: Request): boolean {
  const rest = parseOnQueue(request);
  if (rest > 0) return refuseBad(request, BAD_FORMAT);
  return rest < 0 || accept(request, "flush");
}

/** What `delete` and `flush` share: how many words there are after the name, or -1 when the line is refused. */
function parseOnQueue(request: Request): number {
  const { count } = words;
  if (count === 1) {
    refuseUnknown(request);
    return -1;
  }
  const noreply = readNoreply(request, 2);
  if (!readName(request, 1)) return -1;
  return noreply ? count - 3 : count - 2;
}

/** The word as a queue's name: false when it is none, and the line is refused. */
function readName(request: Request, index: number): boolean {
  const problem = setName(request, keyOf(index));
  return problem === undefined || !refuseBad(request, problem);
}

/** `flush_all [delay] [noreply]` */
function parseFlushAll(request: Request): boolean {
  const { count } = words;
  const rest = readNoreply(request, 1) ? count - 2 : count - 1;
  if (rest > 1 || (rest === 1 && !isSignedNumber(1))) return refuseBad(request, BAD_FORMAT);
  if (rest === 1 && wordNumber(1, 0) < 0) return refuseBad(request, NO_DELAY);
  return accept(request, "flush_all");
}

function parseStats(request: Request): boolean {
  if (words.count === 1) return accept(request, "stats");
  if (isWord(1, "reset")) return accept(request, "stats reset");
  if (!isWord(1, "queue")) return refuse(request, "unknown statistics", "");
  if (words.count === 2) return accept(request, "stats queues");
  return !readName(request, 2) || accept(request, "stats queue");
}

/** `verbosity <n> [noreply]` */
function parseVerbosity(request: Request): boolean {
  const { count } = words;
  if (count === 1) return refuseUnknown(request);
  const rest = readNoreply(request, 1) ? count - 3 : count - 2;
  request.level = wordNumber(1, MAX_FLAGS);
  if (request.level < 0 || rest > 0) return refuseBad(request, BAD_FORMAT);
  return accept(request, "verbosity");
}
