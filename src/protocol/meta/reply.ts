import { type Bytes, writeNumber, writeText } from "../bytes.ts";
import type { Command } from "../command.ts";
import type { Dialect, Outcome, Row, Value } from "../dialect.ts";
import { text, writeLineEnd } from "../text/reply.ts";

const CODES: Record<Outcome, string> = {
  stored: "HD",
  "not stored": "NS",
  deleted: "HD",
  "not found": "NF",
  flushed: "HD",
  reset: "HD",
  done: "HD",
  alive: "MN",
};

/** The meta commands of the text dialect: a code of two letters, and the tokens that the flags ask for. */
export const meta: Dialect = {
  ...text,
  usual: new Set(["stored", "deleted", "not found"]),
  outcome(bytes, command, outcome, number) {
    writeText(bytes, CODES[outcome]);
    if (outcome === "stored") writeTokens(bytes, command, storedValue(command, number));
    else writeTokens(bytes, command, undefined);
  },
  head(bytes, command, _key, value) {
    writeText(bytes, command.withBody ? "VA " : "HD");
    if (command.withBody) writeNumber(bytes, value.end - value.start);
    writeTokens(bytes, command, value);
  },
  end(bytes, command, found) {
    if (found) return;
    writeText(bytes, "EN");
    writeTokens(bytes, command, undefined);
  },
  /** What `me` tells of a queue. */
  statistics(bytes, { name }, rows) {
    const known = [...rows].map(([row, value]: Row) => ` ${row}=${value}`);
    writeText(bytes, known.length === 0 ? "EN" : `ME ${name}${known.join("")}`);
    writeLineEnd(bytes);
  },
};

/** The message that was stored, as far as it is told of. */
function storedValue({ flags, body, bodyStart, bodyEnd }: Command, number: number): Value {
  return { flags, number, bytes: body, start: bodyStart, end: bodyEnd };
}

/** Ends a line with what the client wants to come back; without a message, only what it sent itself. */
function writeTokens(bytes: Bytes, { tokens }: Command, value: Value | undefined): void {
  for (const token of tokens) {
    const content = contentOf(token, value);
    if (content === undefined) continue;
    writeText(bytes, " ");
    writeText(bytes, token);
    writeText(bytes, content);
  }
  writeLineEnd(bytes);
}

/** What stands behind a token; undefined when the token is left out. */
function contentOf(token: string, value: Value | undefined): string | undefined {
  switch (token) {
    case "f":
      return value && String(value.flags);
    case "s":
      return value && String(value.end - value.start);
    case "c":
      return value && String(value.number);
    case "t":
      return value && "-1";
    default:
      return "";
  }
}
