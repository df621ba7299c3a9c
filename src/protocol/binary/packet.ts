import { NOTHING } from "../buffer.ts";
import { HEADER } from "./opcodes.ts";

/**
 * Where the parts of one packet are, and how long they are, in bytes:
 *
 *     | header (24) | extras | key | value |
 *     ^ start
 *
 * Source: https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
 */
export interface Packet {
  /** It holds the packet up to its value. */
  buffer: Buffer;
  start: number;
  extras: number;
  key: number;
  /** Negative when the lengths in the header do not agree. */
  value: number;
}

export function newPacket(): Packet {
  return { buffer: NOTHING, start: 0, extras: 0, key: 0, value: 0 };
}

/** Reads the lengths in the header of the packet at `start`. */
export function measure(packet: Packet, buffer: Buffer, start: number): void {
  packet.buffer = buffer;
  packet.start = start;
  packet.extras = buffer[start + 4] as number;
  packet.key = buffer.readUInt16BE(start + 2);
  packet.value = buffer.readUInt32BE(start + 8) - packet.extras - packet.key;
}

export function keyStart({ start, extras }: Packet): number {
  return start + HEADER + extras;
}

export function keyText(packet: Packet): string {
  const start = keyStart(packet);
  return packet.buffer.toString("latin1", start, start + packet.key);
}

/** The first four bytes of the extras as a number; 0 when there are no extras. */
export function extrasNumber({ buffer, start, extras }: Packet): number {
  return extras === 0 ? 0 : buffer.readUInt32BE(start + HEADER);
}

/** The time in the extras of a set, in seconds. */
export function extrasExptime({ buffer, start, extras }: Packet): number {
  return extras < 8 ? 0 : buffer.readUInt32BE(start + HEADER + 4);
}

export function hasCas({ buffer, start }: Packet): boolean {
  return buffer.readUInt32BE(start + 16) !== 0 || buffer.readUInt32BE(start + 20) !== 0;
}
