import { type Bytes, newBytes, writeBytes } from "./bytes.ts";
import { type Command, type CommandKind, forgetBody, newCommand } from "./command.ts";
import { type Key, keyAt, MAX_NAME } from "./key.ts";
import {
  isSignedNumber,
  isWord,
  splitWords,
  wordLength,
  wordNumber,
  words,
  wordText,
} from "./words.ts";

/** The longest line, its end included, in bytes. */
export const MAX_LINE = 65_536;
/** The largest `<bytes>` that is a number at all (memcached's limit); `-B` is what is accepted. */
const MAX_BYTES = 2_147_483_645;
const MAX_FLAGS = 4_294_967_295;
/** A body is followed by CR LF. */
const BODY_END = 2;
/** The buffer for a body up to this size is made at once; a larger one's grows with what arrives. */
const SMALL_BODY = 16 * 1024;
/** How many times larger than what has arrived of a body its buffer may be. */
const AMPLE = 4;
const CR = 13;
const LF = 10;

const BAD_FORMAT = "CLIENT_ERROR bad command line format";
const BAD_CHUNK = "CLIENT_ERROR bad data chunk";
const TOO_LONG = "CLIENT_ERROR line too long";
const TOO_LARGE = "SERVER_ERROR object too large for cache";
const NO_ROOM = "SERVER_ERROR out of memory storing object";
const NO_ROOM_FOR_LINE = "SERVER_ERROR out of memory reading request";
const UNKNOWN = "ERROR";
const SLASH = "CLIENT_ERROR a slash has no place in the name here, it begins the options of a get";
const ONE_WAIT = "CLIENT_ERROR option t= is allowed with a single queue only";
const NO_DELAY = "CLIENT_ERROR a delay other than 0 is not possible";

/** What one client has sent and what of it is understood so far. Received bytes are looked at where they lie. */
export interface Input {
  /** The request that {@link nextCommand} found. */
  command: Command;
  /** The largest body accepted, in bytes. */
  maxBody: number;
  /** Keep each line in `command.line`, for the log. */
  keepLines: boolean;
  /** The bytes received last, and the first of them not yet looked at. */
  chunk: Buffer;
  at: number;
  /** The beginning of a line whose end has not arrived. */
  line: Bytes | undefined;
  /** How many bytes of a body, its CR LF included, have arrived, while it is arriving in pieces. */
  filled: number;
  filling: boolean;
  badEnd: boolean;
  /** How many bytes of a refused body are still to be thrown away. */
  skip: number;
  /** The connection is out of step for good: nothing more is read from it. */
  ended: boolean;
}

const NOTHING = Buffer.alloc(0);

/** @param maxBody the largest body accepted, in bytes */
export function newInput(maxBody: number): Input {
  return {
    command: newCommand(),
    maxBody,
    keepLines: false,
    chunk: NOTHING,
    at: 0,
    line: undefined,
    filled: 0,
    filling: false,
    badEnd: false,
    skip: 0,
    ended: false,
  };
}

/** Adds received bytes, which the input keeps and reads in place: the caller must not change them any more. */
export function feed(input: Input, chunk: Buffer): void {
  const left = input.chunk.length - input.at;
  input.chunk = left === 0 ? chunk : Buffer.concat([input.chunk.subarray(input.at), chunk]);
  input.at = 0;
}

/** Whether something has arrived of a request, or of a refused body, whose rest has not. */
export function isIncomplete(input: Input): boolean {
  const { filling, skip, line, chunk, at } = input;
  return filling || skip > chunk.length - at || (line?.length ?? 0) > 0;
}

/** Bytes that are held for requests that have not arrived whole, or were not looked at. */
export function heldBytes({ filling, command, line, chunk, at }: Input): number {
  return (filling ? command.body.length : 0) + (line?.buffer.length ?? 0) + chunk.length - at;
}

/**
 * Refuses the request that is arriving, because there is no memory for the rest of it: `input.command` is the refusal,
 * and nothing is held any more. False when none is arriving.
 */
export function giveUp(input: Input): boolean {
  const { command } = input;
  if (input.filling) {
    input.skip = command.bodyEnd + BODY_END - input.filled;
    input.filling = false;
    refuseBody(command);
    command.answer = NO_ROOM;
    return true;
  }
  if (input.line === undefined) return false;
  input.line = undefined;
  input.ended = true;
  command.line = "(a line that there is no memory for)";
  return refuse(command, NO_ROOM_FOR_LINE, false, true);
}

/** Finds the next request and puts it into `input.command`: false when more bytes are needed for it. */
export function nextCommand(input: Input): boolean {
  if (input.ended) return dropChunk(input);
  if (input.skip > 0 && !skipBody(input)) return false;
  return input.filling ? fillBody(input) : nextLine(input);
}

