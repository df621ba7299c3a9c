/**
 * What clients ask for, as plain data, and the bytes of it in each dialect. To add a command: a kind here, with its
 * bytes; its operations and its answers in talk.ts; what its operations do in model.ts; and when it is asked in
 * generate.ts. An option of a key is a part of its text, and needs the last three.
 */
import { type Bytes, writeText } from "../../src/protocol/buffer.ts";
import { writeBody } from "./body.ts";

export interface Ask {
  kind:
    | "set"
    | "get"
    | "delete"
    | "acknowledge"
    | "touch"
    | "flush"
    | "flush_all"
    | "pause"
    | "resume"
    | "stats"
    | "details"
    | "list"
    | "reset"
    | "version"
    | "verbosity"
    | "noop"
    | "checkpoint"
    | "archive"
    | "quit"
    | "wrong";
  dialect: "text" | "meta" | "binary";
  /** noreply, q, or a quiet opcode. */
  quiet?: boolean;
  queue?: string;
  /** As they are written: `q`, `q/open/t=500`. */
  keys?: string[];
  /** set: milliseconds; pause, touch: seconds. */
  delay?: number;
  seconds?: number;
  /** set: the message is set once; and the queue of a message that is closed with it. */
  id?: string;
  closes?: string;
  /** get: leases for so many seconds, in all of its keys. */
  leaseSeconds?: number;
  /** acknowledge, touch, a set that closes a lease: one of those that were told lately, and then its number. */
  lease?: number;
  number?: number;
  /** The name of the command is in capitals. */
  isLoud?: boolean;
  /** set: the body has so many bytes, which depend on `fill`. */
  size?: number;
  fill?: number;
  flags?: number;
  /** gets. */
  numbered?: boolean;
  /** meta: what the answer repeats or tells, such as "c", "s", "k", "Oabc"; binary: "k" for getk. */
  tokens?: string[];
  /** wrong: one of WRONG in wrong.ts. */
  which?: number;
}

/** What a key says. */
export interface Meaning {
  queue: string;
  /** or=: the message may come from these as well. */
  others: string[];
  before: "close" | "abort" | "bury" | "pass" | "pause" | "resume" | undefined;
  action: "take" | "open" | "lease" | "move" | "move all" | "peek" | "none";
  waitMs: number;
}

const meanings = new Map<string, Meaning>();

export function meaningOf(key: string): Meaning {
  const known = meanings.get(key);
  if (known !== undefined) return known;
  const [queue = "", ...options] = key.split("/");
  const has = (option: string) => options.includes(option);
  const begins = (name: string) => options.some((option) => option.startsWith(name));
  const lonely = (["close", "abort", "resume"] as const).find(has);
  let before: Meaning["before"] = lonely ?? (begins("pause=") ? "pause" : undefined);
  if (has("dead")) before = "bury";
  if (has("close") && begins("to=")) before = "pass";
  let action: Meaning["action"] = before === undefined ? "take" : "none";
  if (action === "take" && begins("to=")) action = has("all") ? "move all" : "move";
  if (has("open")) action = "open";
  else if (has("peek")) action = "peek";
  else if (begins("lease=")) action = "lease";
  const wait = options.find((option) => option.startsWith("t="));
  const waitMs = wait === undefined || action === "none" ? -1 : Number(wait.slice(2));
  const others = options.filter((option) => option.startsWith("or=")).map((or) => or.slice(3));
  const meaning: Meaning = { queue, others, before, action, waitMs };
  meanings.set(key, meaning);
  return meaning;
}

const OPCODES = {
  set: [0x01, 0x11],
  get: [0x00, 0x09],
  getk: [0x0c, 0x0d],
  gat: [0x1d, 0x1e],
  gatk: [0x23, 0x24],
  touch: [0x1c, 0x1c],
  delete: [0x04, 0x14],
  acknowledge: [0x04, 0x14],
  flush_all: [0x08, 0x18],
  noop: [0x0a, 0x0a],
  version: [0x0b, 0x0b],
  stat: [0x10, 0x10],
  verbosity: [0x1b, 0x1b],
  quit: [0x07, 0x17],
} as const;

export function opcodeOf({ kind, quiet, tokens, leaseSeconds = 0 }: Ask): number {
  const name =
    kind === "get"
      ? `${leaseSeconds > 0 ? "gat" : "get"}${tokens?.includes("k") === true ? "k" : ""}`
      : kind === "stats" || kind === "details" || kind === "list" || kind === "reset"
        ? "stat"
        : kind;
  const pair = OPCODES[name as keyof typeof OPCODES] as readonly [number, number];
  return pair[quiet === true ? 1 : 0];
}

export function opaqueOf({ fill = 0 }: Ask): number {
  return fill >>> 0;
}

