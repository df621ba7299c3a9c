import { type Bytes, reserve, writeText } from "../buffer.ts";
import type { ErrorKind } from "../errors.ts";
import type { Encoder, Outcome, ReplyContext } from "../reply.ts";
import { GATK, GATKQ, GETK, GETKQ, HEADER, opcodeName } from "./opcodes.ts";

/** A number in the header of a reply: 0, or the kind of problem. */
type Status = number;

const MAGIC = 0x81;
const NO_ERROR: Status = 0x00;
const NOT_FOUND: Status = 0x01;

export const OUTCOMES: Record<Outcome, readonly [status: Status, text: string]> = {
  stored: [NO_ERROR, ""],
  "not stored": [0x05, "Not stored"],
  deleted: [NO_ERROR, ""],
  touched: [NO_ERROR, ""],
  "no lease": [NOT_FOUND, "Not found"],
  "not found": [NOT_FOUND, "Not found"],
  flushed: [NO_ERROR, ""],
  reset: [NO_ERROR, ""],
  done: [NO_ERROR, ""],
  alive: [NO_ERROR, ""],
  up: [NO_ERROR, ""],
  reloaded: [NO_ERROR, ""],
  expired: [NO_ERROR, ""],
  authenticated: [NO_ERROR, "Authenticated"],
  mechanisms: [NO_ERROR, "PLAIN"],
};

/** The text is used when there is no other reason. */
export const ERRORS: Record<ErrorKind, readonly [status: Status, text: string]> = {
  "unknown command": [0x81, "Unknown command"],
  "unknown statistics": [NOT_FOUND, "Not found"],
  "bad request": [0x04, "Invalid arguments"],
  "too large": [0x03, "Too large"],
  unauthenticated: [0x20, "Auth failure"],
  "not allowed": [0x24, "Not allowed"],
  failure: [0x84, "Internal error"],
};

/** What a reply repeats of its request. */
type Repeated = Pick<ReplyContext, "opcode" | "opaque">;

/**
 * The binary dialect: packets of a header, extras, a key and a value.
 * Source: https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
 */
export const binary: Encoder = {
  quietOutcomes: new Set(["stored", "deleted", "done"]),
  outcome(bytes, request, outcome, number) {
    const [status, text] = OUTCOMES[outcome];
    writePlain(bytes, request, status, text, number);
  },
  head(bytes, request, { text }, { flags, number, start, end }) {
    const key = isKeyWanted(request) ? text : "";
    writeHeader(bytes, request, NO_ERROR, 4, key.length, 4 + key.length + end - start, number);
    write32(bytes, flags);
    writeText(bytes, key);
  },
  tail() {},
  end(bytes, request, found) {
    if (found) return;
    const key = request.keys[0]?.text ?? "";
    if (!isKeyWanted(request)) return writePlain(bytes, request, ...OUTCOMES["not found"], 0);
    writeHeader(bytes, request, NOT_FOUND, 0, key.length, key.length, 0);
    writeText(bytes, key);
  },
  // A client would take an empty reply for a message.
  ended: (bytes, request) => binary.end(bytes, request, false),
  /** A packet for each row, and an empty one at the end. */
  statistics(bytes, request, rows) {
    binary.rows(bytes, request, rows);
    binary.rowsEnd(bytes, request);
  },
  rows(bytes, request, rows) {
    for (const [name, value] of rows) writeStatistic(bytes, request, name, String(value));
  },
  counts: (bytes, request, name, sets, gets) =>
    writeStatistic(bytes, request, name, `${sets}/${gets}`),
  block: (bytes, request, queue, rows) =>
    binary.rows(
      bytes,
      request,
      [...rows].map(([name, value]) => [`queue_${queue}_${name}`, value] as const),
    ),
  rowsEnd: (bytes, request) => writePlain(bytes, request, NO_ERROR, "", 0),
  version: (bytes, request, version) => writePlain(bytes, request, NO_ERROR, version, 0),
  error(bytes, request, error, reason) {
    const [status, text] = ERRORS[error];
    writePlain(bytes, request, status, reason || text, 0);
  },
  describe(buffer, start, end) {
    const packets: string[] = [];
    for (let at = start; at < end; at += HEADER + buffer.readUInt32BE(at + 8)) {
      const status = buffer.readUInt16BE(at + 6);
      const keyStart = at + HEADER + (buffer[at + 4] as number);
      const key = buffer.toString("latin1", keyStart, keyStart + buffer.readUInt16BE(at + 2));
      packets.push(`${opcodeName(buffer[at + 1] as number)} status ${status} ${key}`.trimEnd());
    }
    return packets;
  },
};

function isKeyWanted({ opcode }: ReplyContext): boolean {
  return opcode === GETK || opcode === GETKQ || opcode === GATK || opcode === GATKQ;
}

function writeStatistic(bytes: Bytes, request: Repeated, name: string, value: string): void {
  writeHeader(bytes, request, NO_ERROR, 0, name.length, name.length + value.length, 0);
  writeText(bytes, name);
  writeText(bytes, value);
}

/** Writes a packet without extras and without a key. */
function writePlain(
  bytes: Bytes,
  repeated: Repeated,
  status: Status,
  text: string,
  number: number,
): void {
  writeHeader(bytes, repeated, status, 0, 0, text.length, number);
  writeText(bytes, text);
}

/**
 * @param body bytes of extras, key and value together
 * @param number the message's own number, in the field that is `cas` in memcached
 */
function writeHeader(
  bytes: Bytes,
  { opcode, opaque }: Repeated,
  status: Status,
  extras: number,
  key: number,
  body: number,
  number: number,
): void {
  write32(bytes, (MAGIC << 24) | (opcode << 16) | key);
  write32(bytes, (extras << 24) | status);
  write32(bytes, body);
  write32(bytes, opaque);
  write32(bytes, Math.floor(number / 2 ** 32));
  write32(bytes, number);
}

/** Writes the lowest 32 bits of `value`, big-endian. */
function write32(bytes: Bytes, value: number): void {
  reserve(bytes, 4);
  const { buffer, length } = bytes;
  buffer[length] = value >>> 24;
  buffer[length + 1] = value >>> 16;
  buffer[length + 2] = value >>> 8;
  buffer[length + 3] = value;
  bytes.length += 4;
}
