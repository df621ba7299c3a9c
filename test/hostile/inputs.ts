/** What nobody planned to send as text: bytes of any kind, and what is nearly a conversation. */
import type { Random } from "../protocol/random.ts";
import { conversations } from "../protocol/text/conversations.ts";

const verbs =
  "set set set set get gets delete add replace append prepend cas stats verbosity version".split(
    " ",
  );
const rare = [
  "quit",
  "db_checkpoint",
  "db_archive",
  "reset",
  "noreply",
  "foo",
  "SET",
  "",
  "stats reset",
];
const numbers = [
  "0",
  "1",
  "2",
  "3",
  "5",
  "9",
  "00",
  "-1",
  "-",
  "256",
  "257",
  "4294967295",
  "4294967296",
];
const wrong = [
  "2147483645",
  "2147483646",
  "99999999999999999999",
  "+1",
  "1.0",
  "x",
  "\0",
  "\xff",
  "-5",
];
const rarely = ["n".repeat(250), "n".repeat(251), "q\r", "\r", " ", "\t"];
const ends = ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "", "\r\r\n", "\n\r"];

/** Something near to a request. */
function request(random: Random): string {
  const words = [
    random.pick(random.below(6) === 0 ? rare : verbs),
    random.pick(["q", "a", "b\xe9", "q/open", "a/"]),
  ];
  for (let left = random.below(6); left > 0; left--) {
    words.push(random.pick(random.below(8) === 0 ? [...wrong, ...rarely] : numbers));
  }
  if (random.below(5) === 0) words.push("noreply");
  return words.join(random.below(10) === 0 ? "  " : " ") + random.pick(ends);
}

/** A set with a body that has the length it should have, or nearly so. */
function wholeSet(random: Random): string {
  const body =
    random.below(2) === 0 ? request(random) : random.bytes(random.below(30)).toString("latin1");
  const length = Math.max(0, body.length + (random.below(6) === 0 ? random.between(-2, 2) : 0));
  const noreply = random.below(5) === 0 ? " noreply" : "";
  return `set q ${random.below(100)} 0 ${length}${noreply}\r\n${body}\r\n`;
}

const options = ["open", "close", "abort", "peek", "t=0", "t=500", "t=2147483647"];
const badOptions = ["", "t", "t=", "t=-1", "t=2147483648", "t=5x", "Open", "opened", "ope", "wait"];

function key(random: Random): string {
  const parts = [random.below(30) === 0 ? random.pick(["", ...rarely]).trim() : "q"];
  for (let left = random.below(4); left > 0; left--) {
    parts.push(random.pick(random.below(10) === 0 ? badOptions : options));
  }
  return parts.join("/");
}

/** A piece of a conversation. */
function fragment(random: Random): string {
  const { text } = random.pick(conversations);
  const start = random.below(text.length + 1);
  return text.slice(start, start + random.below(80));
}

/** A conversation with some of its bytes changed, gone, or there twice. */
function mutated(random: Random): Buffer {
  let bytes = Buffer.from(random.pick(conversations).text, "latin1");
  for (let left = random.between(1, 4); left > 0; left--) {
    const start = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, start + random.below(20));
    const change = random.pick([
      () => random.bytes(random.below(4)),
      () => Buffer.alloc(0),
      () => Buffer.concat([bytes.subarray(start, end), bytes.subarray(start, end)]),
      () => Buffer.from(random.pick(conversations).text.slice(0, random.below(60)), "latin1"),
    ]);
    bytes = Buffer.concat([bytes.subarray(0, start), change(), bytes.subarray(end)]);
  }
  return bytes;
}

function nearlyRequests(random: Random): Buffer {
  const parts = Array.from({ length: random.between(1, 6) }, () =>
    random.pick([request, request, wholeSet, wholeSet, fragment])(random),
  );
  return Buffer.from(parts.join(""), "latin1");
}

/** A few byte values only, so that ends of lines and words are frequent. */
function fewValues(random: Random): Buffer {
  const values = Buffer.from("set get q 0 1\r\n\r\n  \n\xff/", "latin1");
  return Buffer.from(Array.from({ length: random.below(60) }, () => random.pick([...values])));
}

function anyBytes(random: Random): Buffer {
  return random.bytes(random.below(50));
}

function keys(random: Random): Buffer {
  const some = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => key(random));
  return Buffer.from(`get ${some.join(" ")}\r\n`);
}

const metaVerbs = "mg mg mg ms ms md mn me ma mx".split(" ");
const metaKeys = ["q", "q", "a", "cQ==", "q/open", "q/close", "q/t=500", "q/", ...rarely];
const metaFlags = [
  ..."b c f h k l q s t v x".split(" "),
  ..."O123 I MS MT T0 T30 F7 C1 E5 N30 Z T-1 F4294967296".split(" "),
  `O${"o".repeat(33)}`,
];

/** Something near to a meta command. */
export function meta(random: Random): Buffer {
  const verb = random.pick(metaVerbs);
  const words = [verb, random.pick(metaKeys)];
  const body = random.bytes(random.below(30)).toString("latin1");
  if (verb === "ms") {
    words.push(`${random.below(6) === 0 ? random.pick([...numbers, ...wrong]) : body.length}`);
  }
  for (let left = random.below(5); left > 0; left--) words.push(random.pick(metaFlags));
  const line = words.join(" ") + random.pick(ends);
  return Buffer.from(verb === "ms" ? `${line}${body}\r\n` : line, "latin1");
}

/** Each makes one input that the plain reference can read. */
export const inputs = { anyBytes, fewValues, nearlyRequests, keys, mutated };
export const kinds = Object.values(inputs);
