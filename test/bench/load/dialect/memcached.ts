import { holds, lineLength, lineText } from "./bytes.ts";
import { close, lease, once } from "./deliveries.ts";
import { type Answer, type Encoder, HIT, MISS, UNEXPECTED } from "./dialect.ts";

const STORED = Buffer.from("STORED\r\n");
const END = Buffer.from("END\r\n");
const AFTER_BODY = "\r\nEND\r\n".length;

export function memcached(queue: string, body: Buffer): Encoder {
  const crlf = Buffer.from("\r\n");
  const head = Buffer.from(`VALUE ${queue} 0 ${body.length}\r\n`);
  const value = Buffer.concat([head, body, crlf, END]);
  return {
    greetings: [],
    set: Buffer.concat([Buffer.from(`set ${queue} 0 0 ${body.length}\r\n`), body, crlf]),
    get: Buffer.from(`get ${queue}\r\n`),
    clear: {
      command: Buffer.from(`delete ${queue}\r\n`),
      answered: /^(DELETED|NOT_FOUND)$/,
    },
    readNext: null,
    longer: { once: once(queue, body), lease: lease(queue), close: close(queue, body) },
    readSet(answer, bytes, from, to) {
      const stored = holds(bytes, from, to, STORED);
      answer.outcome = stored ? HIT : UNEXPECTED;
      return stored ? STORED.length : lineLength(bytes, from, to);
    },
    readGet(answer, bytes, from, to) {
      if (holds(bytes, from, to, value)) {
        answer.outcome = HIT;
        return value.length;
      }
      return readOther(answer, bytes, from, to);
    },
  };
}

/** What answers a `get` and is not the expected message: a miss, another message, an error. */
function readOther(answer: Answer, bytes: Buffer, from: number, to: number): number {
  answer.outcome = holds(bytes, from, to, END) ? MISS : UNEXPECTED;
  const length = lineLength(bytes, from, to);
  if (length === 0 || answer.outcome === MISS) return length;
  const size = /^VALUE \S+ \d+ (\d+)/.exec(lineText(bytes, from, length))?.[1];
  if (size === undefined) return length;
  const whole = length + Number(size) + AFTER_BODY;
  return to - from >= whole ? whole : 0;
}
