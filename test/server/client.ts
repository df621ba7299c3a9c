/** One connection to a server, for tests: bytes out, bytes and lines in, every wait with a deadline. */

/** How long one wait for bytes may take, milliseconds. */
const patience = 120_000;

export type Address =
  { hostname: string; port: number; tls?: Bun.TLSOptions | undefined } | { unix: string };

/** One message of a `get` or `gets` answer; `number` is what `gets` adds. */
export type Message = { queue: string; flags: number; body: string; number?: number };

export type Client = Awaited<ReturnType<typeof connect>>;

/** A string stands for bytes here, one character each, so that every byte value can be written and compared. */
export const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** The bytes of one `set` command with its body. */
export function set(queue: string, body: string | Buffer, flags = 0, noreply = false): Buffer {
  const tail = noreply ? " noreply\r\n" : "\r\n";
  return Buffer.concat([
    bytes(`set ${queue} ${flags} 0 ${body.length}${tail}`),
    typeof body === "string" ? bytes(body) : body,
    bytes("\r\n"),
  ]);
}

/** What arrived and was not read yet: one growing block, so that large answers cost one copy. */
function inbox() {
  let block = Buffer.alloc(65_536);
  let start = 0;
  let end = 0;

  function append(chunk: Buffer): void {
    if (end + chunk.length > block.length) {
      const size = end - start + chunk.length;
      const roomy = size > block.length / 2 ? Buffer.alloc(size * 2) : block;
      block.copy(roomy, 0, start, end);
      [block, start, end] = [roomy, 0, end - start];
    }
    end += chunk.copy(block, end);
  }

  function take(count: number): Buffer {
    const taken = Buffer.from(block.subarray(start, start + count));
    start += count;
    return taken;
  }

  return {
    append,
    take,
    size: () => end - start,
    /** The number of bytes up to and with the first `mark`; undefined when it is not there. */
    reach(mark: string): number | undefined {
      const found = block.subarray(start, end).indexOf(mark, 0, "latin1");
      return found < 0 ? undefined : found + mark.length;
    },
    shown: () => JSON.stringify(block.toString("latin1", start, Math.min(end, start + 500))),
  };
}

function tlsOf(address: Exclude<Address, { unix: string }>): { tls?: Bun.TLSOptions } {
  return address.tls === undefined ? {} : { tls: address.tls };
}

