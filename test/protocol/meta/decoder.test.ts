/** How meta commands are read, in whatever pieces they arrive. */
import { describe, expect, test } from "bun:test";

import { meta } from "../../../src/protocol/meta/encoder.ts";
import type { Request, Wanted } from "../../../src/protocol/request.ts";
import { text } from "../../../src/protocol/text/encoder.ts";
import { cuts, keysOf, requestsIn, singleBytes } from "../reading.ts";

const MAX_BODY = 20;
const BAD_FORMAT = "CLIENT_ERROR bad command line format";
const SLASH = "CLIENT_ERROR a slash has no place in the name here, it begins the options of a get";
const NAMED =
  "CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told";
const meaningless = (what: string) => `CLIENT_ERROR ${what} has no meaning for a queue`;

/** One request, as plain values. */
type Asked =
  | { mg: string; v: boolean; tokens: string[]; wanted: Wanted }
  | { ms: string; flags: number; body: string; numbered: boolean; tokens: string[]; wanted: Wanted }
  | { md: string; tokens: string[]; wanted: Wanted }
  | { me: string }
  | { error: string; wanted: Wanted }
  | { other: string };

function requestOf(command: Request): Asked {
  const { kind, name, withBody, flags, body, bodyStart, bodyEnd, numbered, wanted } = command;
  const tokens = [...command.tokens];
  switch (kind) {
    case "get":
      return { mg: keysOf(command).join(), v: withBody, tokens, wanted };
    case "set": {
      const content = body.toString("latin1", bodyStart, bodyEnd);
      return { ms: name, flags, body: content, numbered, tokens, wanted };
    }
    case "delete":
      return { md: name, tokens, wanted };
    case "stats queue":
      return { me: name };
    case "error":
    case "error set": {
      const bytes = { buffer: Buffer.alloc(200), length: 0 };
      command.encoder.error(bytes, command, command.error, command.reason);
      return { error: bytes.buffer.toString("latin1", 0, bytes.length - 2), wanted };
    }
    default:
      return { other: kind };
  }
}

const mg = (name: string, tokens: string[] = [], v = false, wanted: Wanted = "all"): Asked => ({
  mg: name,
  v,
  tokens,
  wanted,
});
const ms = (name: string, body: string, more: Partial<Asked & { ms: string }> = {}): Asked => ({
  ms: name,
  flags: 0,
  body,
  numbered: false,
  tokens: [],
  wanted: "all",
  ...more,
});
const md = (name: string, tokens: string[] = [], wanted: Wanted = "all"): Asked => ({
  md: name,
  tokens,
  wanted,
});
const no = (error: string, wanted: Wanted = "all"): Asked => ({ error, wanted });
const noop: Asked = { other: "noop" };

const name250 = "n".repeat(250);
const base64 = (name: string) => Buffer.from(name, "latin1").toString("base64");
const opaque31 = `O${"x".repeat(31)}`;

type Row = [title: string, text: string, ...requests: Asked[]];

const gets: Row[] = [
  ["without flags", "mg q\r\n", mg("q")],
  ["with the body", "mg q v\r\n", mg("q", [], true)],
  [
    "all that comes back, in the order asked",
    "mg q t s f k O7 c v\r\n",
    mg("q", ["t", "s", "f", "kq", "O7", "c"], true),
  ],
  [
    "flags are letters, what is behind them is ignored",
    "mg q vk s9 fast\r\n",
    mg("q", ["s", "f"], true),
  ],
  ["quiet", "mg q q v\r\n", mg("q", [], true, "quiet")],
  ["flags that mean nothing to a queue", "mg q l u E1 N30 R30 P L1 v\r\n", mg("q", [], true)],
  ["an empty opaque", "mg q O\r\n", mg("q", ["O"])],
  ["the longest opaque", `mg q ${opaque31}\r\n`, mg("q", [opaque31])],
  ["an opaque too long", `mg q ${opaque31}x\r\n`, no("CLIENT_ERROR opaque token too long")],
  ["a flag twice", "mg q v v\r\n", no("CLIENT_ERROR duplicate flag")],
  ["a flag that there is not", "mg q v Z\r\n", no("CLIENT_ERROR invalid flag")],
  ["no flag at all", "mg q 1\r\n", no("CLIENT_ERROR invalid flag")],
  ["what a quiet one is refused is told", "mg q q Z\r\n", no("CLIENT_ERROR invalid flag", "quiet")],
  ["no name", "mg\r\nmg  \r\n", no("ERROR"), no("ERROR")],
  ["a long name", `mg ${name250}\r\nmg ${name250}n\r\n`, mg(name250), no(BAD_FORMAT)],
  [
    "options",
    "mg q/close/t=500/open v k\r\n",
    mg("q/close/t=500/open", ["kq/close/t=500/open"], true),
  ],
  [
    "a bad option",
    "mg q/wait\r\n",
    no(
      "CLIENT_ERROR unknown option wait, known are t=<ms>, open, close, abort, peek, lease=<ms>, delay=<ms>, dead, early, leased, to=<queue>, all, or=<queue>, pause=<seconds>, resume",
    ),
  ],
  ["many spaces", "  mg   q   v  \r\n", mg("q", [], true)],
  ["LF alone", "mg q v\n", mg("q", [], true)],
];

