import { type Encoder, type Greeting, HIT, MISS, UNEXPECTED } from "./dialect.ts";

/*
 * AMQP 0-9-1 (https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf), as much of it as a queue needs: everything is on
 * channel 1, and a frame is
 *
 *     type (1)  channel (2)  length (4)  payload  0xCE
 */
const HEAD = 7;
const FRAME_END = 0xce;
const FRAME = { method: 1, header: 2, body: 3 };
/** RabbitMQ's own bound of a frame. */
const MAX_FRAME = 131_072;

/** Methods by class and number. */
const METHODS = {
  startOk: [10, 11],
  tuneOk: [10, 31],
  connectionOpen: [10, 40],
  channelOpen: [20, 10],
  declare: [50, 10],
  publish: [60, 40],
  get: [60, 70],
  getOk: [60, 71],
  getEmpty: [60, 72],
  ack: [60, 80],
  select: [85, 10],
} as const;
type Method = keyof typeof METHODS;

const NO_TABLE = Buffer.alloc(4);
const DURABLE = 2;
const NO_ACK = 1;
/** A property of a message: it is on disk before the publisher has its confirmation. */
const DELIVERY_MODE = 0x1000;
const PERSISTENT = 2;

/** A durable queue: a set is a persistent message and its confirmation, a get takes without an acknowledgement. */
export function rabbitmq(queue: string, body: Buffer): Encoder {
  const name = shortText(queue);
  return {
    greetings: greetingsOf(name),
    set: Buffer.concat([
      method("publish", number16(0), shortText(""), name, Buffer.of(0)),
      contentHeader(body.length),
      ...bodyFrames(body),
    ]),
    get: method("get", number16(0), name, Buffer.of(NO_ACK)),
    longer: null,
    clear: null,
    readNext: null,
    readSet(answer, bytes, from, to) {
      answer.outcome = isMethod(bytes, from, to, "ack") ? HIT : UNEXPECTED;
      return frameLength(bytes, from, to);
    },
    readGet(answer, bytes, from, to) {
      const length = frameLength(bytes, from, to);
      if (length === 0) return 0;
      if (isMethod(bytes, from, to, "getOk")) {
        answer.outcome = HIT;
        return length === 0 ? 0 : withContent(bytes, from, to, length, body.length);
      }
      answer.outcome = isMethod(bytes, from, to, "getEmpty") ? MISS : UNEXPECTED;
      return length;
    },
  };
}

/** As guest; then a channel that confirms what is published, and the queue. */
function greetingsOf(queue: Buffer): Greeting[] {
  const login = [NO_TABLE, shortText("PLAIN"), longText("\0guest\0guest"), shortText("en_US")];
  const tuned = [number16(1), number32(MAX_FRAME), number16(0)];
  const declared = [number16(0), queue, Buffer.of(DURABLE), NO_TABLE];
  return [
    { request: Buffer.from("AMQP\0\0\x09\x01", "latin1"), read: frameLength },
    { request: onChannel(0, method("startOk", ...login)), read: frameLength },
    {
      request: Buffer.concat([
        onChannel(0, method("tuneOk", ...tuned)),
        onChannel(0, method("connectionOpen", shortText("/"), shortText(""), Buffer.of(0))),
      ]),
      read: frameLength,
    },
    { request: method("channelOpen", shortText("")), read: frameLength },
    { request: method("select", Buffer.of(0)), read: frameLength },
    { request: method("declare", ...declared), read: frameLength },
  ];
}

function method(name: Method, ...fields: Buffer[]): Buffer {
  const [kind, id] = METHODS[name];
  return frame(FRAME.method, number16(kind), number16(id), ...fields);
}

function contentHeader(length: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(length));
  const [kind] = METHODS.publish;
  const properties = [number16(DELIVERY_MODE), Buffer.of(PERSISTENT)];
  return frame(FRAME.header, number16(kind), number16(0), size, ...properties);
}

function bodyFrames(body: Buffer): Buffer[] {
  const most = MAX_FRAME - HEAD - 1;
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += most) {
    frames.push(frame(FRAME.body, body.subarray(at, at + most)));
  }
  return frames;
}

function frame(type: number, ...payload: Buffer[]): Buffer {
  const bytes = Buffer.concat(payload);
  return Buffer.concat([
    Buffer.of(type),
    number16(1),
    number32(bytes.length),
    bytes,
    Buffer.of(FRAME_END),
  ]);
}

/** The same frame on another channel. */
function onChannel(channel: number, bytes: Buffer): Buffer {
  bytes.writeUInt16BE(channel, 1);
  return bytes;
}

/** Length of the frame at `from`; 0 when it is not complete. */
function frameLength(bytes: Buffer, from: number, to: number): number {
  if (to - from < HEAD) return 0;
  const length = HEAD + bytes.readUInt32BE(from + 3) + 1;
  return to - from < length ? 0 : length;
}

function isMethod(bytes: Buffer, from: number, to: number, name: Method): boolean {
  const [kind, id] = METHODS[name];
  return (
    to - from >= HEAD + 4 &&
    bytes[from] === FRAME.method &&
    bytes.readUInt16BE(from + HEAD) === kind &&
    bytes.readUInt16BE(from + HEAD + 2) === id
  );
}

/** Length of a message: the method, its header, and frames with so many bytes of body. */
function withContent(
  bytes: Buffer,
  from: number,
  to: number,
  method: number,
  bodyBytes: number,
): number {
  let at = from + method;
  let left = bodyBytes;
  for (let frames = 0; frames === 0 || left > 0; frames++) {
    const length = frameLength(bytes, at, to);
    if (length === 0) return 0;
    if (frames > 0) left -= length - HEAD - 1;
    at += length;
  }
  return at - from;
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text, "latin1")]);
}

function longText(text: string): Buffer {
  return Buffer.concat([number32(text.length), Buffer.from(text, "latin1")]);
}

function number16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