function nextLine(input: Input): boolean {
  const { chunk, at } = input;
  if (at === chunk.length) return dropChunk(input);
  const lineEnd = findLineEnd(chunk, at);
  const kept = input.line?.length ?? 0;
  const arrived = (lineEnd < 0 ? chunk.length : lineEnd + 1) - at;
  if (kept + arrived > MAX_LINE || (lineEnd < 0 && kept + arrived === MAX_LINE)) {
    input.ended = true;
    input.command.line = "(a line that is too long)";
    return refuse(input.command, TOO_LONG, false, true);
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

/** An idle connection holds on to no received bytes. */
function dropChunk(input: Input): false {
  input.chunk = NOTHING;
  input.at = 0;
  return false;
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
  const { command } = input;
  command.noreply = false;
  if (input.keepLines) command.line = buffer.toString("latin1", start, end);
  if (words.count === 0) return refuse(command, UNKNOWN);
  if (isWord(0, "set")) return parseStorage(input, "set", 5);
  if (isWord(0, "get")) return parseRetrieval(command, "get");
  if (isWord(0, "gets")) return parseRetrieval(command, "gets");
  return parseRareLine(input);
}

function parseRareLine(input: Input): boolean {
  const { command } = input;
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
      return parseDelete(command);
    case "flush":
      return parseFlush(command);
    case "flush_all":
      return parseFlushAll(command);
    case "stats":
      return parseStats(command);
    case "verbosity":
      return parseVerbosity(command);
    case "version":
    case "db_checkpoint":
    case "db_archive":
    case "quit":
      if (words.count > 1) return refuse(command, UNKNOWN);
      return accept(command, verb);
    default:
      return refuse(command, UNKNOWN);
  }
}

/** `<verb> <queue> <flags> <exptime> <bytes> …`, `least` words of which must be there; a body follows. */
function parseStorage(input: Input, verb: string, least: number): boolean {
  const { command } = input;
  const { count } = words;
  command.noreply = count > 2 && isWord(count - 1, "noreply");
  const bytes = count > 4 ? wordNumber(4, MAX_BYTES) : -1;
  const flags = count > 4 ? wordNumber(2, MAX_FLAGS) : -1;
  const key = count > 1 ? keyOf(1) : undefined;
  const problem = storageProblem(input, verb, least, key, bytes, flags);
  if (key === undefined || problem !== "") {
    if (bytes >= 0) input.skip = bytes + BODY_END;
    return refuse(command, problem, command.noreply);
  }
  command.kind = "set";
  command.name = key.queue;
  command.flags = flags;
  return takeBody(input, bytes);
}

function storageProblem(
  input: Input,
  verb: string,
  least: number,
  key: Key | undefined,
  bytes: number,
  flags: number,
): string {
  const { count } = words;
  if (key === undefined || count < least) return UNKNOWN;
  if (count > least && !(count === least + 1 && input.command.noreply)) return UNKNOWN;
  if (bytes < 0 || flags < 0 || wordLength(1) > MAX_NAME || !isSignedNumber(3)) return BAD_FORMAT;
  if (!key.plain) return SLASH;
  if (verb !== "set") return `CLIENT_ERROR ${verb} has no meaning for a queue, use set`;
  return bytes > input.maxBody ? TOO_LARGE : "";
}

/** Takes the body where it lies when all of it has arrived, or else starts a buffer for it. */
function takeBody(input: Input, bytes: number): boolean {
  const { command, chunk, at } = input;
  const end = at + bytes;
  if (end + BODY_END <= chunk.length) {
    input.at = end + BODY_END;
    if (chunk[end] !== CR || chunk[end + 1] !== LF) return refuseBody(command);
    command.body = chunk;
    command.bodyStart = at;
    command.bodyEnd = end;
    command.bodyAlone = false;
    return true;
  }
  command.body = Buffer.allocUnsafeSlow(Math.min(bytes, SMALL_BODY));
  command.bodyStart = 0;
  command.bodyEnd = bytes;
  command.bodyAlone = true;
  input.filling = true;
  input.filled = 0;
  input.badEnd = false;
  return fillBody(input);
}

function fillBody(input: Input): boolean {
  const { command, chunk } = input;
  const bytes = command.bodyEnd;
  if (input.filled < bytes) {
    makeRoom(input);
    const copied = chunk.copy(command.body, input.filled, input.at);
    input.filled += copied;
    input.at += copied;
  }
  while (input.filled >= bytes && input.filled < bytes + BODY_END && input.at < chunk.length) {
    const expected = input.filled === bytes ? CR : LF;
    if (chunk[input.at++] !== expected) input.badEnd = true;
    input.filled++;
  }
  if (input.filled < bytes + BODY_END) return dropChunk(input);
  input.filling = false;
  return input.badEnd ? refuseBody(command) : true;
}

/** Bodies are announced in a few bytes, so that memory is taken only for what has arrived. */
function makeRoom({ command, chunk, at, filled }: Input): void {
  const needed = Math.min(command.bodyEnd, filled + chunk.length - at);
  if (needed <= command.body.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.min(command.bodyEnd, needed * AMPLE));
  command.body.copy(larger, 0, 0, filled);
  command.body = larger;
}

/** The body is not followed by what it must be followed by. */
function refuseBody(command: Command): true {
  forgetBody(command);
  refuse(command, BAD_CHUNK, command.noreply);
  return accept(command, "refused set");
}

/** Throws refused bytes away: false when there are more to come. */
function skipBody(input: Input): boolean {
  const skipped = Math.min(input.skip, input.chunk.length - input.at);
  input.skip -= skipped;
  input.at += skipped;
  return input.skip === 0 || dropChunk(input);
}

/** The word as a key, without a look at whether it is a good one. */
function keyOf(index: number): Key {
  return keyAt(words.buffer, words.starts[index] as number, words.ends[index] as number);
}

function parseRetrieval(command: Command, kind: "get" | "gets"): boolean {
  const { count } = words;
  if (count === 1) return refuse(command, UNKNOWN);
  command.kind = kind;
  command.keys.length = count - 1;
  for (let i = 1; i < count; i++) {
    const key = keyOf(i);
    if (key.problem !== undefined) return refuse(command, `CLIENT_ERROR ${key.problem}`);
    if (key.wait >= 0 && count > 2) return refuse(command, ONE_WAIT);
    command.keys[i - 1] = key;
  }
  return true;
}

/** `delete <queue> [<time>] [noreply]` */
function parseDelete(command: Command): boolean {
  const rest = parseOnQueue(command);
  if (rest > 1 || (rest === 1 && !isSignedNumber(2))) {
    return refuse(command, BAD_FORMAT, command.noreply);
  }
  return rest < 0 || accept(command, "delete");
}

/** `flush <queue> [noreply]` */
function parseFlush(command: Command): boolean {
  const rest = parseOnQueue(command);
  if (rest > 0) return refuse(command, BAD_FORMAT, command.noreply);
  return rest < 0 || accept(command, "flush");
}

/** What `delete` and `flush` share: how many words there are after the name, or -1 when the line is refused. */
function parseOnQueue(command: Command): number {
  const { count } = words;
  if (count === 1) {
    refuse(command, UNKNOWN);
    return -1;
  }
  command.noreply = count > 2 && isWord(count - 1, "noreply");
  const key = keyOf(1);
  if (wordLength(1) > MAX_NAME || !key.plain) {
    refuse(command, wordLength(1) > MAX_NAME ? BAD_FORMAT : SLASH, command.noreply);
    return -1;
  }
  command.name = key.queue;
  return command.noreply ? count - 3 : count - 2;
}

/** `flush_all [delay] [noreply]` */
function parseFlushAll(command: Command): boolean {
  const { count } = words;
  command.noreply = count > 1 && isWord(count - 1, "noreply");
  const rest = command.noreply ? count - 2 : count - 1;
  if (rest > 1 || (rest === 1 && !isSignedNumber(1))) {
    return refuse(command, BAD_FORMAT, command.noreply);
  }
  if (rest === 1 && wordNumber(1, 0) < 0) return refuse(command, NO_DELAY, command.noreply);
  return accept(command, "flush_all");
}

function parseStats(command: Command): boolean {
  if (words.count === 1) return accept(command, "stats");
  if (isWord(1, "reset")) return accept(command, "stats reset");
  if (!isWord(1, "queue")) return refuse(command, UNKNOWN);
  if (words.count === 2) return accept(command, "stats queues");
  const key = keyOf(2);
  if (wordLength(2) > MAX_NAME || !key.plain) {
    return refuse(command, wordLength(2) > MAX_NAME ? BAD_FORMAT : SLASH);
  }
  command.name = key.queue;
  return accept(command, "stats queue");
}

/** `verbosity <n> [noreply]` */
function parseVerbosity(command: Command): boolean {
  const { count } = words;
  if (count === 1) return refuse(command, UNKNOWN);
  command.noreply = count > 2 && isWord(count - 1, "noreply");
  command.level = wordNumber(1, MAX_FLAGS);
  const rest = command.noreply ? count - 3 : count - 2;
  if (command.level < 0 || rest > 0) return refuse(command, BAD_FORMAT, command.noreply);
  return accept(command, "verbosity");
}

function accept(command: Command, kind: CommandKind): true {
  command.kind = kind;
  return true;
}

function refuse(command: Command, answer: string, noreply = false, fatal = false): true {
  command.kind = "refused";
  command.answer = answer;
  command.noreply = noreply;
  command.fatal = fatal;
  return true;
}
