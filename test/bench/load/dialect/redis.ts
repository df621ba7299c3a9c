import { holds, lineLength, lineText } from "./bytes.ts";
import { type Answer, type Encoder, HIT, MISS, UNEXPECTED } from "./dialect.ts";

const COLON = 58;
const NIL = Buffer.from("$-1\r\n");

/** A Redis list as a queue: RPUSH appends a message, LPOP takes the oldest. */
export function redis(queue: string, body: Buffer): Encoder {
  const value = bulk(body);
  return {
    greetings: [],
    set: command("RPUSH", queue, body),
    get: command("LPOP", queue),
    longer: null,
    clear: { command: command("DEL", queue), answered: /^:[01]$/ },
    readNext: null,
    readSet(answer, bytes, from, to) {
      answer.outcome = bytes[from] === COLON ? HIT : UNEXPECTED;
      return lineLength(bytes, from, to);
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

function command(...words: (string | Buffer)[]): Buffer {
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...words.map(bulk)]);
}

function bulk(word: string | Buffer): Buffer {
  const bytes = Buffer.from(word);
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
}

/** What answers an LPOP and is not the expected message: a miss, another message, an error. */
function readOther(answer: Answer, bytes: Buffer, from: number, to: number): number {
  answer.outcome = holds(bytes, from, to, NIL) ? MISS : UNEXPECTED;
  const length = lineLength(bytes, from, to);
  if (length === 0 || answer.outcome === MISS) return length;
  const size = /^\$(\d+)/.exec(lineText(bytes, from, length))?.[1];
  if (size === undefined) return length;
  const whole = length + Number(size) + "\r\n".length;
  return to - from >= whole ? whole : 0;
}
