/** Every error and every outcome has its words in each dialect: otherwise `bun check` fails here. */
import { expect, test } from "bun:test";

import * as binary from "../../src/protocol/binary/encoder.ts";
import type { ErrorKind } from "../../src/protocol/errors.ts";
import * as meta from "../../src/protocol/meta/encoder.ts";
import type { Encoder, Outcome } from "../../src/protocol/reply.ts";
import * as text from "../../src/protocol/text/encoder.ts";

type Status = readonly [status: number, text: string];

const complete = {
  textOutcomes: text.OUTCOMES satisfies Record<Outcome, string>,
  textErrors: text.ERRORS satisfies Record<ErrorKind, string>,
  metaOutcomes: meta.OUTCOMES satisfies Record<Outcome, string>,
  binaryOutcomes: binary.OUTCOMES satisfies Record<Outcome, Status>,
  binaryErrors: binary.ERRORS satisfies Record<ErrorKind, Status>,
};

/** What would happen to an outcome, or an error, that was added to the union and forgotten in a table. */
const forgotten = {
  // @ts-expect-error an outcome without a line of text
  textOutcomes: text.OUTCOMES satisfies Record<Outcome | "new", string>,
  // @ts-expect-error an error without a line of text
  textErrors: text.ERRORS satisfies Record<ErrorKind | "new", string>,
  // @ts-expect-error an outcome without a code
  metaOutcomes: meta.OUTCOMES satisfies Record<Outcome | "new", string>,
  // @ts-expect-error an outcome without a status
  binaryOutcomes: binary.OUTCOMES satisfies Record<Outcome | "new", Status>,
  // @ts-expect-error an error without a status
  binaryErrors: binary.ERRORS satisfies Record<ErrorKind | "new", Status>,
};

const { version: _, ...incomplete } = text.text;
// @ts-expect-error a dialect that can't write one of the replies
const encoder: Encoder = incomplete;

test("the tables are the same to the compiler and at run time", () => {
  expect(Object.keys(forgotten)).toEqual(Object.keys(complete));
  expect("version" in encoder).toBe(false);
});