const encoded: Row[] = [
  [
    "the key comes back as it was sent, and says so",
    `mg ${base64("jobs")} b k v O1\r\n`,
    mg("jobs", [`k${base64("jobs")} b`, "O1"], true),
  ],
  ["wherever the flag is", `mg ${base64("jobs")} k b\r\n`, mg("jobs", [`k${base64("jobs")} b`])],
  ["a key that is not to come back", `mg ${base64("jobs")} b\r\n`, mg("jobs")],
  ["any bytes", `mg ${base64("\0\xff\r\t")} b\r\n`, mg("\0\xff\r\t")],
  [
    "a slash among the digits is none in the name",
    `mg ${base64("\xff\xff\xff")} b\r\n`,
    mg("\xff\xff\xff"),
  ],
  ["options are encoded, too", `mg ${base64("q/peek")} b\r\n`, mg("q/peek")],
  ["a name of 250 bytes", `mg ${base64(name250)} b\r\n`, mg(name250)],
  ["a name of 251 bytes", `mg ${base64(`${name250}n`)} b\r\n`, no(BAD_FORMAT)],
  [
    "a space in the name",
    `mg ${base64("a b")} b\r\n`,
    no("CLIENT_ERROR a queue's name has no space and no line end in it"),
  ],
  [
    "a line end in the name",
    `ms ${base64("a\n")} 1 b\r\nx\r\n`,
    no("CLIENT_ERROR a queue's name has no space and no line end in it"),
  ],
  ...["jobs!", "am9icw", "am9icw=", "====", "=", "a", "am9i=cw="].map((key): Row => [
    `no base64: ${key}`,
    `mg ${key} b\r\nms ${key} 1 b\r\nx\r\nmd ${key} b\r\n`,
    ...Array.from({ length: 3 }, () => no("CLIENT_ERROR error decoding key")),
  ]),
  [
    "set and delete",
    `ms ${base64("q")} 2 b k\r\nhi\r\nmd ${base64("q")} b k\r\n`,
    ms("q", "hi", { tokens: [`k${base64("q")} b`] }),
    md("q", [`k${base64("q")} b`]),
  ],
];

const sets: Row[] = [
  ["without flags", "ms q 2\r\nhi\r\n", ms("q", "hi")],
  [
    "with flags",
    "ms q 2 F4294967295 k O9 s c q I T0 E5 N0\r\nhi\r\n",
    ms("q", "hi", {
      flags: 4294967295,
      tokens: ["kq", "O9", "s", "c"],
      numbered: true,
      wanted: "quiet",
    }),
  ],
  [
    "flags are 0 without F",
    "ms q 1 F7\r\na\r\nms q 1\r\nb\r\n",
    ms("q", "a", { flags: 7 }),
    ms("q", "b"),
  ],
  ["an empty body", "ms q 0\r\n\r\n", ms("q", "")],
  [
    "a body that looks like commands",
    "ms q 8\r\nmd q\r\nmn\r\nmn\r\n",
    ms("q", "md q\r\nmn"),
    noop,
  ],
  ["a wrong end", "ms q 2\r\nhiXXmn\r\n", no("CLIENT_ERROR bad data chunk"), noop],
  [
    "the largest body, and one more",
    `ms q 20\r\n${"x".repeat(20)}\r\nms q 21\r\n${"mn\r\n".repeat(5)}x\r\nmn\r\n`,
    ms("q", "x".repeat(20)),
    no("SERVER_ERROR object too large for cache"),
    noop,
  ],
  ["set mode", "ms q 2 MS\r\nhi\r\nms q 2 Ms\r\nhi\r\n", ms("q", "hi"), ms("q", "hi")],
  ...[..."EeAaPpRr"].map((mode): Row => [
    `mode ${mode}`,
    `ms q 4 q M${mode}\r\nmn\r\n\r\nmn\r\n`,
    no(`${meaningless(`mode ${mode}`)}, use S`, "quiet"),
    noop,
  ]),
  ...["M", "MX", "MSS", "Mset"].map((mode): Row => [
    `no mode: ${mode}`,
    `ms q 4 ${mode}\r\nmn\r\n\r\nmn\r\n`,
    no("CLIENT_ERROR invalid mode, use S"),
    noop,
  ]),
  ["compare and swap", "ms q 4 C7\r\nmn\r\n\r\nmn\r\n", no(meaningless("flag C")), noop],
  ...["F", "F-1", "Fx", "F4294967296", "F1x"].map((flag): Row => [
    `no number: ${flag}`,
    `ms q 4 ${flag}\r\nmn\r\n\r\nmn\r\n`,
    no(BAD_FORMAT),
    noop,
  ]),
  [
    "a flag of another command",
    "ms q 4 v\r\nmn\r\n\r\nmn\r\n",
    no("CLIENT_ERROR invalid flag"),
    noop,
  ],
  ["a slash in the name", "ms q/open 4\r\nmn\r\n\r\nmn\r\n", no(SLASH), noop],
  ["a name too long", `ms ${name250}n 4\r\nmn\r\n\r\nmn\r\n`, no(BAD_FORMAT), noop],
  [
    "no size",
    "ms q\r\nms q x\r\nms q -1\r\nms q S2\r\nms q 2147483646\r\n",
    ...Array.from({ length: 5 }, () => no(BAD_FORMAT)),
  ],
  ["no name", "ms\r\n", no("ERROR")],
];

