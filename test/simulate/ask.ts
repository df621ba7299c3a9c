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
  /** set: milliseconds; pause: seconds. */
  delay?: number;
  seconds?: number;
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
  before: "close" | "abort" | "pause" | "resume" | undefined;
  action: "take" | "open" | "peek" | "none";
  waitMs: number;
}

const meanings = new Map<string, Meaning>();

export function meaningOf(key: string): Meaning {
  const known = meanings.get(key);
  if (known !== undefined) return known;
  const [queue = "", ...options] = key.split("/");
  const has = (option: string) => options.includes(option);
  const isPausing = options.some((option) => option.startsWith("pause="));
  const lonely = (["close", "abort", "resume"] as const).find(has);
  const before = lonely ?? (isPausing ? "pause" : undefined);
  const wait = options.find((option) => option.startsWith("t="));
  const only = before === undefined ? "take" : "none";
  const action = has("open") ? "open" : has("peek") ? "peek" : only;
  const waitMs = wait === undefined ? -1 : Number(wait.slice(2));
  const meaning: Meaning = { queue, before, action, waitMs };
  meanings.set(key, meaning);
  return meaning;
}

const OPCODES = {
  set: [0x01, 0x11],
  get: [0x00, 0x09],
  getk: [0x0c, 0x0d],
  delete: [0x04, 0x14],
  flush_all: [0x08, 0x18],
  noop: [0x0a, 0x0a],
  version: [0x0b, 0x0b],
  stat: [0x10, 0x10],
  verbosity: [0x1b, 0x1b],
  quit: [0x07, 0x17],
} as const;

export function opcodeOf({ kind, quiet, tokens }: Ask): number {
  const name =
    kind === "get" && tokens?.includes("k") === true
      ? "getk"
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
    if (kind === "get") return `mg ${keys.join(" ")}${rest}`;
    if (kind === "delete") return `md ${queue}${rest}`;
    if (kind === "details") return `me ${queue}`;
    return "mn";
  }
  const noreply = quiet === true ? " noreply" : "";
  switch (kind) {
    case "set":
      return `set ${queue} ${flags} 0 ${size}${noreply}`;
    case "get":
      return `${ask.numbered === true ? "gets" : "get"} ${keys.join(" ")}`;
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

export function targetOf({ queue = "", delay = 0 }: Ask): string {
  return delay > 0 ? `${queue}/delay=${delay}` : queue;
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
  let key = queue;
  if (kind === "get") key = keys.join("");
  else if (kind === "details") key = `queue ${queue}`;
  else if (kind === "list") key = "queue";
  else if (kind === "reset") key = "reset";
  return packet(opcode, opaque, "", key, "");
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
