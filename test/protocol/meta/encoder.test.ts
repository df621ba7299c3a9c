/** How meta commands are answered. */
import { expect, test } from "bun:test";

import { keyAt } from "../../../src/protocol/key.ts";
import { meta } from "../../../src/protocol/meta/encoder.ts";
import type { Outcome } from "../../../src/protocol/reply.ts";
import { newRequest, type Request } from "../../../src/protocol/request.ts";
import { written } from "../written.ts";

const body = Buffer.from("leftHelloright");
const message = {
  flags: 4294967295,
  number: 2 ** 43 - 1,
  bytes: body,
  start: 4,
  end: 9,
  deliveries: 2,
};
const key = keyAt(Buffer.from("q"), 0, 1);

function request(parts: Partial<Request>): Request {
  return { ...newRequest(), encoder: meta, ...parts };
}

test.each([
  [{ withBody: true, tokens: [] }, "VA 5\r\n"],
  [{ withBody: false, tokens: [] }, "HD\r\n"],
  [
    { withBody: true, tokens: ["c", "O9", "t", "kcQ== b", "s", "f"] },
    "VA 5 c8796093022207 O9 t-1 kcQ== b s5 f4294967295\r\n",
  ],
  [{ withBody: false, tokens: ["f", "kq"] }, "HD f4294967295 kq\r\n"],
])("a message, for %j", (parts, expected) => {
  expect(written((bytes) => meta.head(bytes, request(parts), key, message)).toString()).toBe(
    expected,
  );
});

test("a body ends in CR LF, and nothing follows the last message", () => {
  expect(written((bytes) => meta.tail(bytes)).toString()).toBe("\r\n");
  expect(written((bytes) => meta.end(bytes, request({ tokens: ["kq"] }), true)).length).toBe(0);
});

test.each([
  [[], "EN\r\n"],
  [["f", "s", "t", "c"], "EN\r\n"],
  [["f", "kq", "v", "O9"], "EN kq v O9\r\n"],
])("no message, for %j", (tokens, expected) => {
  expect(written((bytes) => meta.end(bytes, request({ tokens }), false)).toString()).toBe(expected);
});

const outcomes: [Outcome, string][] = [
  ["stored", "HD kq O1 s5 c7\r\n"],
  ["not stored", "NS kq O1\r\n"],
  ["deleted", "HD kq O1\r\n"],
  ["not found", "NF kq O1\r\n"],
  ["alive", "MN kq O1\r\n"],
];

test.each(outcomes)("%s", (outcome, expected) => {
  const asked = request({ tokens: ["kq", "O1", "s", "c"], bodyStart: 4, bodyEnd: 9 });
  expect(written((bytes) => meta.outcome(bytes, asked, outcome, 7)).toString()).toBe(expected);
});

test("which outcomes a quiet client does not get", () => {
  expect([...meta.quietOutcomes]).toEqual(["stored", "deleted", "not found"]);
});

test("a queue in one line, and an unknown queue", () => {
  const rows = [
    ["messages", 3],
    ["age", 1234],
  ] as const;
  const asked = request({ name: "jobs\xff" });
  expect(written((bytes) => meta.statistics(bytes, asked, rows)).toString("latin1")).toBe(
    "ME jobs\xff messages=3 age=1234\r\n",
  );
  expect(written((bytes) => meta.statistics(bytes, asked, [])).toString()).toBe("EN\r\n");
});

test("errors are those of classic text", () => {
  const asked = request({ tokens: ["kq"] });
  const line = (...[error, reason]: ["failure" | "bad request", string]) =>
    written((bytes) => meta.error(bytes, asked, error, reason)).toString();
  expect(line("failure", "disk full")).toBe("SERVER_ERROR disk full\r\n");
  expect(line("bad request", "invalid flag")).toBe("CLIENT_ERROR invalid flag\r\n");
});
