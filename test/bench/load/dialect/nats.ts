import { lineLength, lineText } from "./bytes.ts";
import {
  type Answer,
  type Encoder,
  type Greeting,
  HIT,
  MISS,
  MORE,
  UNEXPECTED,
} from "./dialect.ts";

const CRLF = "\r\n";
const STREAM = "bench";
const CONSUMER = "worker";
/** How long a get waits for its message, in nanoseconds. */
const PATIENCE = 5e9;

/**
 * JetStream (https://docs.nats.io/reference/reference-protocols/nats-protocol): a stream in files that loses what was
 * acknowledged. A set is published, and answered once it is stored. A get asks for one message and acknowledges it, and
 * that is answered, too: two trips. The answers come to subjects of the client.
 */
export function nats(queue: string, body: Buffer, client: number): Encoder {
  const inbox = `_INBOX.${client}`;
  return {
    greetings: greetingsOf(queue, inbox),
    set: publish(queue, `${inbox}.set`, body),
    get: publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${CONSUMER}`,
      `${inbox}.get`,
      json({ batch: 1, expires: PATIENCE }),
    ),
    longer: null,
    clear: null,
    readSet(answer, bytes, from, to) {
      const message = readMessage(bytes, from, to);
      if (message === undefined) return 0;
      const { text } = message;
      answer.outcome = text.includes('"seq"') && !text.includes('"error"') ? HIT : UNEXPECTED;
      return message.length;
    },
    readGet(answer, bytes, from, to) {
      const message = readMessage(bytes, from, to);
      if (message === undefined) return 0;
      outcomeOf(answer, message, body.length, inbox);
      return message.length;
    },
    readNext(answer, bytes, from, to) {
      const message = readMessage(bytes, from, to);
      if (message === undefined) return 0;
      answer.outcome = message.bytes === 0 ? HIT : UNEXPECTED;
      return message.length;
    },
  };
}

/** Each client makes the stream and its consumer: only the first of them does something. */
function greetingsOf(queue: string, inbox: string): Greeting[] {
  const stream = { name: STREAM, subjects: [queue], retention: "workqueue", storage: "file" };
  const config = { durable_name: CONSUMER, ack_policy: "explicit", max_ack_pending: -1 };
  const ask = (subject: string, what: object): Greeting => ({
    request: publish(subject, `${inbox}.greeting`, json(what)),
    read: readDone,
  });
  const hello = `CONNECT {"verbose":false,"headers":true,"no_responders":true}${CRLF}SUB ${inbox}.* 1${CRLF}PING${CRLF}`;
  return [
    { request: Buffer.alloc(0), read: lineLength },
    { request: Buffer.from(hello), read: lineLength },
    ask(`$JS.API.STREAM.CREATE.${STREAM}`, stream),
    ask(`$JS.API.CONSUMER.DURABLE.CREATE.${STREAM}.${CONSUMER}`, { stream_name: STREAM, config }),
  ];
}

function readDone(bytes: Buffer, from: number, to: number): number {
  const message = readMessage(bytes, from, to);
  if (message?.text.includes('"error"') === true) throw new Error(message.text);
  return message?.length ?? 0;
}

/** A message that has come, with the lines before its body. */
type Message = {
  /** Its words: MSG or HMSG, the subject, and behind the subscription where an answer goes. */
  words: string[];
  /** Bytes of all of it, and of its body with headers. */
  length: number;
  bytes: number;
  text: string;
};

function readMessage(bytes: Buffer, from: number, to: number): Message | undefined {
  const line = lineLength(bytes, from, to);
  if (line === 0) return undefined;
  const words = lineText(bytes, from, line).split(" ");
  const size = words[0] === "MSG" || words[0] === "HMSG" ? Number(words.at(-1)) : NaN;
  if (Number.isNaN(size)) return { words, length: line, bytes: -1, text: words.join(" ") };
  const length = line + size + CRLF.length;
  if (to - from < length) return undefined;
  const text = bytes.toString("latin1", from + line, from + Math.min(length, line + 300));
  return { words, length, bytes: size, text };
}

/** A message has a body of the expected length, and a subject that acknowledges it; what says that the time is over has headers. */
function outcomeOf(
  answer: Answer,
  { words, bytes, text }: Message,
  expected: number,
  inbox: string,
): void {
  const [kind, , , acknowledge = ""] = words;
  if (kind === "MSG" && bytes === expected && words.length === 5) {
    answer.outcome = MORE;
    answer.next = publish(acknowledge, `${inbox}.ack`, Buffer.from("+ACK"));
  } else {
    answer.outcome = kind === "HMSG" && text.includes("408") ? MISS : UNEXPECTED;
  }
}

function publish(subject: string, replyTo: string, body: Buffer): Buffer {
  const head = Buffer.from(`PUB ${subject} ${replyTo} ${body.length}${CRLF}`);
  return Buffer.concat([head, body, Buffer.from(CRLF)]);
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
