import { type Bytes, newBytes, writeBytes } from "../buffer.ts";
import { NO_DELAY, TOO_LARGE } from "../errors.ts";
import { dropChunk, type Input, MAX_BYTES, refuseForGood, takeBody } from "../input.ts";
import { keyAt } from "../key.ts";
import {
  accept,
  refuse,
  refuseBad,
  refuseUnknown,
  type Request,
  type RequestKind,
  setName,
} from "../request.ts";
import { binary } from "./encoder.ts";
import { HEADER, type Opcode, opcodeName, opcodeOf } from "./opcodes.ts";

/** The first byte of each request. */
export const MAGIC = 0x80;

/** Where things are in a packet, and how long they are, in bytes. */
interface Packet {
  buffer: Buffer;
  start: number;
  extras: number;
  key: number;
  value: number;
}

/** One record serves all packets, since one is dealt with before the next is looked at. */
const packet: Packet = { buffer: Buffer.alloc(0), start: 0, extras: 0, key: 0, value: 0 };

/** Finds the next request in packets: false when more bytes are needed for it. */
export function nextPacket(input: Input): boolean {
  const { chunk, at } = input;
  if (input.line === undefined) {
    if (chunk[at] !== MAGIC) return refuseMagic(input);
    const size = sizeNeeded(chunk, at, chunk.length - at);
    if (size <= chunk.length - at) {
      input.at = at + size;
      return parsePacket(input, chunk, at);
    }
    input.line = newBytes(size);
  }
  return gather(input, input.line);
}

/** Puts together what arrives in pieces of a packet, but for its value. */
function gather(input: Input, line: Bytes): boolean {
  for (;;) {
    const missing = sizeNeeded(line.buffer, 0, line.length) - line.length;
    if (missing === 0) break;
    const end = Math.min(input.chunk.length, input.at + missing);
    if (end === input.at) return dropChunk(input);
    writeBytes(line, input.chunk, input.at, end);
    input.at = end;
  }
  input.line = undefined;
  return parsePacket(input, line.buffer, 0);
}

/** How many bytes of a packet, `arrived` of which are there, must be there to understand it: all but its value. */
function sizeNeeded(buffer: Buffer, start: number, arrived: number): number {
  if (arrived < HEADER) return HEADER;
  measure(buffer, start);
  return isPossible() ? HEADER + packet.extras + packet.key : HEADER;
}

function measure(buffer: Buffer, start: number): void {
  packet.buffer = buffer;
  packet.start = start;
  packet.extras = buffer[start + 4] as number;
  packet.key = buffer.readUInt16BE(start + 2);
  packet.value = buffer.readUInt32BE(start + 8) - packet.extras - packet.key;
}

/** Whether the lengths in the header agree; when they don't nobody knows where the next packet starts. */
function isPossible(): boolean {
  return packet.value >= 0 && packet.value <= MAX_BYTES;
}

function refuseMagic(input: Input): true {
  input.request.opcode = 0;
  input.request.opaque = 0;
  return refuseForGood(input, "bad request", "a request starts with 0x80");
}

function parsePacket(input: Input, buffer: Buffer, start: number): boolean {
  const { request } = input;
  measure(buffer, start);
  request.opcode = buffer[start + 1] as number;
  request.opaque = buffer.readUInt32BE(start + 12);
  if (!isPossible()) {
    return refuseForGood(input, "bad request", "the lengths in the header do not agree");
  }
  request.encoder = binary;
  const opcode = opcodeOf(request.opcode);
  request.wanted = opcode?.wanted ?? "all";
  if (input.keepLines) request.line = `${opcodeName(request.opcode)} ${keyText()}`.trimEnd();
  if (opcode?.kind === "set") return parseSet(input, opcode);
  input.skip = packet.value;
  if (opcode === undefined) return refuseUnknown(request);
  const problem = shapeProblem(opcode);
  return problem === undefined ? parse(request, opcode.kind) : refuseBad(request, problem);
}

/** What is wrong with what there is in the packet, in words for the client. */
function shapeProblem({ extras, key, value }: Opcode): string | undefined {
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
  const { request } = input;
  const problem = shapeProblem(opcode) ?? readName(request);
  if (problem === undefined && packet.value <= input.maxBody) {
    request.flags = packet.buffer.readUInt32BE(packet.start + HEADER);
    request.numbered = true;
    accept(request, "set");
    return takeBody(input, packet.value);
  }
  input.skip = packet.value;
  if (problem !== undefined) return refuseBad(request, problem);
  return refuse(request, "too large", TOO_LARGE);
}

function parse(request: Request, kind: RequestKind): boolean {
  switch (kind) {
    case "get":
      return parseGet(request);
    case "delete": {
      const problem = readName(request);
      return problem === undefined ? accept(request, kind) : refuseBad(request, problem);
    }
    case "flush_all":
      return extrasNumber() === 0 ? accept(request, kind) : refuseBad(request, NO_DELAY);
    case "verbosity":
      request.level = extrasNumber();
      return accept(request, kind);
    case "stats":
      return parseStat(request);
    default:
      return accept(request, kind);
  }
}

function parseGet(request: Request): boolean {
  const key = keyAt(packet.buffer, keyStart(), keyStart() + packet.key);
  if (key.problem !== undefined) return refuseBad(request, key.problem);
  request.keys.length = 1;
  request.keys[0] = key;
  request.numbered = true;
  request.withBody = true;
  return accept(request, "get");
}

/** The key is what stands behind `stats` in text. */
function parseStat(request: Request): boolean {
  const [what = "", name] = keyText().split(" ");
  if (what === "") return accept(request, "stats");
  if (what === "reset") return accept(request, "stats reset");
  if (what !== "queue") return refuse(request, "unknown statistics", "");
  if (name === undefined) return accept(request, "stats queues");
  const key = keyAt(Buffer.from(name, "latin1"), 0, name.length);
  const problem = setName(request, key);
  return problem === undefined ? accept(request, "stats queue") : refuseBad(request, problem);
}

/** Reads the queue's name. @returns what speaks against it or its change, in words for the client */
function readName(request: Request): string | undefined {
  const { buffer, start } = packet;
  if (buffer.readUInt32BE(start + 16) !== 0 || buffer.readUInt32BE(start + 20) !== 0) {
    return "cas has no meaning for a queue";
  }
  return setName(request, keyAt(buffer, keyStart(), keyStart() + packet.key));
}

function keyStart(): number {
  return packet.start + HEADER + packet.extras;
}

function keyText(): string {
  return packet.buffer.toString("latin1", keyStart(), keyStart() + packet.key);
}

/** The extras as one number; 0 when there are none. */
function extrasNumber(): number {
  return packet.extras === 0 ? 0 : packet.buffer.readUInt32BE(packet.start + HEADER);
}
