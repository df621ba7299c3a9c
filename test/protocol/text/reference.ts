/**
 * PROTOCOL.md as the simplest possible code: it reads all bytes at once, as text. It is slow, but easy to check by reading.
 * It does not know what is wrong with the options of a get: there its answer is just "options".
 */
import {
  BAD_FORMAT,
  BAD_LEASE,
  BAD_TOUCH,
  fatal,
  NAMED,
  NO_DELAY,
  ONE_WAIT,
  refused,
  silent,
  SLASH,
  TOO_LARGE,
  TOO_LONG,
  wrongEnd,
} from "./conversations.ts";
import type { Found } from "./reading.ts";

const storage = ["set", "add", "replace", "append", "prepend", "cas"];
const bodiless = (
  "get gets delete flush flush_all stats verbosity incr decr touch gat gats version db_checkpoint db_archive quit " +
  "mg md me mn ma pause resume dump_stats status reload shutdown flush_expired flush_all_expired"
).split(" ");
const mostBytes = 2_147_483_645;

/** @param text a character a byte */
export function referenceRead(text: string, maxBody: number): Found[] {
  const found: Found[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\n", at);
    if ((lineEnd < 0 ? text.length + 1 : lineEnd + 1) - at > 65_536) {
      return [...found, fatal(TOO_LONG)];
    }
    if (lineEnd < 0) return found;
    const line = text.slice(at, lineEnd).replace(/\r$/, "");
    at = lineEnd + 1;
    const words = line.split(" ").filter((word) => word !== "");
    const [written = "", ...others] = words;
    const verb = written.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (isHttp(written, verb, words)) return [...found, fatal("ERROR")];
    const isStorage = storage.includes(verb);
    let request = isStorage ? readStorage([verb, ...others], maxBody) : readLine([verb, ...others]);
    let bytes = isStorage && isNumber(words[4], mostBytes) ? Number(words[4]) : undefined;
    if (bytes === undefined && (isStorage || !bodiless.includes(verb))) {
      bytes = unexpectedBody(line);
      if (bytes !== undefined) request = request.noreply ? silent("ERROR") : refused("ERROR");
    }
    if (bytes === undefined) {
      found.push(request);
      continue;
    }
    const rest = text.slice(at, at + bytes + 2);
    at += bytes + 2;
    const complete = rest.length === bytes + 2;
    if (request.kind === "error") found.push(request);
    if (!complete) return found;
    if (request.kind === "error") continue;
    if (rest.endsWith("\r\n")) found.push({ ...request, body: rest.slice(0, -2) });
    else found.push(wrongEnd(request.noreply));
  }
}

/** The line is none of ours, or its command is not in small letters, and its last word is that of a browser's line. */
function isHttp(written: string, verb: string, words: string[]): boolean {
  const isOurs = storage.includes(written) || bodiless.includes(written);
  return (verb !== written || !isOurs) && (words.at(-1) ?? "").startsWith("HTTP/");
}

/** The size of the body behind a line that is none of ours, but like a set. */
function unexpectedBody(line: string): number | undefined {
  const [verb = "", ...words] = line.split(/[ \t]/).filter((word) => word !== "");
  const name = verb.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (name === "ms") return isNumber(words[1], mostBytes) ? Number(words[1]) : undefined;
  const [, flags = "", time = "", bytes] = words;
  if (bodiless.includes(name) || !isTime(flags) || !isTime(time)) return undefined;
  return isNumber(bytes, mostBytes) ? Number(bytes) : undefined;
}

function isNumber(word: string | undefined, most: number): boolean {
  return word !== undefined && /^[0-9]+$/.test(word) && BigInt(word) <= BigInt(most);
}

function isTime(word: string): boolean {
  return /^-?0*[0-9]{1,15}$/.test(word);
}

function isName(word: string): boolean {
  return word.length <= 250;
}

function readStorage(words: string[], maxBody: number): Found {
  const [verb = "", name = "", flags = "", time = "", bytes = ""] = words;
  const noreply = words.length > 2 && words.at(-1) === "noreply";
  const answer = noreply ? silent : refused;
  const least = verb === "cas" ? 6 : 5;
  if (words.length < least) return answer("ERROR");
  if (words.length > least + 1 || (words.length === least + 1 && !noreply)) return answer("ERROR");
  const wellFormed =
    (name.includes("/") || isName(name)) &&
    isNumber(flags, 4_294_967_295) &&
    isTime(time) &&
    isNumber(bytes, mostBytes);
  if (!wellFormed) return answer(BAD_FORMAT);
  if (name.includes("/")) return answer(SLASH);
  if (verb !== "set") return answer(`CLIENT_ERROR ${verb} has no meaning for a queue, use set`);
  if (Number(bytes) > maxBody) return answer(TOO_LARGE);
  return { kind: "set", name, flags: Number(flags), body: "", noreply };
}

function readLine([verb, ...rest]: string[]): Found {
  switch (verb) {
    case "get":
    case "gets":
      return rest.length === 0 ? refused("ERROR") : readKeys(verb, rest);
    case "delete":
      return readDelete(rest);
    case "verbosity":
      return readVerbosity(rest);
    case "gat":
    case "gats":
      return readGat(verb === "gat" ? "get" : "gets", rest);
    case "touch":
      return readTouch(rest);
    case "incr":
    case "decr":
      return rest.length > 1 && rest.at(-1) === "noreply" ? silent("ERROR") : refused("ERROR");
    case "stats":
      return readStats(rest);
    case "flush":
      return readFlush(rest);
    case "flush_all":
      return readFlushAll(rest);
    case "version":
    case "db_checkpoint":
    case "db_archive":
    case "quit":
      return rest.length === 0 ? { kind: verb } : refused("ERROR");
    default:
      return refused("ERROR");
  }
}

