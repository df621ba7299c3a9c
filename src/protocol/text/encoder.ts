import { type Bytes, reserve, writeBytes, writeNumber, writeText } from "../buffer.ts";
import type { ErrorKind } from "../errors.ts";
import type { Encoder, Outcome, Row, Value } from "../reply.ts";

const CR = 13;
const LF = 10;
const STORED = Buffer.from("STORED\r\n");
const END = Buffer.from("END\r\n");

const LINES: Record<Outcome, string> = {
  stored: "STORED",
  "not stored": "NOT_STORED",
  deleted: "DELETED",
  "not found": "NOT_FOUND",
  // The word that Kestrel's clients expect.
  flushed: "END",
  reset: "RESET",
  done: "OK",
  alive: "OK",
};

/** The classic text dialect. */
export const text: Encoder = {
  usual: new Set(),
  outcome(bytes, _command, outcome) {
    if (outcome === "stored") writeBytes(bytes, STORED, 0, STORED.length);
    else writeLine(bytes, LINES[outcome]);
  },
  head: (bytes, request, key, value) => writeValueLine(bytes, key.text, value, request.numbered),
  tail: writeLineEnd,
  end: (bytes) => writeBytes(bytes, END, 0, END.length),
  statistics(bytes, request, rows) {
    for (const row of rows) writeStat(bytes, row);
    text.rowsEnd(bytes, request);
  },
  row: (bytes, _command, row) => writeStat(bytes, row),
  rowsEnd: (bytes) => writeLine(bytes, "END"),
  version: (bytes, _command, version) => writeLine(bytes, `VERSION ${version}`),
  refusal: (bytes, _command, refusal, reason) => writeLine(bytes, refusalLine(refusal, reason)),
  describe: (buffer, start, end) =>
    buffer.toString("latin1", start, end).split("\r\n").slice(0, -1),
};

export function writeLineEnd(bytes: Bytes): void {
  reserve(bytes, 2);
  bytes.buffer[bytes.length++] = CR;
  bytes.buffer[bytes.length++] = LF;
}

/** One line of an answer; `line` is without its end. */
export function writeLine(bytes: Bytes, line: string): void {
  writeText(bytes, line);
  writeLineEnd(bytes);
}

/** `VALUE <key> <flags> <bytes>[ <number>]`, the line that goes before a body. */
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

/** The line that says that a request was refused, without its end. */
export function refusalLine(refusal: ErrorKind, reason: string): string {
  switch (refusal) {
    case "unknown command":
    case "unknown statistics":
      return "ERROR";
    case "bad request":
      return `CLIENT_ERROR ${reason}`;
    case "too large":
    case "failure":
      return `SERVER_ERROR ${reason}`;
  }
}

function writeSpaced(bytes: Bytes, value: number): void {
  reserve(bytes, 1);
  bytes.buffer[bytes.length++] = 32;
  writeNumber(bytes, value);
}