/** Connects, and fails with the system's error when nobody listens there. */
export async function connect(address: Address) {
  const input = inbox();
  const output: Buffer[] = [];
  const closing = Promise.withResolvers<void>();
  let over = false;
  let shutting = false;
  let failure: Error | undefined;
  let wake = (): void => {};

  function flush(): void {
    for (let next = output[0]; next !== undefined; next = output[0]) {
      const written = Math.max(0, socket.write(next));
      if (written < next.length) {
        output[0] = next.subarray(written);
        return;
      }
      output.shift();
    }
    if (shutting) socket.shutdown();
  }

  function finish(error?: Error): void {
    failure ??= error;
    over = true;
    wake();
  }

  const ready = Promise.withResolvers<void>();
  const isTls = "tls" in address && address.tls !== undefined;
  // Over TLS nothing may be written before this.
  const handshaking: Pick<Bun.SocketHandler, "handshake"> = isTls
    ? {
        handshake(_socket, isDone, cause) {
          if (isDone) ready.resolve();
          else ready.reject(cause ?? new Error("the TLS handshake failed"));
        },
      }
    : {};
  const options: Bun.SocketOptions = {
    // Otherwise the other side's FIN closes both ways, and a test could not tell who closed.
    allowHalfOpen: true,
    socket: {
      data(_socket, chunk) {
        input.append(chunk);
        wake();
      },
      drain: flush,
      ...handshaking,
      end(socket) {
        finish();
        socket.end();
      },
      error: (_socket, error) => finish(error),
      close(_socket, error) {
        finish(error);
        closing.resolve();
      },
    },
  };
  const socket = await ("unix" in address
    ? Bun.connect({ ...options, unix: address.unix })
    : Bun.connect({
        ...options,
        hostname: address.hostname,
        port: address.port,
        ...tlsOf(address),
      }));
  if (isTls) {
    void closing.promise.then(() =>
      ready.reject(failure ?? new Error("closed in the TLS handshake")),
    );
    await ready.promise;
  }

  /** Resolves at the next event, to false when there was none until `deadline`. */
  function event(deadline: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), deadline - Date.now());
    wake = () => {
      clearTimeout(timer);
      resolve(true);
    };
    return promise;
  }

  async function arrival<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = Date.now() + patience;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (over) {
        const cause = failure ? ` (${failure.message})` : "";
        throw new Error(`${what} expected, connection closed${cause} after ${input.shown()}`);
      }
      if (!(await event(deadline))) {
        throw new Error(`${what} expected, nothing in ${patience} ms but ${input.shown()}`);
      }
    }
  }

  const read = (count: number) =>
    arrival(`${count} bytes`, () => (input.size() >= count ? input.take(count) : undefined));

  /** Reads as far as the first `mark`, which is part of the result. */
  async function until(mark: string): Promise<string> {
    const length = await arrival(JSON.stringify(mark), () => input.reach(mark));
    return input.take(length).toString("latin1");
  }

  /** Reads one line; the CR LF that must end it is not part of the result. */
  async function line(): Promise<string> {
    const text = await until("\n");
    if (!text.endsWith("\r\n")) throw new Error(`a line without CR: ${JSON.stringify(text)}`);
    return text.slice(0, -2);
  }

  async function message(head: string): Promise<Message> {
    const [word, queue, flags, length, number, more] = head.split(" ");
    if (word !== "VALUE" || queue === undefined || length === undefined || more !== undefined) {
      throw new Error(`VALUE or END expected, not ${JSON.stringify(head)}`);
    }
    const body = (await read(Number(length) + 2)).toString("latin1");
    if (!body.endsWith("\r\n")) throw new Error(`a body without CR LF after ${head}`);
    const values = { queue, flags: Number(flags), body: body.slice(0, -2) };
    return number === undefined ? values : { ...values, number: Number(number) };
  }

  /** Reads the answer to one `get` or `gets`, up to its END. */
  async function messages(): Promise<Message[]> {
    const found: Message[] = [];
    for (let head = await line(); head !== "END"; head = await line()) {
      found.push(await message(head));
    }
    return found;
  }

  function send(data: string | Uint8Array): void {
    output.push(typeof data === "string" ? bytes(data) : Buffer.from(data));
    if (output.length === 1) flush();
  }

  /** Sends one command without a body and reads the one line that answers it. */
  function ask(command: string): Promise<string> {
    send(`${command}\r\n`);
    return line();
  }

  return {
    send,
    read,
    until,
    line,
    messages,
    ask,
    /** Appends one message; fails unless it was stored. */
    async put(queue: string, body: string | Buffer, flags = 0): Promise<void> {
      send(set(queue, body, flags));
      const answer = await line();
      if (answer !== "STORED") throw new Error(`STORED expected, not ${JSON.stringify(answer)}`);
    },
    /** Takes the oldest message's body, undefined when there is none. */
    async take(queue: string): Promise<string | undefined> {
      send(`get ${queue}\r\n`);
      return (await messages())[0]?.body;
    },
    /** Fails unless the very next thing that comes is the answer to a command sent now. */
    async inStep(): Promise<void> {
      const answer = await ask("version");
      if (!/^VERSION \S+$/.test(answer)) throw new Error(`out of step: ${JSON.stringify(answer)}`);
    },
    /** Reads until the server ends the connection; a reset is an error. */
    async rest(): Promise<string> {
      await arrival("the end of the connection", () => (over ? true : undefined));
      if (failure) throw new Error(`reset (${failure.message}) after ${input.shown()}`);
      return input.take(input.size()).toString("latin1");
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    /** Ends the writing side once everything is sent; answers can still be read. */
    shutdown(): void {
      shutting = true;
      if (output.length === 0) socket.shutdown();
    },
    /** Ends the connection at once, with a reset. */
    reset: () => socket.terminate(),
    /** Ends the connection, and resolves when it is closed. */
    async end(): Promise<void> {
      socket.end();
      socket.close();
      await closing.promise;
    },
    closed: closing.promise,
  };
}
