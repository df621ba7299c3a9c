/**
 * Servers that answer as Kestrel, Siberite, Darner and Starling were recorded to, as far as a drain asks. They stand in
 * for the real ones, which cannot be had any more.
 */

export type Relative = "kestrel" | "siberite" | "darner" | "starling";
export const relatives: readonly Relative[] = ["kestrel", "siberite", "darner", "starling"];

/** The bodies of each queue's messages; none of the four keeps flags. */
export type Queues = Map<string, string[]>;

/** One connection: what it has received, and the message that it has open. */
interface Talk {
  received: string;
  open: { queue: string; body: string } | undefined;
}

/** An answer; `isLast`: the server ends the connection behind it. */
interface Answer {
  text: string;
  isLast?: boolean;
}

const versions: Record<Relative, string> = {
  kestrel: "VERSION 2.4.1\r\n",
  siberite: "VERSION siberite-0.6.4\r\n",
  darner: "VERSION 0.2.0\r\n",
  starling: "CLIENT_ERROR bad command line format\r\n",
};

const unknown: Record<Relative, Answer> = {
  kestrel: { text: "CLIENT_ERROR\r\n", isLast: true },
  siberite: { text: "ERROR Unknown command\r\n", isLast: true },
  darner: { text: "ERROR \r\n", isLast: true },
  starling: { text: "CLIENT_ERROR bad command line format\r\n" },
};

/** What each tells of a queue, in its order; `items` comes first. */
const rows: Record<Relative, readonly string[]> = {
  kestrel: (
    "items bytes total_items logsize expired_items mem_items mem_bytes age discarded waiters open_transactions " +
    "transactions canceled_transactions total_flushes create_time"
  ).split(" "),
  siberite: ["items", "open_transactions"],
  darner: ["items", "waiters", "open_transactions"],
  starling: ["items", "total_items", "logsize", "expired_items", "age"],
};

/** @param onCommand called with the number of commands so far, before each is answered */
export function startRelative(
  relative: Relative,
  queues: Queues,
  onCommand: (commands: number) => void = () => {},
) {
  let commands = 0;
  let isStopped = false;
  const cursors = new Map<string, number>();

  function stats(): string {
    const general = relative === "kestrel" ? "STAT uptime 5\r\nSTAT curr_items 1\r\n" : "";
    const names = [...queues.keys(), ...(relative === "siberite" ? cursors.keys() : [])];
    const lines = names.flatMap((name) =>
      rows[relative].map((row) => {
        const isItems = row === "items" || row === "mem_items";
        return `STAT queue_${name}_${row} ${isItems ? (queues.get(name)?.length ?? 1) : 7}\r\n`;
      }),
    );
    return `${general}${lines.join("")}END\r\n`;
  }

  const value = (queue: string, body: string) =>
    `VALUE ${queue} 0 ${body.length}\r\n${body}\r\nEND\r\n`;

  function getFromStarling(key: string): Answer {
    const body = queues.get(key)?.shift();
    return { text: body === undefined ? "END\r\n" : value(key, body) };
  }

  /** A cursor shows the next message of its queue, and leaves it there. */
  function getFromCursor(name: string): Answer {
    const [queue = ""] = name.split(".");
    const at = cursors.get(name) ?? 0;
    const body = queues.get(queue)?.[at];
    cursors.set(name, at + 1);
    return { text: body === undefined ? "END\r\n" : value(name, body) };
  }

  function refuse(options: string[]): Answer | undefined {
    if (options.includes("abort") && options.length > 1) {
      const reason = {
        kestrel: "",
        siberite: " Invalid command",
        darner: " abort must be by itself",
      };
      return { text: `CLIENT_ERROR${reason[relative as "kestrel"]}\r\n`, isLast: true };
    }
    if (relative === "kestrel" || options.every((option) => known.test(option))) return undefined;
    if (relative === "darner") return { text: "ERROR \r\n", isLast: true };
    return { text: "CLIENT_ERROR Invalid command\r\n", isLast: true };
  }
  const known = /^(open|close|abort|peek|t=\d+)$/;

  function get(talk: Talk, key: string): Answer {
    if (relative === "starling") return getFromStarling(key);
    const [queue = "", ...options] = key.split("/");
    const refusal = refuse(options);
    if (refusal !== undefined) return refusal;
    if (options.includes("abort")) giveBack(talk);
    if (options.includes("close")) talk.open = undefined;
    if (options.length > 0 && !options.includes("open")) return { text: "END\r\n" };
    if (talk.open !== undefined) {
      const text =
        relative === "kestrel" ? "ERROR\r\n" : "CLIENT_ERROR Close current item first\r\n";
      return { text, isLast: true };
    }
    if (relative === "siberite" && queue.includes(".")) return getFromCursor(queue);
    const body = queues.get(queue)?.shift();
    // Siberite takes an empty message for none, and has lost it then.
    if (body === undefined || (relative === "siberite" && body === "")) return { text: "END\r\n" };
    if (options.includes("open")) talk.open = { queue, body };
    return { text: value(queue, body) };
  }

  function giveBack(talk: Talk): void {
    if (talk.open !== undefined) queues.get(talk.open.queue)?.unshift(talk.open.body);
    talk.open = undefined;
  }

  function answerTo(talk: Talk, line: string): Answer {
    onCommand(++commands);
    if (isStopped) return { text: "", isLast: true };
    const [verb, ...words] = line.split(" ");
    if ((verb === "get" || verb === "gets") && words.length > 0) return get(talk, words[0] ?? "");
    if (line === "version") return { text: versions[relative] };
    if (line === "stats") return { text: stats() };
    const isStats = line === "stats queue" && (relative === "kestrel" || relative === "siberite");
    return isStats ? { text: stats() } : unknown[relative];
  }

  /** Answers the lines, and a set of a drain that gives back; leaves what is not complete. */
  function converse(socket: Bun.Socket<Talk>): void {
    const { data } = socket;
    for (let end = data.received.indexOf("\r\n"); end >= 0; end = data.received.indexOf("\r\n")) {
      const line = data.received.slice(0, end);
      const [, queue = "", size] = /^set (\S+) 0 0 (\d+)$/.exec(line) ?? [];
      const next = end + 2 + (size === undefined ? 0 : Number(size) + 2);
      if (data.received.length < next) return;
      const body = data.received.slice(end + 2, next - 2);
      data.received = data.received.slice(next);
      if (size !== undefined) queues.get(queue)?.push(body);
      const { text, isLast } =
        size === undefined ? answerTo(data, line) : { text: "STORED\r\n", isLast: false };
      socket.write(Buffer.from(text, "latin1"));
      if (isLast !== true) continue;
      giveBack(data);
      socket.end();
      return;
    }
  }

  const sockets = new Set<Bun.Socket<Talk>>();
  const listener = Bun.listen<Talk>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { received: "", open: undefined };
        sockets.add(socket);
      },
      data(socket, chunk) {
        socket.data.received += chunk.toString("latin1");
        converse(socket);
      },
      close(socket) {
        sockets.delete(socket);
        giveBack(socket.data);
      },
    },
  });

  return {
    place: `127.0.0.1:${listener.port}`,
    queues,
    /** Ends as a crash does: what is open is at the head again at the next start. */
    stop(): void {
      isStopped = true;
      for (const socket of sockets) giveBack(socket.data);
      listener.stop(true);
    },
  };
}
