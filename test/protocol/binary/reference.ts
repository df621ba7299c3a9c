/** Requests as plain values, and the description of the binary dialect as the simplest possible code. */
import type { Request, Wanted } from "../../../src/protocol/request.ts";
import { keysOf } from "../reading.ts";
import { type Packet, parse } from "./packet.ts";

/** The largest value that is accepted here: small, since requests are read in many thousand ways. */
export const MAX_BODY = 40;
export const INVALID = "bad request";

/** One request: its kind with what it is about, and what belongs to the kind. */
export type Asked = { wanted: Wanted; opaque?: number } & Record<string, unknown>;

export function requestOf(command: Request): Asked {
  const { kind, name, flags, body, bodyStart, bodyEnd, opaque, opcode, wanted } = command;
  switch (kind) {
    case "get":
      return { get: keysOf(command).join(), opcode, opaque, wanted };
    case "set":
      return {
        set: name,
        flags,
        body: body.toString("latin1", bodyStart, bodyEnd),
        opaque,
        wanted,
      };
    case "delete":
    case "stats queue":
      return { [kind]: name, opaque, wanted };
    case "verbosity":
      return { verbosity: command.level, opaque, wanted };
    case "error": {
      const { error, reason, fatal } = command;
      return { error, reason, fatal, opaque, wanted };
    }
    default:
      return { [kind]: 0, opaque, wanted };
  }
}

/** The reference knows that a request is an error, but not the words. */
export function withoutReason({ reason: _, ...rest }: Asked): Asked {
  return rest as Asked;
}

const known = new Map<number, [kind: string, extras: number[], hasKey: boolean | undefined]>([
  ...[0x00, 0x09, 0x0c, 0x0d].map((n) => [n, ["get", [0], true]] as const),
  ...[0x01, 0x11].map((n) => [n, ["set", [8], true]] as const),
  ...[0x04, 0x14].map((n) => [n, ["delete", [0], true]] as const),
  ...[0x07, 0x17].map((n) => [n, ["quit", [0], false]] as const),
  ...[0x08, 0x18].map((n) => [n, ["flush_all", [0, 4], false]] as const),
  ...[0x1d, 0x1e, 0x23, 0x24].map((n) => [n, ["get", [4], true]] as const),
  [0x1c, ["touch", [4], true]],
  [0x0a, ["noop", [0], false]],
  [0x0b, ["version", [0], false]],
  [0x10, ["stats", [0], undefined]],
  [0x1b, ["verbosity", [4], false]],
] as [number, [string, number[], boolean | undefined]][]);
const quiet = [0x09, 0x0d, 0x11, 0x14, 0x17, 0x18, 0x1e, 0x24];

/** What is in the bytes, as {@link requestOf} puts it but for the reasons of refusals. */
export function reference(bytes: Buffer): Asked[] {
  const found: Asked[] = [];
  for (let at = 0; at < bytes.length;) {
    const refused = (error: string, more: object) =>
      ({ error, fatal: false, ...more }) as unknown as Asked;
    if (bytes[at] !== 0x80) {
      return [...found, refused(INVALID, { fatal: true, opaque: 0, wanted: "all" })];
    }
    if (bytes.length - at < 24) return found;
    const header = parse(bytes.subarray(at, at + 24));
    const { opcode, opaque } = header;
    const before = header.extrasLength + header.keyLength;
    if (before > header.length || header.length - before > 2_147_483_645) {
      return [...found, refused(INVALID, { fatal: true, opaque, wanted: "all" })];
    }
    const wanted: Wanted = quiet.includes(opcode) ? "quiet" : "all";
    // Nothing is understood before extras and key are there, and no value of a set before it is there as a whole.
    if (bytes.length - at < 24 + before) return found;
    const packet = parse(bytes.subarray(at, at + 24 + header.length));
    const error = errorOf(packet, header.length - before);
    at += 24 + header.length;
    if (error !== undefined) found.push(refused(error, { opaque, wanted }));
    else if (at > bytes.length && known.get(opcode)?.[0] === "set") return found;
    else found.push({ ...meaning(packet), opaque, wanted });
  }
  return found;
}

/** @param size of the value, all of which need not have arrived */
function errorOf({ opcode, extras, key, cas }: Packet, size: number): string | undefined {
  const shape = known.get(opcode);
  if (shape === undefined) return "unknown command";
  const [kind, sizes, hasKey] = shape;
  if (!sizes.includes(extras.length) || (size > 0 && kind !== "set")) return INVALID;
  if (hasKey !== undefined && hasKey !== key.length > 0) return INVALID;
  if (kind === "set" && (cas !== 0n || !isName(key))) return INVALID;
  if (kind === "delete" && !(cas === 0n && isName(key)) && !isMessage(key, cas)) return INVALID;
  const seconds = extras.length === 4 ? Buffer.from(extras, "latin1").readInt32BE(0) : 1;
  if (kind === "touch" && (seconds < -1 || seconds > LONGEST || !isMessage(key, cas)))
    return INVALID;
  if (kind === "get" && (seconds < 1 || seconds > LONGEST || !isKey(key))) return INVALID;
  if (kind === "get" && extras !== "" && /open|close|abort|peek/.test(key.replace(/^[^/]*/, ""))) {
    return INVALID;
  }
  if (kind === "set" && size > MAX_BODY) return "too large";
  if (kind === "flush_all" && !/^\0*$/.test(extras)) return INVALID;
  return kind === "stats" ? statError(key) : undefined;
}

function statError(key: string): string | undefined {
  const [what = "", name] = key.split(" ");
  if (!["", "reset", "queue"].includes(what)) return "unknown statistics";
  return what === "queue" && name !== undefined && !isName(name) ? INVALID : undefined;
}

const LONGEST = 2_592_000;

/** Whether a lease is named, by the cas or in the key. */
function isMessage(key: string, cas: bigint): boolean {
  const [name = "", ...rest] = key.split("/");
  const number = cas === 0n ? rest.join("/") : String(cas);
  if (cas !== 0n && rest.length > 0) return false;
  const isNumber = /^[0-9]{1,16}$/.test(number) && Number(number) >= 1;
  return isName(name) && isNumber && Number(number) < 2 ** 53;
}

function isName(key: string): boolean {
  return key.length >= 1 && key.length <= 250 && !/[ \n/]/.test(key);
}

/** The options that go together, in the order of the alphabet; t= goes with each. */
const combinations = ["", "close", "abort", "open", "peek", "close,open"];

function isKey(key: string): boolean {
  const [name = "", ...options] = key.split("/");
  const isTime = (option: string) => /^t=[0-9]{1,9}$/.test(option);
  const others = options.filter((option) => option !== "" && !isTime(option));
  return isName(name) && combinations.includes([...new Set(others)].sort().join());
}

function meaning({ opcode, key, value, extras, cas }: Packet): Record<string, unknown> {
  const kind = known.get(opcode)?.[0] ?? "";
  const first = (): number => Buffer.from(extras, "latin1").readUInt32BE(0);
  switch (kind) {
    case "get":
      return { get: key, opcode };
    case "set":
      return { set: key, flags: first(), body: value };
    case "delete":
      return cas === 0n && isName(key) ? { delete: key } : { acknowledge: 0 };
    case "verbosity":
      return { verbosity: first() };
    case "stats": {
      const [what = "", name] = key.split(" ");
      if (name !== undefined && what === "queue") return { "stats queue": name };
      return { [{ "": "stats", queue: "stats queues", reset: "stats reset" }[what] ?? what]: 0 };
    }
    default:
      return { [kind]: 0 };
  }
}
