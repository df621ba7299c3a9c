import type { RequestKind, Wanted } from "../request.ts";

/** A packet's header, in bytes. */
export const HEADER = 24;

export const GETK = 0x0c;
export const GETKQ = 0x0d;
export const GATK = 0x23;
export const GATKQ = 0x24;

/** What a request means, and which parts its packet must have. */
export interface Opcode {
  name: string;
  kind: RequestKind;
  wanted: Wanted;
  /** How many bytes of extras there may be. */
  extras: readonly number[];
  key: "needed" | "possible" | "impossible";
  /** Whether there may be a value. */
  value: boolean;
}

const GET = { extras: [0], key: "needed", value: false } as const;
const SET = { extras: [8], key: "needed", value: true } as const;
const TOUCH = { ...GET, extras: [4] } as const;
const BARE = { extras: [0], key: "impossible", value: false } as const;
const SASL = { extras: [0], key: "possible", value: true } as const;
const FLUSH = { ...BARE, extras: [0, 4] } as const;

const opcodes = new Map<number, Opcode>([
  [0x00, { ...GET, name: "get", kind: "get", wanted: "all" }],
  [0x01, { ...SET, name: "set", kind: "set", wanted: "all" }],
  [0x04, { ...GET, name: "delete", kind: "delete", wanted: "all" }],
  [0x07, { ...BARE, name: "quit", kind: "quit", wanted: "all" }],
  [0x08, { ...FLUSH, name: "flush", kind: "flush_all", wanted: "all" }],
  [0x09, { ...GET, name: "getq", kind: "get", wanted: "quiet" }],
  [0x0a, { ...BARE, name: "noop", kind: "noop", wanted: "all" }],
  [0x0b, { ...BARE, name: "version", kind: "version", wanted: "all" }],
  [GETK, { ...GET, name: "getk", kind: "get", wanted: "all" }],
  [GETKQ, { ...GET, name: "getkq", kind: "get", wanted: "quiet" }],
  [0x10, { ...BARE, key: "possible", name: "stat", kind: "stats", wanted: "all" }],
  [0x11, { ...SET, name: "setq", kind: "set", wanted: "quiet" }],
  [0x14, { ...GET, name: "deleteq", kind: "delete", wanted: "quiet" }],
  [0x17, { ...BARE, name: "quitq", kind: "quit", wanted: "quiet" }],
  [0x18, { ...FLUSH, name: "flushq", kind: "flush_all", wanted: "quiet" }],
  [0x20, { ...BARE, name: "sasl list mechs", kind: "mechanisms", wanted: "all" }],
  [0x21, { ...SASL, name: "sasl auth", kind: "authenticate", wanted: "all" }],
  [0x22, { ...SASL, name: "sasl step", kind: "authenticate", wanted: "all" }],
  [0x1c, { ...TOUCH, name: "touch", kind: "touch", wanted: "all" }],
  [0x1d, { ...TOUCH, name: "gat", kind: "get", wanted: "all" }],
  [0x1e, { ...TOUCH, name: "gatq", kind: "get", wanted: "quiet" }],
  [GATK, { ...TOUCH, name: "gatk", kind: "get", wanted: "all" }],
  [GATKQ, { ...TOUCH, name: "gatkq", kind: "get", wanted: "quiet" }],
  [0x1b, { ...BARE, extras: [4], name: "verbosity", kind: "verbosity", wanted: "all" }],
]);

const byNumber = Array.from({ length: 256 }, (_, number) => opcodes.get(number));

/** Undefined for a command that queues have not. */
export function opcodeOf(number: number): Opcode | undefined {
  return byNumber[number];
}

/** For the log. */
export function opcodeName(number: number): string {
  return opcodeOf(number)?.name ?? `0x${number.toString(16).padStart(2, "0")}`;
}
