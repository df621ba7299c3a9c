import { holds, lineLength, lineText } from "./bytes.ts";
import { HIT, type Longer, MISS, MORE, type ReadAnswer, UNEXPECTED } from "./dialect.ts";

const STORED = Buffer.from("STORED\r\n");
const DELETED = Buffer.from("DELETED\r\n");
const END = Buffer.from("END\r\n");
const AFTER_BODY = "\r\nEND\r\n".length;
const ID_DIGITS = 12;

/** Longer than any run, in milliseconds. */
const LEASE = 600_000;

/** A set with an id of its own each time. */
export function once(queue: string, body: Buffer): Longer {
  const head = `set ${queue}/id=`;
  const zeros = "0".repeat(ID_DIGITS);
  const request = Buffer.concat([
    Buffer.from(`${head}${zeros} 0 0 ${body.length}\r\n`),
    body,
    Buffer.from("\r\n"),
  ]);
  // Beyond those of a run before, which the server may remember.
  let id = Date.now() % 10 ** (ID_DIGITS - 1);
  return {
    request,
    read: reading(STORED),
    readNext: null,
    renew(requests) {
      for (let at = head.length; at < requests.length; at += request.length) {
        requests.write(`${++id}`.padStart(ID_DIGITS, "0"), at, "latin1");
      }
    },
  };
}

/** A lease, and its acknowledgement. */
export function lease(queue: string): Longer {
  return {
    request: Buffer.from(`gets ${queue}/lease=${LEASE}\r\n`),
    read: takingAnd((number) => Buffer.from(`delete ${queue}/${number}\r\n`)),
    readNext: reading(DELETED),
    renew: null,
  };
}

/** A message is opened; then one is set in its place, which closes it. */
export function close(queue: string, body: Buffer): Longer {
  const next = Buffer.concat([
    Buffer.from(`set ${queue}/close=${queue} 0 0 ${body.length}\r\n`),
    body,
    Buffer.from("\r\n"),
  ]);
  return {
    request: Buffer.from(`get ${queue}/open\r\n`),
    read: takingAnd(() => next),
    readNext: reading(STORED),
    renew: null,
  };
}

function reading(line: Buffer): ReadAnswer {
  return (answer, bytes, from, to) => {
    const isThere = holds(bytes, from, to, line);
    answer.outcome = isThere ? HIT : UNEXPECTED;
    return isThere ? line.length : lineLength(bytes, from, to);
  };
}

/** Reads a message, and goes on with what is made of its number. */
function takingAnd(next: (number: string) => Buffer): ReadAnswer {
  return (answer, bytes, from, to) => {
    const line = lineLength(bytes, from, to);
    if (line === 0) return 0;
    const [, size, number = ""] =
      /^VALUE \S+ \d+ (\d+)(?: (\d+))?$/.exec(lineText(bytes, from, line)) ?? [];
    if (size === undefined) {
      answer.outcome = holds(bytes, from, to, END) ? MISS : UNEXPECTED;
      return line;
    }
    const whole = line + Number(size) + AFTER_BODY;
    if (to - from < whole) return 0;
    answer.outcome = MORE;
    answer.next = next(number);
    return whole;
  };
}
