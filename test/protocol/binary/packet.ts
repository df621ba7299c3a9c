/** Packets of the binary dialect, written and read in the simplest way. A string has one character for each byte. */

export const opcodes = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  delete: 0x04,
  quit: 0x07,
  flush: 0x08,
  getq: 0x09,
  noop: 0x0a,
  version: 0x0b,
  getk: 0x0c,
  getkq: 0x0d,
  stat: 0x10,
  setq: 0x11,
  deleteq: 0x14,
  quitq: 0x17,
  flushq: 0x18,
  verbosity: 0x1b,
  touch: 0x1c,
  gat: 0x1d,
  gatq: 0x1e,
  gatk: 0x23,
  gatkq: 0x24,
  saslListMechs: 0x20,
  saslAuth: 0x21,
  saslStep: 0x22,
} as const;

export const status = {
  fine: 0x00,
  notFound: 0x01,
  tooLarge: 0x03,
  invalid: 0x04,
  notStored: 0x05,
  unauthenticated: 0x20,
  notAllowed: 0x24,
  unknown: 0x81,
  failed: 0x84,
} as const;

/** What is in a packet; in a request what is absent is empty or 0, and the lengths are those of what is there. */
export interface Packet {
  magic: number;
  opcode: number;
  keyLength: number;
  extrasLength: number;
  type: number;
  /** The status in an answer. */
  reserved: number;
  length: number;
  opaque: number;
  cas: bigint;
  extras: string;
  key: string;
  value: string;
}

export function request(opcode: number, parts: Partial<Packet> = {}): Buffer {
  const { extras = "", key = "", value = "" } = parts;
  const header = Buffer.alloc(24);
  header.writeUInt8(parts.magic ?? 0x80, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16BE(parts.keyLength ?? key.length, 2);
  header.writeUInt8(parts.extrasLength ?? extras.length, 4);
  header.writeUInt8(parts.type ?? 0, 5);
  header.writeUInt16BE(parts.reserved ?? 0, 6);
  header.writeUInt32BE(parts.length ?? extras.length + key.length + value.length, 8);
  header.writeUInt32BE(parts.opaque ?? 0, 12);
  header.writeBigUInt64BE(parts.cas ?? 0n, 16);
  return Buffer.concat([header, Buffer.from(extras + key + value, "latin1")]);
}

/** @param value 32 bits */
export function number(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("latin1");
}

export function set(key: string, value: string, flags = 0, parts: Partial<Packet> = {}): Buffer {
  return request(opcodes.set, { key, value, extras: number(flags) + number(0), ...parts });
}

/** How many bytes follow a header. */
export function bodyLength(header: Buffer): number {
  return header.readUInt32BE(8);
}

export function parse(bytes: Buffer): Packet {
  const [keyLength, extrasLength] = [bytes.readUInt16BE(2), bytes.readUInt8(4)];
  const keyStart = 24 + extrasLength;
  return {
    magic: bytes.readUInt8(0),
    opcode: bytes.readUInt8(1),
    keyLength,
    extrasLength,
    type: bytes.readUInt8(5),
    reserved: bytes.readUInt16BE(6),
    length: bodyLength(bytes),
    opaque: bytes.readUInt32BE(12),
    cas: bytes.readBigUInt64BE(16),
    extras: bytes.toString("latin1", 24, keyStart),
    key: bytes.toString("latin1", keyStart, keyStart + keyLength),
    value: bytes.toString("latin1", keyStart + keyLength),
  };
}

/** All packets in the bytes, which must hold nothing else. */
export function parseAll(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 24 + bodyLength(bytes.subarray(at));
    packets.push(parse(bytes.subarray(at, end)));
    at = end;
  }
  return packets;
}
