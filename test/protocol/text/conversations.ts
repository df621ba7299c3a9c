/** What clients send, and which requests that is: the part of PROTOCOL.md that is about reading requests. */
import { type Found, MAX_BODY } from "./reading.ts";

export interface Conversation {
  title: string;
  /** A character a byte. */
  text: string;
  found: Found[];
}

export const BAD_FORMAT = "CLIENT_ERROR bad command line format";
const BAD_CHUNK = "CLIENT_ERROR bad data chunk";
export const TOO_LARGE = "SERVER_ERROR object too large for cache";
export const SLASH =
  "CLIENT_ERROR a slash has no place in the name here, it begins the options of a get";
export const NAMED =
  "CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told";
export const BAD_TOUCH =
  "CLIENT_ERROR seconds from 1 to 2592000 are accepted, 0 gives the message back, -1 makes it a dead letter";
export const BAD_LEASE = "CLIENT_ERROR a lease lasts from 1 to 2592000 seconds";
export const ONE_WAIT =
  "CLIENT_ERROR with several queues all of them have t=, with the same time, up to 16, and then none has or=";
export const NO_DELAY = "CLIENT_ERROR a delay other than 0 is not possible";
export const TOO_LONG = "CLIENT_ERROR line too long";

export function set(name: string, flags: number, body: string, noreply = false): Found {
  return { kind: "set", name, flags, body, noreply };
}

export function get(...names: string[]): Found {
  return { kind: "get", names };
}

export function refused(answer: string): Found {
  return { kind: "error", answer, noreply: false, fatal: false };
}

/** A set whose body arrived, and is not followed by CR LF. */
export function wrongEnd(noreply = false): Found {
  return { kind: "error set", answer: BAD_CHUNK, noreply, fatal: false };
}

export function silent(answer: string): Found {
  return { ...refused(answer), noreply: true };
}

export function fatal(answer: string): Found {
  return { ...refused(answer), fatal: true };
}

const ERROR = refused("ERROR");
const unknownOption = (option: string) =>
  refused(
    `CLIENT_ERROR unknown option ${option}, known are t=<ms>, open, close, abort, peek, lease=<ms>, delay=<ms>, dead, early, leased, to=<queue>, all, or=<queue>, pause=<seconds>, resume`,
  );
const meaningless = (verb: string) => `CLIENT_ERROR ${verb} has no meaning for a queue, use set`;

/** Does harm when it is read as requests; 25 bytes. */
export const dangerous = "delete jobs\r\nget jobs\r\nq\r";
export const everyByte = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join(
  "",
);

const tooLargeBody = dangerous.repeat(MAX_BODY).slice(0, MAX_BODY + 1);
const tooLarge = `${MAX_BODY + 1}\r\n${tooLargeBody}`;

const name250 = "n".repeat(250);
const name251 = "n".repeat(251);

type Row = [title: string, text: string, ...found: Found[]];

const lines: Row[] = [
  ["a line ends in CR LF", "get q\r\n", get("q")],
  ["a line ends in LF alone", "get q\n", get("q")],
  ["only one CR belongs to the line end", "get q\r\r\n", get("q\r")],
  ["a CR in the middle is part of a word", "get a\rb\r\n", get("a\rb")],
  ["a CR between spaces is a word", "get \r \r\n", get("\r")],
  ["a CR that begins the last word", "get \rq\n", get("\rq")],
  ["a line without its end is no request", "get q\r"],
  ["nothing is no request", ""],
  ["an empty line", "\r\n", ERROR],
  ["an empty line of LF alone", "\n", ERROR],
  ["a line of spaces", "   \r\n", ERROR],
  ["a line of CR CR LF", "\r\r\n", ERROR],
  ["spaces at the start, the end and in between", "   get   a   b   \r\n", get("a", "b")],
  ["a tab separates nothing", "get\tq\r\nget a\tb\r\n", ERROR, get("a\tb")],
  [
    "capitals",
    "GET q\r\nSet Q 0 0 1\r\nX\r\nSTATS\r\nQuit\r\n",
    get("q"),
    set("Q", 0, "X"),
    { kind: "stats" },
    { kind: "quit" },
  ],
  ["capitals in other words", "STATS QUEUE\r\nGET Q/OPEN\r\n", ERROR, unknownOption("OPEN")],
  ["a browser", "GET / HTTP/1.1\r\nHost: a\r\n", fatal("ERROR")],
  ["a browser that posts", "POST / HTTP/1.1\r\nset q 0 0 1\r\nx\r\n", fatal("ERROR")],
  ["a set that could be a browser's line", "SET q 0 0 HTTP/\r\nversion\r\n", fatal("ERROR")],
  ["several lines at once", "get a\r\nget b\nget c\r\n", get("a"), get("b"), get("c")],
];

