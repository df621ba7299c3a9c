import type { Bytes } from "./buffer.ts";
import type { ErrorKind } from "./errors.ts";
import type { Key } from "./key.ts";

/** A message in a reply, but for its body, of which only the length counts here: it is from `start` up to `end`. */
export interface Value {
  flags: number;
  /** The message's own number in its queue, counted from 1, or the number of its lease. */
  number: number;
  start: number;
  end: number;
  /** Seconds until it expires; -1, or absent: never. */
  ttl?: number;
  /** How often it was delivered by open or lease, this time included. */
  deliveries: number;
  /** Milliseconds until it could be taken by others, if it had not been; absent: 0. */
  dueIn?: number;
}

/** The result of a request, where one word says all of it. */
export type Outcome =
  | "stored"
  | "not stored"
  | "deleted"
  | "touched"
  | "no lease"
  | "not found"
  | "flushed"
  | "reset"
  | "done"
  | "alive"
  | "up"
  | "reloaded"
  | "expired"
  | "authenticated"
  | "mechanisms";

/** One line of statistics. */
export type Row = readonly [name: string, value: string | number];

/** The part of a request that its reply depends on. */
export interface ReplyContext {
  /** set, delete, flush, stats queue: the queue. A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** get: what to take, in this order; empty for a long list, see `keyOf`. */
  keys: Key[];
  /** get, set: the client wants the message's own number. */
  numbered: boolean;
  /** get: the client wants the body, and not only facts about the message. */
  withBody: boolean;
  /** set: an unsigned 32-bit number that is returned with the message. */
  flags: number;
  /** set: where the body lies in `Request.body`. */
  bodyStart: number;
  bodyEnd: number;
  /** meta: what the reply repeats, in this order: f, s, t, c get their values, all others stay as they are. */
  tokens: string[];
  /** binary: what the reply repeats. */
  opcode: number;
  opaque: number;
}

/** How replies are written in one dialect: plain functions that append to `bytes`. */
export interface Encoder {
  /** The outcomes that are not sent to a quiet request. */
  readonly quietOutcomes: ReadonlySet<Outcome>;
  /** @param number the stored message's own number, if `request.numbered` */
  outcome(bytes: Bytes, request: ReplyContext, outcome: Outcome, number: number): void;
  /** What comes before the body of a message, and after it. */
  head(bytes: Bytes, request: ReplyContext, key: Key, value: Value): void;
  tail(bytes: Bytes): void;
  /** The end of the reply to a get; `found` says whether there was a message. */
  end(bytes: Bytes, request: ReplyContext, found: boolean): void;
  /** The reply to a get that only closes or aborts; `found` says whether an open message was closed. */
  ended(bytes: Bytes, request: ReplyContext, found: boolean): void;
  statistics(bytes: Bytes, request: ReplyContext, rows: Iterable<Row>): void;
  /** A part of the statistics: {@link rowsEnd} ends them. */
  rows(bytes: Bytes, request: ReplyContext, rows: Iterable<Row>): void;
  /** One queue of the list of all, its messages ever set and gone, and the end of that list: there may be very many. */
  counts(bytes: Bytes, request: ReplyContext, name: string, sets: number, gets: number): void;
  /** The rows of one queue in the list of `dump_stats`. */
  block(bytes: Bytes, request: ReplyContext, queue: string, rows: Iterable<Row>): void;
  rowsEnd(bytes: Bytes, request: ReplyContext): void;
  version(bytes: Bytes, request: ReplyContext, version: string): void;
  /** @param reason in words for the client */
  error(bytes: Bytes, request: ReplyContext, error: ErrorKind, reason: string): void;
  /** The bytes from `start` up to `end` for the log. There must be no body among them. */
  describe(buffer: Buffer, start: number, end: number): string[];
}
