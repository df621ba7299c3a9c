import { takeBody } from "../body.ts";
import { type Bytes, newBytes, NOTHING, writeBytes } from "../buffer.ts";
import { MAX_CREDENTIALS } from "../credentials.ts";
import { NO_DELAY, TOO_LARGE } from "../errors.ts";
import { dropChunk, type Input, MAX_BYTES, refuseForGood } from "../input.ts";
import { keyAt } from "../key.ts";
import {
  acceptTouch,
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
  type RequestKind,
  setName,
  setTarget,
} from "../request.ts";
import { binary } from "./encoder.ts";
import { HEADER, type Opcode, opcodeName, opcodeOf } from "./opcodes.ts";
import {
  extrasExptime,
  extrasNumber,
  hasCas,
  keyStart,
  keyText,
  measure,
  type Packet,
} from "./packet.ts";

/** The first byte of each request. */
export const MAGIC = 0x80;
const NO_CAS = "cas has no meaning for a queue";

/** Finds the next request in packets: false when more bytes are needed for it. */
export function nextPacket(input: Input): boolean {
  const { chunk, at, packet } = input;
  if (input.line === undefined) {
    if (chunk[at] !== MAGIC) {
      return refuseForGood(input, "bad request", "a request starts with 0x80", true);
    }
    const size = sizeNeeded(packet, chunk, at, chunk.length - at);
    if (size <= chunk.length - at) {
      input.at = at + size;
      return parsePacket(input, chunk, at);
    }
    input.line = newBytes(size);
  }
  return gather(input, input.line);
}

/** Puts a packet together that arrives in pieces, up to its value. */
function gather(input: Input, line: Bytes): boolean {
  for (;;) {
    const missing = sizeNeeded(input.packet, line.buffer, 0, line.length) - line.length;
    if (missing === 0) break;
    const end = Math.min(input.chunk.length, input.at + missing);
    if (end === input.at) return dropChunk(input);
    writeBytes(line, input.chunk, input.at, end);
    input.at = end;
  }
  input.line = undefined;
  return parsePacket(input, line.buffer, 0);
}

/** How many bytes of a packet are needed to understand it: all but its value. `arrived` of them are there. */
function sizeNeeded(packet: Packet, buffer: Buffer, start: number, arrived: number): number {
  if (arrived < HEADER) return HEADER;
  measure(packet, buffer, start);
  return isPossible(packet) ? HEADER + packet.extras + packet.key : HEADER;
}

/** Whether the lengths in the header agree. If not, it is not known where the next packet starts. */
function isPossible({ value }: Packet): boolean {
  return value >= 0 && value <= MAX_BYTES;
}

function parsePacket(input: Input, buffer: Buffer, start: number): boolean {
  const { request, packet } = input;
  measure(packet, buffer, start);
  request.opcode = buffer[start + 1] as number;
  request.opaque = buffer.readUInt32BE(start + 12);
  if (!isPossible(packet)) {
    return refuseForGood(input, "bad request", "the lengths in the header do not agree");
  }
  request.encoder = binary;
  const opcode = knownOpcode(input, request.opcode);
  request.wanted = opcode?.wanted ?? "all";
  if (input.keepLines) request.line = `${opcodeName(request.opcode)} ${keyText(packet)}`.trimEnd();
  if (opcode?.kind === "set") return parseSet(input, opcode);
  if (opcode?.kind === "authenticate") return parseCredentials(input, opcode);
  input.skip = packet.value;
  if (opcode === undefined) return refuseUnknown(request);
  const problem = shapeProblem(packet, opcode);
  return problem === undefined ? parse(request, packet, opcode.kind) : refuseBad(request, problem);
}

function knownOpcode({ authentication }: Input, number: number): Opcode | undefined {
  const opcode = opcodeOf(number);
  const isSasl = opcode?.kind === "authenticate" || opcode?.kind === "mechanisms";
  return isSasl && authentication === "none" ? undefined : opcode;
}

/** What is wrong with the parts of the packet, in words for the client. */
function shapeProblem(packet: Packet, { extras, key, value }: Opcode): string | undefined {
  if (!extras.includes(packet.extras)) {
    return `extras of ${packet.extras} bytes, there must be ${extras.join(" or ")}`;
  }
  if (key === "needed" && packet.key === 0) return "a key is needed";
  if (key === "impossible" && packet.key > 0) return "a key has no place here";
  if (!value && packet.value > 0) return "a value has no place here";
  return undefined;
}