const names: Row[] = [
  ["a name of one byte", "get q\r\n", get("q")],
  ["a name of 250 bytes", `get ${name250}\r\n`, get(name250)],
  ["a name of 251 bytes", `get ${name251}\r\n`, refused(BAD_FORMAT)],
  ["all names are checked", `get a ${name251} b\r\n`, refused(BAD_FORMAT)],
  [
    "names of unusual bytes",
    "get \0 \xff\x80 \x01\x7f\xa0 \t\r\n",
    get("\0", "\xff\x80", "\x01\x7f\xa0", "\t"),
  ],
  ["a name that is a request", "get get set noreply\r\n", get("get", "set", "noreply")],
  ["a name as long as a request", "get ge gett\r\n", get("ge", "gett")],
];

const sets: Row[] = [
  ["set", "set q 0 0 5\r\nHello\r\n", set("q", 0, "Hello")],
  ["set with LF alone", "set q 0 0 5\nHello\r\n", set("q", 0, "Hello")],
  ["set with spaces", "  set   q  7   0  5  \r\nHello\r\n", set("q", 7, "Hello")],
  ["an empty body", "set q 0 0 0\r\n\r\n", set("q", 0, "")],
  ["the largest flags", "set q 4294967295 0 1\r\nx\r\n", set("q", 4_294_967_295, "x")],
  ["flags with zeros in front", "set q 0007 0 001\r\nx\r\n", set("q", 7, "x")],
  ["a negative exptime", "set q 0 -1 1\r\nx\r\n", set("q", 0, "x")],
  ["a date for exptime", "set q 0 1767225600 1\r\nx\r\n", set("q", 0, "x")],
  ["a name of 250 bytes to set", `set ${name250} 0 0 1\r\nx\r\n`, set(name250, 0, "x")],
  ["a name of unusual bytes to set", "set \xe9\0\r 0 0 1\r\nx\r\n", set("\xe9\0\r", 0, "x")],
  ["a body of commands", `set q 0 0 25\r\n${dangerous}\r\n`, set("q", 0, dangerous)],
  ["a body of line ends", "set q 0 0 6\r\n\r\n\r\n\r\n\r\n", set("q", 0, "\r\n\r\n\r\n")],
  [
    "a body of set commands",
    "set q 0 0 16\r\nset q 0 0 5\r\nHel\r\n",
    set("q", 0, "set q 0 0 5\r\nHel"),
  ],
  [
    "the largest body, of every byte",
    `set q 0 0 ${MAX_BODY}\r\n${everyByte}\r\n`,
    set("q", 0, everyByte),
  ],
  ["set with noreply", "set q 0 0 5 noreply\r\nHello\r\n", set("q", 0, "Hello", true)],
  [
    "noreply ends with its request",
    "set q 0 0 1 noreply\r\nx\r\nset q 0 0 1\r\ny\r\n",
    set("q", 0, "x", true),
    set("q", 0, "y"),
  ],
  ["a body that is not there yet is no request", "set q 0 0 5\r\nHello"],
  ["a body whose CR LF is not there yet is no request", "set q 0 0 5\r\nHello\r"],
  ["an empty body that is not there yet is no request", "set q 0 0 0\r\n"],
];

