import { newBytes } from "../../../src/protocol/bytes.ts";
/** Reads a client's bytes as a connection does, and notes what was asked for. */
import { type Command, type CommandKind, forgetBody } from "../../../src/protocol/command.ts";
import { feed, type Input, newInput } from "../../../src/protocol/input.ts";
import { nextCommand } from "../../../src/protocol/parser.ts";

/** One request, as plain values; a body is a character a byte. */
export interface Found {
  /** `gets` is a get that asks for the messages' numbers. */
  kind: CommandKind | "gets";
  name?: string;
  names?: string[];
  flags?: number;
  body?: string;
  level?: number;
  noreply?: boolean;
  answer?: string;
  fatal?: boolean;
}

/** The largest body that the inputs here accept: small, since they are read in many thousand ways. */
export const MAX_BODY = 256;

export function foundIn(command: Command): Found {
  const { kind, name } = command;
  const noreply = command.wanted === "none";
  switch (kind) {
    case "set": {
      const body = command.body.toString("latin1", command.bodyStart, command.bodyEnd);
      return { kind, name, flags: command.flags, body, noreply };
    }
    case "get": {
      const names = command.keys.map(({ text }) => text);
      return { kind: command.numbered ? "gets" : "get", names };
    }
    case "delete":
    case "flush":
      return { kind, name, noreply };
    case "flush_all":
      return { kind, noreply };
    case "stats queue":
      return { kind, name };
    case "verbosity":
      return { kind, level: command.level, noreply };
    case "refused":
    case "refused set":
      return { kind, answer: refusalOf(command), noreply, fatal: command.fatal };
    default:
      return { kind };
  }
}

/** The line that a refused request is answered with, without its end. */
function refusalOf(command: Command): string {
  const bytes = newBytes(64);
  command.dialect.refusal(bytes, command, command.refusal, command.reason);
  return bytes.buffer.toString("latin1", 0, bytes.length).replace(/\r\n$/, "");
}

/** All requests that are complete by now. Each must have taken at least a byte of what lies there. */
export function readAvailable(input: Input): Found[] {
  const found: Found[] = [];
  let left = input.chunk.length - input.at;
  while (nextCommand(input)) {
    found.push(foundIn(input.command));
    if (input.command.kind === "set") forgetBody(input.command);
    const now = input.chunk.length - input.at;
    if (now >= left && !input.ended) throw new Error(`no progress: ${now} bytes were left before`);
    left = now;
  }
  if (input.chunk.length - input.at > 0) throw new Error("received bytes are left lying");
  return found;
}

export function readPieces(pieces: Iterable<Buffer>, maxBody = MAX_BODY): Found[] {
  const input = newInput(maxBody, false);
  const found: Found[] = [];
  for (const piece of pieces) {
    feed(input, piece);
    for (const one of readAvailable(input)) found.push(one);
  }
  return found;
}

export function readWhole(bytes: Buffer, maxBody = MAX_BODY): Found[] {
  return readPieces([bytes], maxBody);
}

/** In two pieces. */
export function readCut(bytes: Buffer, place: number, maxBody = MAX_BODY): Found[] {
  return readPieces([bytes.subarray(0, place), bytes.subarray(place)], maxBody);
}

export function* singleBytes(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}
