/** Bytes that nobody planned: the parser must not fall over, and must read them as the references do. */
import * as binary from "../protocol/binary/reference.ts";
import { cutAtRandom, type Random } from "../protocol/random.ts";
import { requestsIn } from "../protocol/reading.ts";
import { refused } from "../protocol/text/conversations.ts";
import { type Found, MAX_BODY, readPieces } from "../protocol/text/reading.ts";
import { referenceRead } from "../protocol/text/reference.ts";
import type { Part, Report } from "../torture/part.ts";
import { kinds } from "./inputs.ts";
import { anyHeader, packets } from "./packets.ts";

function isName({ length }: string): boolean {
  return length >= 1 && length <= 250;
}

/** Fails when something was found that makes no sense. */
function checkSane(found: Found[]): void {
  for (const { kind, name = "n", names = ["n"], flags = 0, body = "" } of found) {
    const sane =
      [name, ...names.map((text) => text.split("/")[0] ?? "")].every(isName) &&
      flags >= 0 &&
      flags < 2 ** 32 &&
      body.length <= MAX_BODY;
    if (!sane) throw new Error(`a ${kind} that makes no sense`);
  }
}

/** What is wrong with a key's options is not in the reference, only that something is. */
export function withoutReasons(found: Found[]): Found[] {
  return found.map((one) => {
    const isOption = /^CLIENT_ERROR (unknown option|bad value|option (?!t= is allowed))/.test(
      one.answer ?? "",
    );
    return isOption ? refused("options") : one;
  });
}

/** Fails when the parser throws, makes no progress, or reads the pieces in another way than the reference the whole. */
function checkPieces(expected: Found[], pieces: Buffer[]): void {
  const found = withoutReasons(readPieces(pieces));
  checkSane(found);
  if (!Bun.deepEquals(found, expected)) throw new Error(`found ${JSON.stringify(found)}`);
}

/** Without the letter that begins the meta commands, in any case: the reference knows nothing of them. */
function withoutMeta(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => (byte === 109 || byte === 77 ? 110 : byte)));
}

/** One input, cut at random places, or also in two at each place that there is. */
export function checkInput(random: Random, any: Buffer, everywhere = false): void {
  const bytes = withoutMeta(any);
  try {
    const expected = referenceRead(bytes.toString("latin1"), MAX_BODY);
    checkPieces(expected, cutAtRandom(random, bytes, random.between(1, 5)));
    if (!everywhere) return;
    for (let place = 0; place <= bytes.length; place++) {
      checkPieces(expected, [bytes.subarray(0, place), bytes.subarray(place)]);
    }
  } catch (error) {
    const input = JSON.stringify(bytes.toString("latin1"));
    throw new Error(`the parser was given ${input}: ${(error as Error).message}`);
  }
}

/** The same for the binary dialect, cut at random places. */
export function checkPackets(random: Random, bytes: Buffer): void {
  const pieces = cutAtRandom(random, bytes, random.between(1, 6));
  const found = requestsIn(pieces, binary.MAX_BODY, binary.requestOf).map(binary.withoutReason);
  if (Bun.deepEquals(found, binary.reference(bytes))) return;
  throw new Error(`the parser was given ${bytes.toString("hex")}: found ${JSON.stringify(found)}`);
}

/** Between two looks at the clock. */
const PORTION = 500;
/** One in so many inputs is cut at every place. */
const EVERYWHERE = 16;

export const parser: Part = { name: "parser", share: 1, run };

async function run(budget: number, random: Random, report: Report): Promise<void> {
  for (const deadline = Date.now() + budget; Date.now() < deadline;) {
    for (let n = 0; n < PORTION; n++) {
      checkInput(random, random.pick(kinds)(random), random.below(EVERYWHERE) === 0);
      checkPackets(random, packets(random, random.below(8)));
      checkPackets(random, anyHeader(random));
    }
    report.count("inputs", PORTION);
    report.count("binary inputs", 2 * PORTION);
  }
}
