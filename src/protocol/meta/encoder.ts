import { type Bytes, writeNumber, writeText } from "../buffer.ts";
import type { Encoder, Outcome, Row, Value } from "../reply.ts";
import type { Request } from "../request.ts";
import { text, writeLineEnd } from "../text/encoder.ts";

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
export const meta: Encoder = {
  ...text,
  usual: new Set(["stored", "deleted", "not found"]),
  outcome(bytes, request, outcome, number) {
    writeText(bytes, CODES[outcome]);
    if (outcome === "stored") writeTokens(bytes, request, storedValue(request, number));
    else writeTokens(bytes, request, undefined);
  },
  head(bytes, request, _key, value) {
    writeText(bytes, request.withBody ? "VA " : "HD");
    if (request.withBody) writeNumber(bytes, value.end - value.start);
    writeTokens(bytes, request, value);
  },
  end(bytes, request, found) {
    if (found) return;
    writeText(bytes, "EN");
    writeTokens(bytes, request, undefined);
  },
  /** What `me` tells of a queue. */
  statistics(bytes, { name }, rows) {
    const known = [...rows].map(([row, value]: Row) => ` ${row}=${value}`);
    writeText(bytes, known.length === 0 ? "EN" : `ME ${name}${known.join("")}`);
    writeLineEnd(bytes);
  },
};

/** The message that was stored, as far as it is told of. */
function storedValue({ flags, body, bodyStart, bodyEnd }: Request, number: number): Value {
  return { flags, number, bytes: body, start: bodyStart, end: bodyEnd };
}

/** Ends a line with what the client wants to come back; without a message, only what it sent itself. */
function writeTokens(bytes: Bytes, { tokens }: Request, value: Value | undefined): void {
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