/** The options that go together, in the order of the alphabet; t= goes with each. */
const combinations = ["", "close", "abort", "open", "peek", "close,open"];

function readKeys(verb: "get" | "gets", keys: string[]): Found {
  let first = keys.length > 16 ? -1 : undefined;
  for (const key of keys) {
    const [name = "", ...options] = key.split("/");
    if (name === "" || !isName(name)) return refused(BAD_FORMAT);
    const given = options.filter((option) => option !== "");
    const others = given.filter((option) => !option.startsWith("t="));
    const times = given.filter((option) => option.startsWith("t="));
    const areNumbers = times.every((time) => isNumber(time.slice(2), 2_147_483_647));
    const kinds = [...new Set(others)].sort().join();
    if (!combinations.includes(kinds) || !areNumbers) return refused("options");
    const waits = times.length > 0 && kinds !== "close" && kinds !== "abort";
    const wait = waits ? Number(times.at(-1)?.slice(2)) : -1;
    if (wait !== (first ??= wait)) return refused(ONE_WAIT);
  }
  return { kind: verb, names: keys };
}

function readStats([what, name]: string[]): Found {
  if (what === undefined) return { kind: "stats" };
  if (what === "reset") return { kind: "stats reset" };
  if (what !== "queue") return refused("ERROR");
  if (name === undefined) return { kind: "stats queues" };
  if (!isName(name)) return refused(BAD_FORMAT);
  return name.includes("/") ? refused(SLASH) : { kind: "stats queue", name };
}

function readFlush([name, ...more]: string[]): Found {
  if (name === undefined) return refused("ERROR");
  const noreply = more.at(-1) === "noreply";
  const answer = noreply ? silent : refused;
  if (!isName(name)) return answer(BAD_FORMAT);
  if (name.includes("/")) return answer(SLASH);
  return more.length === (noreply ? 1 : 0) ? { kind: "flush", name, noreply } : answer(BAD_FORMAT);
}

function readFlushAll(rest: string[]): Found {
  const noreply = rest.at(-1) === "noreply";
  const answer = noreply ? silent : refused;
  const [delay, ...more] = noreply ? rest.slice(0, -1) : rest;
  if (delay === undefined) return { kind: "flush_all", noreply };
  if (more.length > 0 || !isTime(delay)) return answer(BAD_FORMAT);
  return /^0+$/.test(delay) ? { kind: "flush_all", noreply } : answer(NO_DELAY);
}

function readDelete(rest: string[]): Found {
  const [name, ...more] = rest;
  if (name === undefined) return refused("ERROR");
  const noreply = more.at(-1) === "noreply";
  if (noreply) more.pop();
  const answer = noreply ? silent : refused;
  if (name.includes("/")) {
    const [queue, problem] = readMessage(name);
    if (problem !== undefined) return answer(problem);
    const good = more.length <= 1 && more.every(isTime);
    return good ? { kind: "acknowledge", name: queue, noreply } : answer(BAD_FORMAT);
  }
  if (!isName(name)) return answer(BAD_FORMAT);
  const good = more.length <= 1 && more.every(isTime);
  return good ? { kind: "delete", name, noreply } : answer(BAD_FORMAT);
}

/** `<queue>/<number>` @returns the queue, and what is wrong */
function readMessage(name: string): [string, string | undefined] {
  const [queue = "", ...rest] = name.split("/");
  if (queue === "" || !isName(queue)) return [queue, BAD_FORMAT];
  const number = rest.join("/");
  const isGood = /^[0-9]{1,16}$/.test(number) && Number(number) >= 1 && Number(number) < 2 ** 53;
  return [queue, isGood ? undefined : NAMED];
}

function readGat(verb: "get" | "gets", [seconds = "", ...keys]: string[]): Found {
  if (keys.length === 0) return refused("ERROR");
  if (!isNumber(seconds, 2_592_000) || Number(seconds) === 0) return refused(BAD_LEASE);
  const found = readKeys(verb, keys);
  const isLeasing = keys.every((key) => !/\/(open|close|abort|peek)(\/|$)/.test(key));
  return found.kind === "error" || isLeasing ? found : refused("options");
}

function readTouch(rest: string[]): Found {
  const [name = "", ...more] = rest;
  const noreply = rest.length > 1 && more.at(-1) === "noreply";
  const answer = noreply ? silent : refused;
  if (more.length === 0) return answer("ERROR");
  if (noreply) more.pop();
  const [queue, problem] = readMessage(name);
  if (problem !== undefined) return answer(problem);
  const [seconds = ""] = more;
  if (more.length !== 1 || !isTime(seconds)) return answer(BAD_FORMAT);
  const isGood = Number(seconds) >= -1 && Number(seconds) <= 2_592_000;
  return isGood ? { kind: "touch", name: queue, noreply } : answer(BAD_TOUCH);
}

function readVerbosity(rest: string[]): Found {
  const [level, ...more] = rest;
  if (level === undefined) return refused("ERROR");
  if (level === "noreply" && more.length === 0) return silent(BAD_FORMAT);
  const noreply = more.at(-1) === "noreply";
  if (noreply) more.pop();
  if (more.length === 0 && isNumber(level, 4_294_967_295)) {
    return { kind: "verbosity", level: Number(level), noreply };
  }
  return noreply ? silent(BAD_FORMAT) : refused(BAD_FORMAT);
}
