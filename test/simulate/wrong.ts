/** Requests that are refused, and with which words. `q` and `r` are queues of the simulation. */
import { packet } from "./ask.ts";

export interface Wrong {
  binary: boolean;
  bytes: (maxBody: number) => string;
  answer: string;
  /** The status of a binary answer; the answer is its value. */
  status?: number;
  /** It counts as a set. */
  isSet?: boolean;
  /** The connection ends behind the answer. */
  isFatal?: boolean;
}

const FORMAT = "CLIENT_ERROR bad command line format\r\n";
const NO_MEANING = "has no meaning for a queue, use set\r\n";
const ONE_WAIT =
  "with several queues all of them have t=, with the same time, up to 16, and then none has or=";
const BAD_NUMBER = "a message is named <queue>/<number>, with the number that its lease told";
const SLASH = "a slash has no place in the name here, it begins the options of a get";

function text(line: string, answer: string, more: Partial<Wrong> = {}): Wrong {
  return { binary: false, bytes: () => line, answer, ...more };
}

function bits(opcode: number, key: string, value: string, status: number, answer: string): Wrong {
  const bytes = () => packet(opcode, 0, "", key, value);
  return { binary: true, bytes, answer, status };
}

function tooLarge(command: string, end: string): (maxBody: number) => string {
  return (maxBody) => `${command} ${maxBody + 1}${end}\r\n${"x".repeat(maxBody + 1)}\r\n`;
}

const TOO_LARGE = "SERVER_ERROR object too large for cache\r\n";

export const WRONG: readonly Wrong[] = [
  text("bogus\r\n", "ERROR\r\n"),
  text("\r\n", "ERROR\r\n"),
  text("get\r\n", "ERROR\r\n"),
  text("version 1\r\n", "ERROR\r\n"),
  text("incr q 5\r\n", "ERROR\r\n"),
  text("stats nothing\r\n", "ERROR\r\n"),
  text("set q x 0 5\r\nget q\r\n", FORMAT),
  text("set q 0 x 5\r\nget q\r\n", FORMAT),
  text("set q 0 0 x\r\n", FORMAT),
  text(`set ${"n".repeat(251)} 0 0 5\r\nget q\r\n`, FORMAT),
  text("set q 0 0 5\r\nget qxx", "CLIENT_ERROR bad data chunk\r\n", { isSet: true }),
  text("set q/open 0 0 5\r\nget q\r\n", `CLIENT_ERROR ${SLASH}\r\n`),
  text("add q 0 0 5\r\nget q\r\n", `CLIENT_ERROR add ${NO_MEANING}`),
  text("cas q 0 0 5 1\r\nget q\r\n", `CLIENT_ERROR cas ${NO_MEANING}`),
  text("append q 0 0 5 noreply\r\nget q\r\n", ""),
  text("get q/t=1 r\r\n", `CLIENT_ERROR ${ONE_WAIT}\r\n`),
  text("get q/open/peek\r\n", "CLIENT_ERROR option peek does not go with open\r\n"),
  text("get q r/abort/open\r\n", "CLIENT_ERROR option abort does not go with open\r\n"),
  text("delete q/open\r\n", `CLIENT_ERROR ${BAD_NUMBER}\r\n`),
  text("delete q x\r\n", FORMAT),
  text("flush_all 5\r\n", "CLIENT_ERROR a delay other than 0 is not possible\r\n"),
  text("mg q v v\r\n", "CLIENT_ERROR duplicate flag\r\n"),
  text("mg q !\r\n", "CLIENT_ERROR invalid flag\r\n"),
  text("mg ? b v\r\n", "CLIENT_ERROR error decoding key\r\n"),
  text("ms q 5 ME\r\nget q\r\n", "CLIENT_ERROR mode E has no meaning for a queue, use S\r\n"),
  text("ma q\r\n", "CLIENT_ERROR ma has no meaning for a queue\r\n"),
  { binary: false, bytes: tooLarge("set q 0 0", ""), answer: TOO_LARGE },
  { binary: false, bytes: tooLarge("set q 0 0", " noreply"), answer: "" },
  { binary: false, bytes: tooLarge("ms q", ""), answer: TOO_LARGE },
  text(`get ${"q".repeat(70_000)}\r\n`, "CLIENT_ERROR line too long\r\n", { isFatal: true }),
  text("GET / HTTP/1.1\r\n", "ERROR\r\n", { isFatal: true }),
  bits(0x02, "q", "body", 0x81, "Unknown command"),
  bits(0x00, "", "", 0x04, "a key is needed"),
  bits(0x00, "q", "x", 0x04, "a value has no place here"),
  bits(0x01, "q", "x", 0x04, "extras of 0 bytes, there must be 8"),
  bits(0x04, "q/open", "", 0x04, BAD_NUMBER),
  bits(0x10, "nothing", "", 0x01, "Not found"),
];
