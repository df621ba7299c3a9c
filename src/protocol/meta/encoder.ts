import { type Bytes, writeNumber, writeText } from "../buffer.ts";
import type { Encoder, Outcome, ReplyContext, Row, Value } from "../reply.ts";
import { text, writeLineEnd } from "../text/encoder.ts";

export const OUTCOMES: Record<Outcome, string> = {
  stored: "HD",
  "not stored": "NS",
  deleted: "HD",
  touched: "HD",
  "no lease": "NF",
  "not found": "NF",
  flushed: "HD",
  reset: "HD",
  done: "HD",
  alive: "MN",
  up: "HD",
  reloaded: "HD",
  expired: "HD",
  authenticated: "HD",
  mechanisms: "HD",
};

/** The part of a message that tokens tell. */
type Facts = Omit<Value, "bytes">;

/** The meta commands of the text dialect: a code of two letters, and the tokens that the flags ask for. */
export const meta: Encoder = {
  ...text,
  quietOutcomes: new Set(["stored", "deleted", "not found"]),
  outcome(bytes, request, outcome, number) {
    writeText(bytes, OUTCOMES[outcome]);
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
  ended(bytes, request, found) {
    writeText(bytes, found ? "HD" : "EN");
    writeTokens(bytes, request, undefined);
  },
  /** The reply to `me`: one line. */
  statistics(bytes, { name }, rows) {
    const known = [...rows].map(([row, value]: Row) => ` ${row}=${value}`);
    writeText(bytes, known.length === 0 ? "EN" : `ME ${name}${known.join("")}`);
    writeLineEnd(bytes);
  },
};

/** What is known of a message that was just stored. */
function storedValue({ flags, bodyStart, bodyEnd }: ReplyContext, number: number): Facts {
  return { flags, number, start: bodyStart, end: bodyEnd, deliveries: 0 };
}

/** Ends a line with the tokens; without a message, only with those that repeat the request. */
function writeTokens(bytes: Bytes, { tokens }: ReplyContext, value: Facts | undefined): void {
  for (const token of tokens) {
    const content = contentOf(token, value);
    if (content === undefined) continue;
    writeText(bytes, " ");
    writeText(bytes, token);
    writeText(bytes, content);
  }
  writeLineEnd(bytes);
}

/** What follows the letter of a token; undefined when the token is left out. */
function contentOf(token: string, value: Facts | undefined): string | undefined {
  switch (token) {
    case "f":
      return value && String(value.flags);
    case "s":
      return value && String(value.end - value.start);
    case "c":
      return value && String(value.number);
    case "h":
      return value && String(value.deliveries);
    case "d":
      return value && String(value.dueIn ?? 0);
    case "t":
      return value && String(value.ttl ?? -1);
    default:
      return "";
  }
}