/** A value follows. */
function parseSet(input: Input, opcode: Opcode): boolean {
  const { request, packet } = input;
  const problem = shapeProblem(packet, opcode) ?? readTarget(request, packet);
  if (problem === undefined && packet.value <= input.maxBody) {
    request.flags = extrasNumber(packet);
    request.exptime = extrasExptime(packet);
    request.numbered = true;
    accept(request, "set");
    return takeBody(input, packet.value);
  }
  input.skip = packet.value;
  if (problem !== undefined) return refuseBad(request, problem);
  return refuse(request, "too large", TOO_LARGE);
}

/** The key is the mechanism, and a value follows. What cannot be credentials becomes empty ones, which are wrong. */
function parseCredentials(input: Input, opcode: Opcode): boolean {
  const { request, packet } = input;
  accept(request, "authenticate");
  request.name = keyText(packet);
  if (shapeProblem(packet, opcode) === undefined && packet.value <= MAX_CREDENTIALS) {
    return takeBody(input, packet.value);
  }
  input.skip = packet.value;
  request.name = "";
  request.body = NOTHING;
  request.bodyStart = 0;
  request.bodyEnd = 0;
  return true;
}

function parse(request: Request, packet: Packet, kind: RequestKind): boolean {
  switch (kind) {
    case "get":
      return parseGet(request, packet);
    case "delete":
      return parseDelete(request, packet);
    case "touch":
      return parseTouch(request, packet);
    case "flush_all":
      return extrasNumber(packet) === 0 ? accept(request, kind) : refuseBad(request, NO_DELAY);
    case "verbosity":
      request.level = extrasNumber(packet);
      return accept(request, kind);
    case "stats":
      return parseStat(request, packet);
    default:
      return accept(request, kind);
  }
}

/** Of a queue, or of the leased message that the cas or the key tells. */
function parseDelete(request: Request, packet: Packet): boolean {
  const start = keyStart(packet);
  const isMessage = hasCas(packet) || namesMessage(packet.buffer, start, start + packet.key);
  const problem = isMessage ? readLease(request, packet) : readName(request, packet);
  if (problem !== undefined) return refuseBad(request, problem);
  return accept(request, isMessage ? "acknowledge" : "delete");
}

function parseTouch(request: Request, packet: Packet): boolean {
  const problem = readLease(request, packet);
  // It is signed: -1 makes the message a dead letter.
  return problem === undefined
    ? acceptTouch(request, extrasNumber(packet) | 0)
    : refuseBad(request, problem);
}

/** Reads which lease is meant: the cas is its number, or the key is `<queue>/<number>`. */
function readLease(request: Request, packet: Packet): string | undefined {
  const start = keyStart(packet);
  const end = start + packet.key;
  if (!hasCas(packet)) return readMessage(request, packet.buffer, start, end);
  const problem = setName(request, keyAt(packet.buffer, start, end));
  return problem ?? setNumber(request, packet.buffer.readBigUInt64BE(packet.start + 16).toString());
}

function parseGet(request: Request, packet: Packet): boolean {
  request.leaseMs = packet.extras === 0 ? 0 : leaseMs(extrasNumber(packet));
  if (packet.extras > 0 && request.leaseMs === 0) return refuseBad(request, BAD_LEASE);
  const start = keyStart(packet);
  const key = keyAt(packet.buffer, start, start + packet.key);
  const problem = key.problem ?? leaseProblem(request, key);
  if (problem !== undefined) return refuseBad(request, problem);
  request.numbered = true;
  request.withBody = true;
  return acceptKey(request, key);
}

/** The key is what follows `stats` in text. */
function parseStat(request: Request, packet: Packet): boolean {
  const [what = "", name] = keyText(packet).split(" ");
  if (what === "") return accept(request, "stats");
  if (what === "reset") return accept(request, "stats reset");
  const isSettings = what === "settings" && name !== undefined;
  if (what !== "queue" && !isSettings) return refuse(request, "unknown statistics", "");
  if (name === undefined) return accept(request, "stats queues");
  const key = keyAt(Buffer.from(name, "latin1"), 0, name.length);
  const problem = setName(request, key);
  if (problem !== undefined) return refuseBad(request, problem);
  return accept(request, isSettings ? "stats settings" : "stats queue");
}

/** Reads what is set. @returns what is wrong with it, in words for the client */
function readTarget(request: Request, packet: Packet): string | undefined {
  if (hasCas(packet)) return NO_CAS;
  const start = keyStart(packet);
  return setTarget(request, packet.buffer, start, start + packet.key);
}

/** Reads the name of a queue to change. @returns what is wrong with it, or with the change, in words for the client */
function readName(request: Request, packet: Packet): string | undefined {
  if (hasCas(packet)) return NO_CAS;
  const start = keyStart(packet);
  return setName(request, keyAt(packet.buffer, start, start + packet.key));
}
