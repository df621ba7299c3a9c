/** What the contract says that a client is sent, byte for byte, in each dialect. */
import { type Ask, number32, opaqueOf, opcodeOf, targetOf } from "./ask.ts";
import { sizeOf } from "./body.ts";
import type { Message } from "./queue.ts";

/** The word or the status of a result: text, meta, binary. */
const RESULTS = {
  stored: ["STORED", "HD", 0x00, ""],
  "not stored": ["NOT_STORED", "NS", 0x05, "Not stored"],
  deleted: ["DELETED", "HD", 0x00, ""],
  touched: ["TOUCHED", "", 0x00, ""],
  "no lease": ["NOT_FOUND", "NF", 0x01, "Not found"],
  "not found": ["NOT_FOUND", "NF", 0x01, "Not found"],
  flushed: ["END", "", 0x00, ""],
  reset: ["RESET", "", 0x00, ""],
  done: ["OK", "", 0x00, ""],
  alive: ["", "MN", 0x00, ""],
} as const;

export type Result = keyof typeof RESULTS;

/** Of these nothing is sent to a client that wants to hear of what is unusual only. */
const USUAL = {
  text: new Set<Result>(),
  meta: new Set<Result>(["stored", "deleted", "not found"]),
  binary: new Set<Result>(["stored", "deleted", "done"]),
};

export function resultAnswer(ask: Ask, result: Result, number = 0): string {
  const { dialect, quiet = false, tokens = [], size = 0, flags = 0 } = ask;
  if (quiet && (dialect === "text" || USUAL[dialect].has(result))) return "";
  const [text, meta, status, value] = RESULTS[result];
  if (dialect === "text") return `${text}\r\n`;
  if (dialect === "binary") return packet(ask, status, "", value, number);
  const facts = result === "stored" ? { flags, size, number } : undefined;
  return `${meta}${tokensOf(tokens, facts, targetOf(ask))}\r\n`;
}

/** What an operation makes of a message that it delivers. */
export interface Delivered {
  number: number;
  deliveries: number;
  /** The client has a lease of it now. */
  isLease: boolean;
}

/** What comes before the body of a message, and behind it; without a body, all of it is `head`. */
export function messageAnswer(
  ask: Ask,
  index: number,
  message: Message,
  { number, deliveries, isLease }: Delivered,
): { head: string; tail: string } {
  const { dialect, numbered } = ask;
  const { flags, body } = message;
  // Without its number a lease is of no use.
  const tokens = withNumber(ask, isLease);
  const key = ask.keys?.[index] ?? "";
  const size = sizeOf(body);
  if (dialect === "text") {
    const last = numbered === true ? ` ${number}` : "";
    return { head: `VALUE ${key} ${flags} ${size}${last}\r\n`, tail: "\r\n" };
  }
  if (dialect === "meta") {
    const told = tokensOf(tokens, { flags, size, number, deliveries }, key);
    if (!tokens.includes("v")) return { head: `HD${told}\r\n`, tail: "" };
    return { head: `VA ${size}${told}\r\n`, tail: "\r\n" };
  }
  const name = tokens.includes("k") ? key : "";
  return { head: packet(ask, 0, number32(flags), "", number, size, name), tail: "" };
}

function withNumber({ tokens = [], dialect }: Ask, isLease: boolean): readonly string[] {
  return isLease && dialect === "meta" && !tokens.includes("c") ? [...tokens, "c"] : tokens;
}

/** The end of a get whose last key only closes, say. @param closed whether there was an open message */
export function endedAnswer(ask: Ask, closed: boolean): string {
  const { dialect, quiet = false, tokens = [], keys = [] } = ask;
  if (quiet) return "";
  if (dialect !== "meta") return endAnswer(ask, false);
  return `${closed ? "HD" : "EN"}${tokensOf(tokens, undefined, keys[0])}\r\n`;
}

/** The end of a get. */
export function endAnswer(ask: Ask, found: boolean): string {
  const { dialect, quiet = false, tokens = [], keys = [] } = ask;
  if (dialect === "text") return "END\r\n";
  if (found || quiet) return "";
  const key = keys[0] ?? "";
  if (dialect === "meta") return `EN${tokensOf(tokens, undefined, key)}\r\n`;
  return tokens.includes("k")
    ? packet(ask, 1, "", "", 0, 0, key)
    : packet(ask, 1, "", "Not found", 0);
}

export function failureAnswer(ask: Ask, reason: string): string {
  if (ask.dialect === "binary") return packet(ask, 0x84, "", reason, 0);
  return ask.quiet === true && ask.dialect === "text" ? "" : `SERVER_ERROR ${reason}\r\n`;
}

export function refusalAnswer(ask: Ask, reason: string): string {
  if (ask.dialect === "binary") return packet(ask, 0x04, "", reason, 0);
  return `CLIENT_ERROR ${reason}\r\n`;
}

/** Rows of statistics, as a pattern where a value is one. */
export function rowsAnswer(ask: Ask, rows: readonly (readonly [string, string])[]): string {
  const { dialect, queue } = ask;
  if (dialect === "meta") {
    const told = rows.map(([name, value]) => ` ${name}=${value}`).join("");
    return told === "" ? "EN\r\n" : `ME ${queue}${told}\r\n`;
  }
  if (dialect === "text") return rows.map(([name, value]) => `STAT ${name} ${value}\r\n`).join("");
  return rows.map(([name, value]) => packet(ask, 0, "", value, 0, 0, name)).join("");
}

export function rowsEnd(ask: Ask): string {
  if (ask.dialect === "meta") return "";
  return ask.dialect === "text" ? "END\r\n" : packet(ask, 0, "", "", 0);
}

export function versionAnswer(ask: Ask, version: string): string {
  return ask.dialect === "binary" ? packet(ask, 0, "", version, 0) : `VERSION ${version}\r\n`;
}

interface Facts {
  flags: number;
  size: number;
  number: number;
  deliveries?: number;
}

function tokensOf(tokens: readonly string[], facts: Facts | undefined, key = ""): string {
  let told = "";
  for (const token of tokens) {
    if (token.startsWith("O")) told += ` ${token}`;
    else if (token === "k") told += ` k${key}`;
    else if (facts === undefined) continue;
    else if (token === "f") told += ` f${facts.flags}`;
    else if (token === "s") told += ` s${facts.size}`;
    else if (token === "c") told += ` c${facts.number}`;
    else if (token === "h") told += ` h${facts.deliveries ?? 0}`;
    else if (token === "t") told += " t-1";
  }
  return told;
}

/** A packet of an answer. @param more bytes that follow it as a part of its value */
export function packet(
  ask: Ask,
  status: number,
  extras: string,
  value: string,
  number: number,
  more = 0,
  key = "",
  opcode = ask.kind === "wrong" ? 0 : opcodeOf(ask),
): string {
  const size = extras.length + key.length + value.length + more;
  return (
    `\x81${String.fromCharCode(opcode)}${number32(key.length).slice(2)}${String.fromCharCode(extras.length)}\0` +
    `${number32(status).slice(2)}${number32(size)}${number32(opaqueOf(ask))}` +
    `${number32(Math.floor(number / 2 ** 32))}${number32(number)}${extras}${key}${value}`
  );
}
