import { type Bytes, reserve, writeBytes, writeNumber, writeText } from "../buffer.ts";
import type { ErrorKind } from "../errors.ts";
import type { Encoder, Outcome, Row, Value } from "../reply.ts";

const CR = 13;
const LF = 10;
const STORED = Buffer.from("STORED\r\n");
const END = Buffer.from("END\r\n");

export const OUTCOMES: Record<Outcome, string> = {
  stored: "STORED",
  "not stored": "NOT_STORED",
  deleted: "DELETED",
  touched: "TOUCHED",
  "no lease": "NOT_FOUND",
  "not found": "NOT_FOUND",
  // Kestrel's clients expect this word.
  flushed: "END",
  reset: "RESET",
  done: "OK",
  alive: "OK",
  // Kestrel's words.
  up: "UP",
  reloaded: "Reloaded config.",
  // Behind it comes the number.
  expired: "",
  authenticated: "STORED",
  mechanisms: "PLAIN",
};

/** The first word of an error line. */
export const ERRORS: Record<ErrorKind, string> = {
  "unknown command": "ERROR",
  "unknown statistics": "ERROR",
  "bad request": "CLIENT_ERROR",
  "too large": "SERVER_ERROR",
  unauthenticated: "CLIENT_ERROR",
  "not allowed": "CLIENT_ERROR",
  failure: "SERVER_ERROR",
};

/** The classic text dialect: https://github.com/memcached/memcached/blob/master/doc/protocol.txt */
export const text: Encoder = {
  quietOutcomes: new Set(),
  outcome(bytes, _request, outcome, number) {
    if (outcome === "stored") writeBytes(bytes, STORED, 0, STORED.length);
    else if (outcome === "expired") writeLine(bytes, `${number}`);
    else writeLine(bytes, OUTCOMES[outcome]);
  },
  head: (bytes, request, key, value) => writeValueLine(bytes, key.text, value, request.numbered),
  tail: writeLineEnd,
  end: (bytes) => writeBytes(bytes, END, 0, END.length),
  ended: (bytes) => writeBytes(bytes, END, 0, END.length),
  statistics(bytes, request, rows) {
    text.rows(bytes, request, rows);
    text.rowsEnd(bytes, request);
  },
  rows(bytes, _request, rows) {
    for (const row of rows) writeStat(bytes, row);
  },
  counts(bytes, _request, name, sets, gets) {
    writeText(bytes, "STAT ");
    writeText(bytes, name);
    writeSpaced(bytes, sets);
    writeText(bytes, "/");
    writeNumber(bytes, gets);
    writeLineEnd(bytes);
  },
  block(bytes, _request, queue, rows) {
    writeLine(bytes, `queue '${queue}' {`);
    for (const [name, value] of rows) writeLine(bytes, `  ${name}=${value}`);
    writeLine(bytes, "}");
  },
  rowsEnd: (bytes) => writeLine(bytes, "END"),
  version: (bytes, _request, version) => writeLine(bytes, `VERSION ${version}`),
  error: (bytes, _request, error, reason) => writeLine(bytes, errorLine(error, reason)),
  describe: (buffer, start, end) =>
    buffer.toString("latin1", start, end).split("\r\n").slice(0, -1),
};

export function writeLineEnd(bytes: Bytes): void {
  reserve(bytes, 2);
  bytes.buffer[bytes.length++] = CR;
  bytes.buffer[bytes.length++] = LF;
}

/** Writes one line of a reply; `line` is without its end. */
export function writeLine(bytes: Bytes, line: string): void {
  writeText(bytes, line);
  writeLineEnd(bytes);
}

/** `VALUE <key> <flags> <bytes>[ <number>]`, the line before a body. */
export function writeValueLine(bytes: Bytes, key: string, value: Value, numbered: boolean): void {
  writeText(bytes, "VALUE ");
  writeText(bytes, key);
  writeSpaced(bytes, value.flags);
  writeSpaced(bytes, value.end - value.start);
  if (numbered) writeSpaced(bytes, value.number);
  writeLineEnd(bytes);
}

/** `STAT <name> <value>` */
export function writeStat(bytes: Bytes, [name, value]: Row): void {
  writeText(bytes, "STAT ");
  writeText(bytes, name);
  writeText(bytes, " ");
  writeLine(bytes, String(value));
}

/**
 * The line of an error, without its end.
 * @param reason in words for the client; `ERROR` has none
 */
export function errorLine(error: ErrorKind, reason: string): string {
  const word = ERRORS[error];
  return word === "ERROR" ? word : `${word} ${reason}`;
}

function writeSpaced(bytes: Bytes, value: number): void {
  reserve(bytes, 1);
  bytes.buffer[bytes.length++] = 32;
  writeNumber(bytes, value);
}