/** Writes the bytes of the request. The body of a `set` ends {@link tailOf} bytes before their end. */
export function writeAsk(out: Bytes, ask: Ask): void {
  const { kind, dialect, size = 0, fill = 0 } = ask;
  if (dialect === "binary") {
    writeText(out, binaryBytes(ask));
    if (kind === "set") writeBody(out, size, fill);
    return;
  }
  const line = lineOf(ask);
  writeText(out, ask.isLoud === true ? line.replace(/^\S+/, (name) => name.toUpperCase()) : line);
  writeText(out, "\r\n");
  if (kind !== "set") return;
  writeBody(out, size, fill);
  writeText(out, "\r\n");
}

export function tailOf({ dialect }: Ask): number {
  return dialect === "binary" ? 0 : 2;
}

function lineOf(ask: Ask): string {
  const { kind, dialect, quiet, keys = [], size = 0, flags = 0, tokens = [] } = ask;
  const queue = targetOf(ask);
  if (dialect === "meta") {
    let rest = quiet === true ? " q" : "";
    for (let n = tokens.length - 1; n >= 0; n--) rest = ` ${tokens[n]}${rest}`;
    if (kind === "set") return `ms ${queue} ${size} F${flags}${rest}`;
    if (kind === "get") return `mg ${keys.join(" ")}${rest}${timeOf(ask)}`;
    if (kind === "delete" || kind === "acknowledge") return `md ${queue}${rest}`;
    if (kind === "details") return `me ${queue}`;
    return "mn";
  }
  const noreply = quiet === true ? " noreply" : "";
  switch (kind) {
    case "set":
      return `set ${queue} ${flags} 0 ${size}${noreply}`;
    case "get":
      return `${nameOf(ask)} ${keys.join(" ")}`;
    case "acknowledge":
      return `delete ${queue}${noreply}`;
    case "touch":
      return `touch ${queue} ${ask.seconds ?? 0}${noreply}`;
    case "delete":
    case "flush":
      return `${kind} ${queue}${noreply}`;
    case "pause":
      return `pause ${queue} ${ask.seconds ?? 0}${noreply}`;
    case "resume":
      return `resume ${queue}${noreply}`;
    case "flush_all":
      return `flush_all${noreply}`;
    case "verbosity":
      return `verbosity 0${noreply}`;
    case "details":
      return `stats queue ${queue}`;
    case "list":
      return "stats queue";
    case "reset":
      return "stats reset";
    case "checkpoint":
      return "db_checkpoint";
    case "archive":
      return "db_archive";
    default:
      return kind;
  }
}

function nameOf({ numbered, leaseSeconds = 0 }: Ask): string {
  if (leaseSeconds > 0) return `${numbered === true ? "gats" : "gat"} ${leaseSeconds}`;
  return numbered === true ? "gets" : "get";
}

function timeOf({ leaseSeconds = 0 }: Ask): string {
  return leaseSeconds > 0 ? ` T${leaseSeconds}` : "";
}

export function targetOf({ kind, queue = "", delay = 0, id, closes, number }: Ask): string {
  if (kind === "acknowledge" || kind === "touch") return `${queue}/${number}`;
  let target = queue;
  if (delay > 0) target += `/delay=${delay}`;
  if (id !== undefined) target += `/id=${id}`;
  if (closes === undefined) return target;
  return `${target}/${number === undefined ? `close=${closes}` : `done=${closes}:${number}`}`;
}

/** Without the body of a `set`. */
function binaryBytes(ask: Ask): string {
  const { kind, keys = [], flags = 0 } = ask;
  const queue = targetOf(ask);
  const [opcode, opaque] = [opcodeOf(ask), opaqueOf(ask)];
  if (kind === "set") {
    return packet(opcode, opaque, `${number32(flags)}\0\0\0\0`, queue, "", ask.size);
  }
  if (kind === "verbosity") return packet(opcode, opaque, "\0\0\0\0", "", "");
  if (kind === "touch") return packet(opcode, opaque, number32(ask.seconds ?? 0), queue, "");
  let key = queue;
  if (kind === "get") key = keys.join("");
  else if (kind === "details") key = `queue ${queue}`;
  else if (kind === "list") key = "queue";
  else if (kind === "reset") key = "reset";
  const { leaseSeconds = 0 } = ask;
  return packet(opcode, opaque, leaseSeconds > 0 ? number32(leaseSeconds) : "", key, "");
}

/** @param more bytes that follow it as a part of its value */
export function packet(
  opcode: number,
  opaque: number,
  extras: string,
  key: string,
  value: string,
  more = 0,
): string {
  const size = number32(extras.length + key.length + value.length + more);
  const lengths = `${number32(key.length).slice(2)}${String.fromCharCode(extras.length)}\0\0\0${size}`;
  const head = `\x80${String.fromCharCode(opcode)}${lengths}${number32(opaque)}\0\0\0\0\0\0\0\0`;
  return head + extras + key + value;
}

/** A number of 32 bits, big-endian. */
export function number32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}
