import type { Bytes } from "./buffer.ts";
import type { ErrorKind } from "./errors.ts";
import type { Key } from "./key.ts";
import type { Request } from "./request.ts";

/** A message as it is answered: its body is the bytes of `bytes` from `start` up to `end`. */
export interface Value {
  flags: number;
  /** The message's own number in its queue, counted from 1. */
  number: number;
  bytes: Buffer;
  start: number;
  end: number;
}

/** What became of a request, where a word says all of it. */
export type Outcome =
  "stored" | "not stored" | "deleted" | "not found" | "flushed" | "reset" | "done" | "alive";

/** One line of statistics. */
export type Row = readonly [name: string, value: string | number];

/**
 * How answers are written in one dialect: plain functions that append to `bytes`. What was asked is in `request`, which
 * also has what the client wants to see again in the answer.
 */
export interface Encoder {
  /** What a client that wants to hear of the unusual only is not told. */
  readonly usual: ReadonlySet<Outcome>;
  /** @param number the stored message's own, where `request.numbered` asks for it */
  outcome(bytes: Bytes, request: Request, outcome: Outcome, number: number): void;
  /** What goes before the body of a message, and after it. */
  head(bytes: Bytes, request: Request, key: Key, value: Value): void;
  tail(bytes: Bytes): void;
  /** The end of the answer to a get; `found` says whether there was a message. */
  end(bytes: Bytes, request: Request, found: boolean): void;
  statistics(bytes: Bytes, request: Request, rows: Iterable<Row>): void;
  /** One row of statistics that may be very long, and what ends them. */
  row(bytes: Bytes, request: Request, row: Row): void;
  rowsEnd(bytes: Bytes, request: Request): void;
  version(bytes: Bytes, request: Request, version: string): void;
  /** @param reason in words for the client */
  refusal(bytes: Bytes, request: Request, refusal: ErrorKind, reason: string): void;
  /** What was written from `start` up to `end`, for the log: no bodies may be in there. */
  describe(buffer: Buffer, start: number, end: number): string[];
}