const misspelt: Row[] = [
  ["a misspelt set", `sett q 0 0 25\r\n${dangerous}\r\n`, ERROR],
  ["a misspelt set in capitals", `PUT Q 0 0 25\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  ["a misspelt set with more words", `sets q 0 -1 25 17 x\r\n${dangerous}\r\n`, ERROR],
  ["a set with tabs", `set\tq\t0\t0\t25\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  ["a set with a tab", `set q 0 0\t25\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  ["a set with a tab behind it", `Set q 0 0 25\t\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  [
    "a set with a tab, and noreply",
    `set q\t0 0 25 noreply\r\n${dangerous}\r\nget q\r\n`,
    silent("ERROR"),
    get("q"),
  ],
  ["an add with tabs", `ADD\tq\t0\t0\t25\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  ["a misspelt set with tabs", `sett\tq\t0\t0\t25\r\n${dangerous}\r\n`, ERROR],
  ["a meta set with tabs", `ms\tq\t25\r\n${dangerous}\r\nget q\r\n`, ERROR, get("q")],
  ["a name with a tab", "set a\tb 0 0 1\r\nx\r\n", set("a\tb", 0, "x")],
  ["a body that can't be seen", "sett q 0 25\r\nget q\r\n", ERROR, get("q")],
  ["a size that is none", "sett q 0 0 -1\r\nget q\r\n", ERROR, get("q")],
  ["numbers behind another command", "get\ta\t1\t2\t3\r\nget q\r\n", ERROR, get("q")],
  ["numbers behind another known one", "incr a 1 2 3 4\r\nget q\r\n", ERROR, get("q")],
];

const badBodies: Row[] = [
  ["a body that is too long", "set q 0 0 5\r\nHelloXX\r\n", wrongEnd(), ERROR],
  ["a body that is too short", "set q 0 0 5\r\nHel\r\nversion\r\n", wrongEnd(), refused("ERROR")],
  ["a body that ends in LF LF", "set q 0 0 5\r\nHello\n\nget q\r\n", wrongEnd(), get("q")],
  ["a body that ends in CR CR", "set q 0 0 5\r\nHello\r\rget q\r\n", wrongEnd(), get("q")],
  ["a body that ends in LF CR", "set q 0 0 5\r\nHello\n\rget q\r\n", wrongEnd(), get("q")],
  ["a body that ends in X LF", "set q 0 0 5\r\nHelloX\nget q\r\n", wrongEnd(), get("q")],
  ["an empty body with a wrong end", "set q 0 0 0\r\nXXget q\r\n", wrongEnd(), get("q")],
  ["a wrong end with noreply", "set q 0 0 1 noreply\r\nxXXget q\r\n", wrongEnd(true), get("q")],
  [
    "a wrong end, and then a good body",
    "set q 0 0 1\r\nxXXset q 0 0 1\r\ny\r\n",
    wrongEnd(),
    set("q", 0, "y"),
  ],
];

/** Requests whose body is swallowed, a body of 25 bytes here. */
const swallowed: [line: string, answer: string][] = [
  ["set q x 0 25", BAD_FORMAT],
  ["set q -1 0 25", BAD_FORMAT],
  ["set q 4294967296 0 25", BAD_FORMAT],
  ["set q 1.5 0 25", BAD_FORMAT],
  ["set q 0 x 25", BAD_FORMAT],
  ["set q 0 - 25", BAD_FORMAT],
  ["set q 0 1.5 25", BAD_FORMAT],
  [`set ${name251} 0 0 25`, BAD_FORMAT],
  ["set a/b 0 0 25", SLASH],
  ["set q/open 0 0 25", SLASH],
  ["set / 0 0 25", SLASH],
  ["set q/ 0 0 25", SLASH],
  ["set q 0 0 25 more", "ERROR"],
  ["set q 0 0 25 Noreply", "ERROR"],
  ["set q 0 0 25 noreply more", "ERROR"],
  ["set q 0 0 25 1 2 3", "ERROR"],
  ["set q x x 25 more", "ERROR"],
  ["add q 0 0 25", meaningless("add")],
  ["replace q 0 0 25", meaningless("replace")],
  ["append q 0 0 25", meaningless("append")],
  ["prepend q 0 0 25", meaningless("prepend")],
  ["cas q 0 0 25 17", meaningless("cas")],
  ["add q x 0 25", BAD_FORMAT],
  ["cas q 0 x 25 17", BAD_FORMAT],
  [`append ${name251} 0 0 25`, BAD_FORMAT],
  ["add q 0 0 25 more", "ERROR"],
  ["cas q 0 0 25 17 more", "ERROR"],
  ["cas q 0 0 25", "ERROR"],
];

/** The same, with noreply. */
const swallowedSilently: [line: string, answer: string][] = [
  ["set q x 0 25 noreply", BAD_FORMAT],
  ["set q 0 x 25 noreply", BAD_FORMAT],
  [`set ${name251} 0 0 25 noreply`, BAD_FORMAT],
  ["set a/b 0 0 25 noreply", SLASH],
  ["set q 0 0 25 more noreply", "ERROR"],
  ["add q 0 0 25 noreply", meaningless("add")],
  ["replace q 0 0 25 noreply", meaningless("replace")],
  ["append q 0 0 25 noreply", meaningless("append")],
  ["prepend q 0 0 25 noreply", meaningless("prepend")],
  ["cas q 0 0 25 17 noreply", meaningless("cas")],
];

const swallowing: Row[] = [
  ...swallowed.map(([line, answer]): Row => [
    line,
    `${line}\r\n${dangerous}\r\nget q\r\n`,
    refused(answer),
    get("q"),
  ]),
  ...swallowedSilently.map(([line, answer]): Row => [
    line,
    `${line}\r\n${dangerous}\r\nget q\r\n`,
    silent(answer),
    get("q"),
  ]),
  ...["set", "add", "replace", "append", "prepend"].map((verb): Row => {
    const answer = verb === "set" ? TOO_LARGE : meaningless(verb);
    const text = `${verb} q 0 0 ${tooLarge}\r\nget q\r\n`;
    return [`${verb} a byte too much`, text, refused(answer), get("q")];
  }),
  [
    "too large with noreply",
    `set q 0 0 ${MAX_BODY + 1} noreply\r\n${tooLargeBody}\r\nget q\r\n`,
    silent(TOO_LARGE),
    get("q"),
  ],
  [
    "too large and a bad name",
    `set ${name251} 0 0 ${tooLarge}\r\nget q\r\n`,
    refused(BAD_FORMAT),
    get("q"),
  ],
  ["an empty body to be swallowed", "set q x 0 0\r\n\r\nget q\r\n", refused(BAD_FORMAT), get("q")],
  [
    "a swallowed body needs no good end",
    `set q x 0 25\r\n${dangerous}XXget q\r\n`,
    refused(BAD_FORMAT),
    get("q"),
  ],
  ["what is refused is known before its body is there", "set q x 0 25\r\ndel", refused(BAD_FORMAT)],
  [
    "two swallowed in a row",
    `add q 0 0 25\r\n${dangerous}\r\nadd q 0 0 25\r\n${dangerous}\r\nget q\r\n`,
    refused(meaningless("add")),
    refused(meaningless("add")),
    get("q"),
  ],
];

/** Names with options; what they mean is tested with the keys. */
const keys: Row[] = [
  ["options", "get q/open\r\nget q/close/open\r\n", get("q/open"), get("q/close/open")],
  ["gets with an option", "gets q/peek\r\n", { kind: "gets", names: ["q/peek"] }],
  ["several keys, each with its options", "get a/open b c/peek\r\n", get("a/open", "b", "c/peek")],
  ["waiting", "get q/t=500\r\nget q/open/t=0\r\n", get("q/t=500"), get("q/open/t=0")],
  [
    "waiting with several keys",
    "get a/t=5 b\r\nget a b/t=5\r\nget a/t=5 b/t=6\r\nget a/t=5 b/t=5\r\n",
    refused(ONE_WAIT),
    refused(ONE_WAIT),
    refused(ONE_WAIT),
    get("a/t=5", "b/t=5"),
  ],
  [
    "a name of 250 bytes with options",
    `get ${name250}/close/open\r\n`,
    get(`${name250}/close/open`),
  ],
  ["a name of 251 bytes with options", `get ${name251}/open\r\n`, refused(BAD_FORMAT)],
  ["options without a name", "get /open\r\n", refused(BAD_FORMAT)],
  ["an unknown option", "get q/wait\r\n", unknownOption("wait")],
  [
    "a bad value",
    "get q/t=soon\r\n",
    refused("CLIENT_ERROR bad value in t=soon, milliseconds from 0 to 2147483647 are accepted"),
  ],
  ["an option twice", "get q/open/open\r\nget q/t=1/t=2\r\n", get("q/open/open"), get("q/t=1/t=2")],
  ["a slash at the end", "get q/ q/open/\r\n", get("q/", "q/open/")],
  ["two slashes", "get q//open\r\n", get("q//open")],
  [
    "a time where nothing is waited for",
    "get a/close/t=5 b/t=5/abort\r\n",
    get("a/close/t=5", "b/t=5/abort"),
  ],
  [
    "a bad time where nothing is waited for",
    "get q/close/t=soon\r\n",
    refused("CLIENT_ERROR bad value in t=soon, milliseconds from 0 to 2147483647 are accepted"),
  ],
  [
    "options that clash",
    "get q/abort/open\r\n",
    refused("CLIENT_ERROR option abort does not go with open"),
  ],
  [
    "all keys are checked",
    "get a b/abort/open c\r\n",
    refused("CLIENT_ERROR option abort does not go with open"),
  ],
];

const flushes: Row[] = [
  ["flush", "flush q\r\n", { kind: "flush", name: "q", noreply: false }],
  ["flush with noreply", "flush q noreply\r\n", { kind: "flush", name: "q", noreply: true }],
  [
    "flush a queue named noreply",
    "flush noreply\r\n",
    { kind: "flush", name: "noreply", noreply: false },
  ],
  ["flush without a name", "flush\r\n", ERROR],
  ["flush with a slash", "flush q/open\r\nflush q/ noreply\r\n", refused(SLASH), silent(SLASH)],
  [
    "flush a name of 250 bytes",
    `flush ${name250}\r\n`,
    { kind: "flush", name: name250, noreply: false },
  ],
  ["flush a name of 251 bytes", `flush ${name251}\r\n`, refused(BAD_FORMAT)],
  [
    "flush a name of 251 bytes and more behind a slash",
    `flush ${name251}/x\r\n`,
    refused(BAD_FORMAT),
  ],
  [
    "flush with a word too many",
    "flush q 0\r\nflush q 0 noreply\r\n",
    refused(BAD_FORMAT),
    silent(BAD_FORMAT),
  ],
  ["flush_all", "flush_all\r\n", { kind: "flush_all", noreply: false }],
  ["flush_all with noreply", "flush_all noreply\r\n", { kind: "flush_all", noreply: true }],
  ["flush_all without a delay", "flush_all 0\r\n", { kind: "flush_all", noreply: false }],
  [
    "flush_all without a delay, with noreply",
    "flush_all 0 noreply\r\n",
    { kind: "flush_all", noreply: true },
  ],
  [
    "flush_all with a delay",
    "flush_all 10\r\nflush_all -1\r\n",
    refused(NO_DELAY),
    refused(NO_DELAY),
  ],
  ["flush_all with a delay and noreply", "flush_all 10 noreply\r\n", silent(NO_DELAY)],
  [
    "flush_all with a word",
    "flush_all now\r\nflush_all q noreply\r\n",
    refused(BAD_FORMAT),
    silent(BAD_FORMAT),
  ],
  ["flush_all with a word too many", "flush_all 0 0\r\n", refused(BAD_FORMAT)],
  ["delete with a slash", "delete q/open\r\ndelete q/ noreply\r\n", refused(NAMED), silent(NAMED)],
  [
    "acknowledge and touch",
    "delete q/5 0 noreply\r\ndelete q/9007199254740991\r\ntouch q/5 60\r\ntouch q/5 -1 noreply\r\n",
    { kind: "acknowledge", name: "q", noreply: true },
    { kind: "acknowledge", name: "q", noreply: false },
    { kind: "touch", name: "q", noreply: false },
    { kind: "touch", name: "q", noreply: true },
  ],
];

/** The end of the body is not known: the next line is the next request. */
const unknownEnds: Row[] = [
  ...["x", "-1", "-0", "+5", "5.0", "5x", "0x5", "2147483646", "99999999999999999999"].map(
    (bytes): Row => [
      `${bytes} bytes`,
      `set q 0 0 ${bytes}\r\nget q\r\n`,
      refused(BAD_FORMAT),
      get("q"),
    ],
  ),
  [
    "bytes that are no number, with noreply",
    "set q 0 0 x noreply\r\nget q\r\n",
    silent(BAD_FORMAT),
    get("q"),
  ],
  [
    "noreply in the place of the bytes",
    "set q 0 0 noreply\r\nget q\r\n",
    silent(BAD_FORMAT),
    get("q"),
  ],
  ["set alone", "set\r\nget q\r\n", ERROR, get("q")],
  ["set with one word", "set q\r\nget q\r\n", ERROR, get("q")],
  ["set with two words", "set q 0\r\nget q\r\n", ERROR, get("q")],
  ["set with three words", "set q 0 0\r\nget q\r\n", ERROR, get("q")],
  [
    "set with three words, the last noreply",
    "set q 0 noreply\r\nget q\r\n",
    silent("ERROR"),
    get("q"),
  ],
  [
    "bytes that are no number, and a word too many",
    "set q 0 0 x more\r\nget q\r\n",
    ERROR,
    get("q"),
  ],
  ["add with three words", "add q 0 0\r\nget q\r\n", ERROR, get("q")],
  ["add with bytes that are no number", "add q 0 0 x\r\nget q\r\n", refused(BAD_FORMAT), get("q")],
  [
    "cas with bytes that are no number",
    "cas q 0 0 x 17\r\nget q\r\n",
    refused(BAD_FORMAT),
    get("q"),
  ],
  ["cas alone", "cas\r\n", ERROR],
];

const others: Row[] = [
  ["get without a name", "get\r\nget   \r\n", ERROR, ERROR],
  ["gets without a name", "gets\r\n", ERROR],
  ["gets", "gets a b\r\n", { kind: "gets", names: ["a", "b"] }],
  ["gets with a name that is too long", `gets a ${name251}\r\n`, refused(BAD_FORMAT)],
  ["a name twice", "get q q\r\n", get("q", "q")],
  ["many names, then few", "get a b c d e\r\nget f\r\n", get("a", "b", "c", "d", "e"), get("f")],
  ["delete", "delete q\r\n", { kind: "delete", name: "q", noreply: false }],
  ["delete with a time", "delete q 0\r\n", { kind: "delete", name: "q", noreply: false }],
  ["delete with a negative time", "delete q -5\r\n", { kind: "delete", name: "q", noreply: false }],
  ["delete with noreply", "delete q noreply\r\n", { kind: "delete", name: "q", noreply: true }],
  [
    "delete with a time and noreply",
    "delete q 0 noreply\r\n",
    { kind: "delete", name: "q", noreply: true },
  ],
  [
    "delete a queue named noreply",
    "delete noreply\r\n",
    { kind: "delete", name: "noreply", noreply: false },
  ],
  ["delete with a time that is none", "delete q soon\r\n", refused(BAD_FORMAT)],
  ["delete with a time that is none, and noreply", "delete q soon noreply\r\n", silent(BAD_FORMAT)],
  ["delete with a word too many", "delete q 0 0\r\n", refused(BAD_FORMAT)],
  ["delete with a word too many and noreply", "delete q 0 0 noreply\r\n", silent(BAD_FORMAT)],
  ["delete with noreply in the wrong place", "delete q noreply 0\r\n", refused(BAD_FORMAT)],
  [
    "delete a name of 250 bytes",
    `delete ${name250}\r\n`,
    { kind: "delete", name: name250, noreply: false },
  ],
  ["delete a name of 251 bytes", `delete ${name251}\r\n`, refused(BAD_FORMAT)],
  [
    "delete a name of 251 bytes and more behind a slash",
    `delete ${name251}/x\r\n`,
    refused(BAD_FORMAT),
  ],
  ["delete a name of 251 bytes with noreply", `delete ${name251} noreply\r\n`, silent(BAD_FORMAT)],
  ["delete without a name", "delete\r\n", ERROR],
  ["stats", "stats\r\n", { kind: "stats" }],
  ["stats reset", "stats reset\r\n", { kind: "stats reset" }],
  ["stats queue", "stats queue\r\n", { kind: "stats queues" }],
  ["stats queue of one queue", "stats queue q\r\n", { kind: "stats queue", name: "q" }],
  [
    "stats queue with a slash",
    "stats queue a/b\r\nstats queue q/\r\n",
    refused(SLASH),
    refused(SLASH),
  ],
  ["stats queue with more words", "stats queue q w x\r\n", { kind: "stats queue", name: "q" }],
  [
    "stats queue of 250 bytes",
    `stats queue ${name250}\r\n`,
    { kind: "stats queue", name: name250 },
  ],
  ["stats queue of 251 bytes", `stats queue ${name251}\r\n`, refused(BAD_FORMAT)],
  [
    "stats queue of 251 bytes and more behind a slash",
    `stats queue ${name251}/x\r\n`,
    refused(BAD_FORMAT),
  ],
  ["stats of anything else", "stats foo\r\nstats QUEUE\r\nstats queues\r\n", ERROR, ERROR, ERROR],
  ["version", "version\r\nversion x\r\n", { kind: "version" }, ERROR],
  ["db_checkpoint", "db_checkpoint\r\ndb_checkpoint x\r\n", { kind: "db_checkpoint" }, ERROR],
  ["db_archive", "db_archive\r\ndb_archive x\r\n", { kind: "db_archive" }, ERROR],
  ["quit", "quit\r\nquit x\r\n", { kind: "quit" }, ERROR],
  ["quit with noreply", "quit noreply\r\n", ERROR],
  [
    "verbosity",
    "verbosity 0\r\nverbosity 2\r\n",
    { kind: "verbosity", level: 0, noreply: false },
    { kind: "verbosity", level: 2, noreply: false },
  ],
  [
    "verbosity with noreply",
    "verbosity 1 noreply\r\n",
    { kind: "verbosity", level: 1, noreply: true },
  ],
  ["verbosity without a number", "verbosity\r\n", ERROR],
  [
    "verbosity with a word",
    "verbosity loud\r\nverbosity -1\r\n",
    refused(BAD_FORMAT),
    refused(BAD_FORMAT),
  ],
  ["verbosity with a word and noreply", "verbosity loud noreply\r\n", silent(BAD_FORMAT)],
  ["verbosity with noreply alone", "verbosity noreply\r\n", silent(BAD_FORMAT)],
  [
    "numbers and times, which messages have not, with noreply",
    "incr q 1 noreply\r\ndecr q 1 noreply\r\ntouch q 0 noreply\r\n",
    silent("ERROR"),
    silent("ERROR"),
    silent(NAMED),
  ],
  [
    "words that are nearly commands",
    "se q 0 0 1\r\nsett\r\ngett q\r\nversio\r\nstat\r\n",
    ERROR,
    ERROR,
    ERROR,
    ERROR,
    ERROR,
  ],
  [
    "other commands",
    "incr q 1\r\ntouch q 0\r\ngat 0 q\r\nconstructor\r\n__proto__\r\n",
    ERROR,
    refused(NAMED),
    refused(BAD_LEASE),
    ERROR,
    ERROR,
  ],
  [
    "noreply of one request is not the next one's",
    "delete q noreply\r\nfoo\r\nget q\r\nverbosity 1\r\n",
    { kind: "delete", name: "q", noreply: true },
    ERROR,
    get("q"),
    { kind: "verbosity", level: 1, noreply: false },
  ],
];

export const conversations: Conversation[] = [
  ...[
    lines,
    names,
    sets,
    misspelt,
    badBodies,
    swallowing,
    keys,
    flushes,
    unknownEnds,
    others,
  ].flat(),
].map(([title, text, ...found]) => ({ title, text, found }));
