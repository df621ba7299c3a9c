/** A server that answers as MemcacheQ 0.2.1 was recorded to, as far as a drain asks, and fails where it is told to. */

export interface Message {
  flags: number;
  body: string;
}

/** What it does otherwise than the original. */
export interface Faults {
  /** It closes the connection when it has sent so many messages. */
  closeAfter?: number;
  /** Answers to commands, such as `stats queue`, in place of its own; an empty one is silence. */
  answers?: Record<string, string>;
  /** Called with the number of messages sent so far, before each. */
  onGet?: (sent: number) => void;
}

const LIST_LIMIT = 2048;

export type Original = ReturnType<typeof startOriginal>;

/** Starts it on a free port. A byte of a text is a character from U+0000 to U+00FF. */
export function startOriginal(queues: Map<string, Message[]>, faults: Faults = {}) {
  const sets = new Map([...queues].map(([name, messages]) => [name, messages.length]));
  let sent = 0;

  function get(names: string[]): string {
    let answer = "";
    for (const name of names) {
      const message = queues.get(name)?.shift();
      if (message === undefined) continue;
      faults.onGet?.(sent);
      sent++;
      const { flags, body } = message;
      // It prints flags as a signed number.
      answer += `VALUE ${name} ${flags | 0} ${body.length}\r\n${body}\r\n`;
    }
    return `${answer}END\r\n`;
  }

  /** Its list ends, without a word, where its buffer does. */
  function list(): string {
    let rows = "";
    for (const [name, count] of sets) {
      const row = `STAT ${name} ${count}/${count - (queues.get(name)?.length ?? 0)}\r\n`;
      if (rows.length + row.length > LIST_LIMIT - 8) break;
      rows += row;
    }
    return `${rows}END\r\n`;
  }

  function answerTo(line: string): string {
    const own = faults.answers?.[line];
    if (own !== undefined) return own;
    const [verb, ...words] = line.split(" ").filter((word) => word !== "");
    if (verb === "get" && words.length > 0) return get(words);
    if (line === "version") return "VERSION 0.2.1\r\n";
    if (line === "stats") return "STAT pid 1\r\nSTAT version 0.2.1\r\nSTAT threads 4\r\nEND\r\n";
    if (verb === "stats" && words[0] === "queue") return list();
    return "ERROR\r\n";
  }

  /** Takes the commands off the text, answers them, and leaves what is not complete. */
  function converse(text: string, say: (answer: string) => void): string {
    for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
      const line = text.slice(0, end);
      const [, name = "", flags, size] = /^set (\S+) (\d+) \d+ (\d+)$/.exec(line) ?? [];
      const start = end + 2;
      if (size === undefined) {
        text = text.slice(start);
        say(answerTo(line));
        continue;
      }
      if (text.length < start + Number(size) + 2) return text;
      const body = text.slice(start, start + Number(size));
      text = text.slice(start + Number(size) + 2);
      queues.set(name, [...(queues.get(name) ?? []), { flags: Number(flags), body }]);
      say("STORED\r\n");
    }
    return text;
  }

  interface Talk {
    received: string;
    output: Buffer;
  }

  function flush(socket: Bun.Socket<Talk>): void {
    const { output } = socket.data;
    socket.data.output = output.subarray(Math.max(0, socket.write(output)));
    if (sent >= (faults.closeAfter ?? Infinity)) socket.end();
  }

  const listener = Bun.listen<Talk>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { received: "", output: Buffer.alloc(0) };
      },
      data(socket, chunk) {
        const { data } = socket;
        data.received = converse(data.received + chunk.toString("latin1"), (answer) => {
          if (sent <= (faults.closeAfter ?? Infinity)) {
            data.output = Buffer.concat([data.output, Buffer.from(answer, "latin1")]);
          }
        });
        flush(socket);
      },
      drain: flush,
    },
  });
  return { place: `127.0.0.1:${listener.port}`, queues, stop: () => listener.stop(true) };
}
