import { holds, lineLength, lineText } from "./bytes.ts";
import { type Answer, type Encoder, HIT, MISS, MORE, UNEXPECTED } from "./dialect.ts";

const INSERTED = Buffer.from("INSERTED ");
const RESERVED = Buffer.from("RESERVED ");
const DELETED = Buffer.from("DELETED\r\n");
const TIMED_OUT = Buffer.from("TIMED_OUT\r\n");
const CRLF = Buffer.from("\r\n");

/**
 * A tube as a queue: put appends a message; what is reserved is taken when it is deleted, which is one get. It is the
 * tube `default`, whatever the queue is called, so that a connection has nothing to say before it begins.
 */
export function beanstalkd(_queue: string, body: Buffer): Encoder {
  const data = Buffer.concat([body, CRLF]);
  return {
    greetings: [],
    set: Buffer.concat([Buffer.from(`put 0 0 120 ${body.length}\r\n`), data]),
    get: Buffer.from("reserve-with-timeout 0\r\n"),
    longer: null,
    clear: null,
    readSet(answer, bytes, from, to) {
      answer.outcome = holds(bytes, from, to, INSERTED) ? HIT : UNEXPECTED;
      return lineLength(bytes, from, to);
    },
    readGet(answer, bytes, from, to) {
      const line = lineLength(bytes, from, to);
      if (line === 0) return 0;
      if (!holds(bytes, from, to, RESERVED)) return readOther(answer, bytes, from, to, line);
      const [, id = "", size = ""] = lineText(bytes, from, line).split(" ");
      const whole = line + Number(size) + CRLF.length;
      if (to - from < whole) return 0;
      answer.outcome = holds(bytes, from + line, to, data) ? MORE : UNEXPECTED;
      answer.next = Buffer.from(`delete ${id}\r\n`);
      return whole;
    },
    readNext(answer, bytes, from, to) {
      answer.outcome = holds(bytes, from, to, DELETED) ? HIT : UNEXPECTED;
      return lineLength(bytes, from, to);
    },
  };
}

function readOther(
  answer: Answer,
  bytes: Buffer,
  from: number,
  to: number,
  length: number,
): number {
  answer.outcome = holds(bytes, from, to, TIMED_OUT) ? MISS : UNEXPECTED;
  return length;
}