const others: Row[] = [
  ["delete", "md q\r\nmd q q k O1 T5 E6\r\n", md("q"), md("q", ["kq", "O1"], "quiet")],
  [
    "delete with what would not delete",
    "md q I\r\nmd q x\r\n",
    no(meaningless("flag I")),
    no(meaningless("flag x")),
  ],
  [
    "delete with flags that there are not",
    "md q v\r\nmd q k k\r\n",
    no("CLIENT_ERROR invalid flag"),
    no("CLIENT_ERROR duplicate flag"),
  ],
  ["delete of no name", "md\r\nmd q/open\r\n", no("ERROR"), no(NAMED)],
  ["no-op", "mn\r\nmn and more\r\n", noop, noop],
  [
    "debug",
    `me q\r\nme ${base64("q")} b\r\nme\r\nme q v\r\n`,
    { me: "q" },
    { me: "q" },
    no("ERROR"),
    no("CLIENT_ERROR invalid flag"),
  ],
  [
    "arithmetic",
    "ma q\r\nma q N0 J1 q\r\nma\r\n",
    no(meaningless("ma")),
    no(meaningless("ma")),
    no("ERROR"),
  ],
  [
    "no meta command",
    "mz q\r\nm q\r\nmgq\r\nMZ q\r\nmx\r\n",
    ...Array.from({ length: 5 }, () => no("ERROR")),
  ],
  ["capitals", "MG q\r\nMg Q v\r\nMN\r\n", mg("q"), mg("Q", [], true), noop],
  [
    "a set with tabs",
    "MS q\t5\r\nmg q\n\r\nms\tq\t5\tT0\r\nmg q\n\r\nmg q\r\n",
    no("ERROR"),
    no("ERROR"),
    mg("q"),
  ],
  [
    "quiet is for one request only",
    "mg q q\r\nmg q\r\nget q\r\n",
    mg("q", [], false, "quiet"),
    mg("q"),
    mg("q", [], true),
  ],
];

const rows = [...gets, ...encoded, ...sets, ...others].map(([title, content, ...requests]) => ({
  title,
  bytes: Buffer.from(content, "latin1"),
  requests,
}));

const read = (pieces: Buffer[]) => requestsIn(pieces, MAX_BODY, requestOf);

describe.each(rows)("$title", ({ bytes, requests }) => {
  test("in one piece", () => expect(read([bytes])).toEqual(requests));

  test("cut at every place", () => {
    for (const pieces of cuts(bytes)) expect(read(pieces)).toEqual(requests);
  });

  test("a byte at a time", () => expect(read(singleBytes(bytes))).toEqual(requests));
});

test("all of them one after the other", () => {
  const all = Buffer.concat(rows.map(({ bytes }) => bytes));
  expect(read([all])).toEqual(rows.flatMap(({ requests }) => requests));
  expect(read(singleBytes(all))).toEqual(rows.flatMap(({ requests }) => requests));
});

test("each request is answered in its own dialect", () => {
  const bytes = Buffer.from("mg q\r\nget q\r\nmn\r\nmz\r\nversion\r\nma q\r\nnonsense\r\n");
  const dialects = requestsIn([bytes], MAX_BODY, ({ encoder }) => encoder);
  expect(
    dialects.map((dialect) => (dialect === meta ? "meta" : dialect === text ? "text" : "")),
  ).toEqual(["meta", "text", "meta", "text", "text", "meta", "text"]);
});
