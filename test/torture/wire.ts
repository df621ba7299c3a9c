/** A connection to the server that sends without waiting, and tells each request its answer. */

export type Address = { hostname: string; port: number };

/** A message of an answer. */
export interface Value {
  key: string;
  flags: number;
  body: Buffer;
  /** As `gets` tells it; 0 in the answer to a `get`. */
  number: number;
}

/** What is answered: the messages or STAT lines, and the line that ends the answer. */
export interface Reply {
  values: Value[];
  stats: string[];
  line: string;
}

/** How an answer ends: it is one line; it ends with END, or early with an error; there is none. */
export type Shape = "line" | "list" | "none";

export interface Request {
  bytes: Buffer;
  shape: Shape;
  /** A request without an answer is told the next answer of the connection, which may prove that it was executed. */
  answered(reply: Reply): void;
  /** The connection ended before the answer was read. */
  lost(): void;
}

export interface Wire {
  /** Requests that are sent and not answered, the oldest first. */
  pending: Request[];
  send(requests: Request[]): void;
  /** Ends the connection at once, with a reset. */
  reset(): void;
  /** Resolves when the connection has ended, whatever ended it, and everything that came is read. */
  ended: Promise<void>;
  isOver(): boolean;
  /** What came that no server may send. */
  failure: string | undefined;
}

/** How long an answer may take, milliseconds. */
const PATIENCE = 20_000;
const VALUE = /^VALUE ([^ ]+) (\d+) (\d+)(?: (\d+))?$/;

/** @param idle called whenever answers were read */
export async function connect(
  address: Address,
  idle: (wire: Wire) => void = () => {},
): Promise<Wire> {
  const ended = Promise.withResolvers<void>();
  const output: Buffer[] = [];
  const pending: Request[] = [];
  let input: Buffer = Buffer.alloc(0);
  let reply: Reply = newReply();
  let over = false;

  function flush(): void {
    for (let next = output[0]; next !== undefined; next = output[0]) {
      const written = Math.max(0, socket.write(next));
      if (written < next.length) {
        output[0] = next.subarray(written);
        return;
      }
      output.shift();
    }
  }

  function finish(): void {
    if (over) return;
    over = true;
    for (const request of pending) request.lost();
    pending.length = 0;
    ended.resolve();
  }

  /** Reads the next line, and what belongs to it: how many bytes that is, 0 when it has not come. */
  function readNext(from: number): number {
    const end = input.indexOf("\r\n", from);
    if (end < 0) return 0;
    const line = input.toString("latin1", from, end);
    const [, key = "", flags, length, number = "0"] = VALUE.exec(line) ?? [];
    if (length === undefined) {
      readLine(line);
      return end + 2 - from;
    }
    const stop = end + 2 + Number(length);
    if (input.length < stop + 2) return 0;
    if (input.toString("latin1", stop, stop + 2) !== "\r\n")
      throw new Error(`out of step: ${line}`);
    reply.values.push({
      key,
      flags: Number(flags),
      body: Buffer.from(input.subarray(end + 2, stop)),
      number: Number(number),
    });
    return stop + 2 - from;
  }

  function readLine(line: string): void {
    if (line.startsWith("STAT ")) {
      reply.stats.push(line.slice("STAT ".length));
      return;
    }
    reply.line = line;
    const complete = reply;
    reply = newReply();
    while (pending[0]?.shape === "none") pending.shift()?.answered(complete);
    const request = pending.shift();
    if (request === undefined) throw new Error(`an answer to nothing: ${line}`);
    request.answered(complete);
  }

  function receive(chunk: Buffer): void {
    input = input.length === 0 ? Buffer.from(chunk) : Buffer.concat([input, chunk]);
    let at = 0;
    try {
      for (let read = readNext(at); read > 0; read = readNext(at)) at += read;
    } catch (error) {
      wire.failure = (error as Error).message;
      wire.reset();
    }
    input = input.subarray(at);
    idle(wire);
  }

  const socket = await Bun.connect({
    ...address,
    socket: {
      data: (_, chunk) => receive(chunk),
      drain: flush,
      close: finish,
      error: finish,
    },
  });

  const wire: Wire = {
    pending,
    send(requests) {
      if (over) {
        for (const request of requests) request.lost();
        return;
      }
      pending.push(...requests);
      output.push(Buffer.concat(requests.map(({ bytes }) => bytes)));
      if (output.length === 1) flush();
    },
    reset() {
      socket.terminate();
      finish();
    },
    ended: ended.promise,
    isOver: () => over,
    failure: undefined,
  };
  return wire;
}

/** Sends one request, and resolves to its answer. Rejects when there is none, because the connection ends or in time. */
export function ask(wire: Wire, bytes: Buffer | string, shape: Shape = "line"): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const fail = (why: string) => reject(new Error(`no answer: ${why}`));
  const late = setTimeout(() => fail(`not in ${PATIENCE} ms`), PATIENCE);
  wire.send([
    {
      bytes: typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes,
      shape,
      answered: resolve,
      lost: () => fail("the connection ended"),
    },
  ]);
  return promise.finally(() => clearTimeout(late));
}

/** The bytes of a `set`. */
export function setBytes(queue: string, flags: number, body: Buffer, noreply = false): Buffer {
  const line = `set ${queue} ${flags} 0 ${body.length}${noreply ? " noreply" : ""}\r\n`;
  return Buffer.concat([Buffer.from(line, "latin1"), body, Buffer.from("\r\n")]);
}

function newReply(): Reply {
  return { values: [], stats: [], line: "" };
}
