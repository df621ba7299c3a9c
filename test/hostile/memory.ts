import { peakMemoryOf } from "../bench/usage.ts";
/**
 * What may make a server grow, each for a server with the standard -m of 64: how much memory it took at most. Short
 * forms are in `bun test`, long ones in the torture.
 */
import type { Random } from "../protocol/random.ts";
import { type Client, set } from "../server/client.ts";
import type { Part, Report } from "../torture/part.ts";
import { type Server, withServer } from "./server.ts";

const MB = 1024 * 1024;

/** What the README promises of the resident set, bytes. */
export const LIMIT = (64 + 150) * MB;

/** The largest that the server's memory has been, bytes. */
export function peak(server: Server): number {
  return peakMemoryOf(server.pid) ?? NaN;
}

/** Sends requests that are not answered, and waits until they are done, some thousands at a time. */
async function pour(
  client: Client,
  count: number,
  request: (n: number) => Uint8Array,
): Promise<void> {
  const portion = 20_000;
  for (let from = 0; from < count; from += portion) {
    const some = Array.from({ length: Math.min(portion, count - from) }, (_, n) =>
      request(from + n),
    );
    client.send(Buffer.concat(some));
    await client.inStep();
  }
}

/** So many queues with a message each, and then another one in each. */
export async function manyQueues(count: number): Promise<number> {
  return withServer(["-N"], async (server) => {
    const client = await server.connect();
    for (let round = 0; round < 2; round++) {
      await pour(client, count, (n) => set(`queue-${n}`, "twenty bytes of body", 0, true));
    }
    return peak(server);
  });
}

const NAMES = 500;

/** So many messages of 100 bytes in one queue, and out of it. */
export async function deepQueue(count: number): Promise<number> {
  return withServer(["-N"], async (server) => {
    const client = await server.connect();
    const message = set("deep", "x".repeat(100), 0, true);
    await pour(client, count, () => message);
    const one = `VALUE deep 0 100\r\n${"x".repeat(100)}\r\n`.length;
    for (let left = count; left > 0; left -= NAMES) {
      client.send(`get${" deep".repeat(NAMES)}\r\n`);
      await client.read(Math.min(left, NAMES) * one + "END\r\n".length);
    }
    return peak(server);
  });
}

/** A client that sends one text and then does nothing: it doesn't read either, and costs next to nothing. */
export interface Idler {
  /** Nothing is sent to it, and nothing read, any more. */
  end(): void;
  /** Reads again, and resolves to all that comes, once there are so many bytes, or to what came until the end. */
  read(bytes: number): Promise<string>;
  /** Resolves when the server, or the system, took all that was to be sent. */
  sent: Promise<void>;
}

/** @param reads from the start, not only when it is told to */
export async function idler(server: Server, text: Uint8Array, reads = false): Promise<Idler> {
  const sent = Promise.withResolvers<void>();
  let left = text;
  let answer = "";
  let look = (): void => {};
  const flush = (socket: Bun.Socket): void => {
    left = left.subarray(Math.max(0, socket.write(left)));
    if (left.length === 0) sent.resolve();
  };
  const socket = await Bun.connect({
    ...server.address,
    socket: {
      drain: flush,
      data(_socket, chunk) {
        answer += chunk.toString("latin1");
        look();
      },
      close() {
        sent.resolve();
        closed = true;
        look();
      },
    },
  });
  let closed = false;
  if (!reads) socket.pause();
  flush(socket);
  return {
    sent: sent.promise,
    end: () => socket.terminate(),
    read(bytes) {
      const { promise, resolve } = Promise.withResolvers<string>();
      look = () => {
        if (closed || answer.length >= bytes) resolve(answer);
      };
      socket.resume();
      look();
      return promise;
    },
  };
}

/** So many of them, some hundred at a time. */
export async function idlers(
  server: Server,
  count: number,
  text: (n: number) => Uint8Array,
  reads = false,
): Promise<Idler[]> {
  const all: Idler[] = [];
  for (let from = 0; from < count; from += 250) {
    const some = Array.from({ length: Math.min(250, count - from) }, (_, n) =>
      idler(server, text(from + n), reads),
    );
    all.push(...(await Promise.all(some)));
  }
  return all;
}

/** So many that announce a body of 1 MB, send so many bytes of it, and stall; one beside them who doesn't. */
export async function stalledBodies(count: number, sent: number): Promise<number> {
  return withServer(["-N", "-B", `${MB}`, "-c", `${count + 10}`], async (server) => {
    const client = await server.connect();
    const line = Buffer.from(`set stalled 0 0 ${MB}\r\n`);
    const text = Buffer.concat([line, Buffer.alloc(sent, "x")]);
    const stalled = await idlers(server, count, () => text, true);
    await Promise.all(stalled.map((one) => one.sent));
    const large = Buffer.alloc(MB, "y");
    for (let n = 0; n < 5; n++) {
      await untilStored(client, large);
      if ((await client.take("large")) !== large.toString()) throw new Error("another message");
    }
    const highest = peak(server);
    for (const one of stalled) one.end();
    return highest;
  });
}

/** Sets a message in several pieces, again and again while there is no memory for it. */
async function untilStored(client: Client, body: Buffer): Promise<void> {
  const request = set("large", body);
  for (;;) {
    for (let at = 0; at < request.length; at += 300_000) {
      client.send(request.subarray(at, at + 300_000));
      await Bun.sleep(1);
    }
    const answer = await client.line();
    if (answer === "STORED") return;
    if (answer !== "SERVER_ERROR out of memory storing object") throw new Error(answer);
  }
}

/**
 * So many that ask for large messages and read nothing; one beside them who reads.
 * @param requests of each
 */
export async function stalledReaders(count: number, requests: number): Promise<number> {
  return withServer(["-N", "-B", `${MB}`, "-c", `${count + 10}`], async (server) => {
    const client = await server.connect();
    await client.put("large", Buffer.alloc(MB, "y"));
    const stalled = await idlers(server, count, () =>
      Buffer.from("get large/peek\r\n".repeat(requests)),
    );
    for (let n = 0; n < 100; n++) {
      await client.put("small", `${n}`);
      if ((await client.take("small")) !== `${n}`) throw new Error("another message");
    }
    // Just not large, and several in one answer.
    for (let n = 0; n < 20; n++) await client.put("middle", Buffer.alloc(16_383, "m"));
    client.send(`get${" middle".repeat(21)}\r\n`);
    if ((await client.messages()).length !== 20) throw new Error("messages are missing");
    for (let n = 0; n < 5; n++) {
      client.send("get large/peek\r\n");
      if ((await client.messages())[0]?.body.length !== MB) throw new Error("another message");
    }
    const highest = peak(server);
    for (const one of stalled) one.end();
    return highest;
  });
}

/** One that asks a million times and more, without reading. @param requests of 20 bytes each */
export async function pipelinedGets(requests: number): Promise<number> {
  return withServer(["-N"], async (server) => {
    const client = await server.connect();
    await client.put("peeked", "x".repeat(1000));
    const text = Buffer.from("get peeked/peek/t=0\n".repeat(requests));
    const greedy = await idler(server, text);
    for (let n = 0; n < 100; n++) {
      await client.put("small", `${n}`);
      if ((await client.take("small")) !== `${n}`) throw new Error("another message");
    }
    const highest = peak(server);
    greedy.end();
    return highest;
  });
}

/**
 * So many that name 10,000 queues and more in a `get` that doesn't get to its end, since they don't read, and as many
 * whose last name is wrong.
 */
export async function unfinishedGets(count: number): Promise<number> {
  return withServer(["-N", "-B", `${MB}`, "-c", `${2 * count + 10}`], async (server) => {
    const client = await server.connect();
    await client.put("large", Buffer.alloc(MB - 1000, "y"));
    const stalled = await idlers(server, count, (n) =>
      Buffer.from(`get${" large/peek".repeat(16)}${names(n)}\r\n`),
    );
    const refused = await idlers(server, count, (n) => Buffer.from(`get${names(n)} /\r\n`));
    await Promise.all([...stalled, ...refused].map((one) => one.sent));
    for (let n = 0; n < 100; n++) {
      await client.put("small", `${n}`);
      if ((await client.take("small")) !== `${n}`) throw new Error("another message");
    }
    const highest = peak(server);
    for (const one of [...stalled, ...refused]) one.end();
    return highest;
  });
}

/** As many names as a line has room for beside some others; no client has the same. */
function names(client: number): string {
  let text = "";
  for (let n = 0; text.length < 65_000; n++) text += ` ${(n * 1000 + client).toString(36)}`;
  return text;
}

/**
 * So many that ask for a list of 20,000 queues, of 5 MB, and read nothing; one beside them who reads it, and asks for a
 * large message.
 */
export async function unreadLists(count: number): Promise<number> {
  return withServer(["-N", "-B", `${MB}`, "-c", `${count + 10}`], async (server) => {
    const client = await server.connect();
    const queues = 20_000;
    await pour(client, queues, (n) => set(`queue-${n}-`.padEnd(240, "q"), "x", 0, true));
    await client.put("large", Buffer.alloc(MB, "y"));
    const stalled = await idlers(server, count, () => Buffer.from("stats queue\r\n"));
    await client.inStep();
    client.send("stats queue\r\nget large/peek\r\n");
    const list = await client.until("END\r\n");
    if (list.split("\r\n").length !== queues + 3) throw new Error("queues are missing");
    if ((await client.messages())[0]?.body.length !== MB) throw new Error("another message");
    const highest = peak(server);
    for (const one of stalled) one.end();
    return highest;
  });
}

/** How much of each there is in the long form, which takes about a minute in all. */
const FORMS: readonly (readonly [title: string, measure: (part: number) => Promise<number>])[] = [
  ["10 million messages", (part) => deepQueue(Math.ceil(10_000_000 * part))],
  ["100,000 queues", (part) => manyQueues(Math.ceil(100_000 * part))],
  ["2,000 bodies of 1 MB announced", (part) => stalledBodies(Math.ceil(2000 * part), 0)],
  ["2,000 bodies of 1 MB stalled", (part) => stalledBodies(Math.ceil(2000 * part), 900_000)],
  ["2,000 readers stalled", (part) => stalledReaders(Math.ceil(2000 * part), 10)],
  ["2 times 1,000 long gets", (part) => unfinishedGets(Math.ceil(1000 * part))],
  ["500 long lists unread", (part) => unreadLists(Math.ceil(500 * part))],
  ["a million gets unread", (part) => pipelinedGets(Math.ceil(1_000_000 * part))],
];
const LONG = 60_000;

export const memory: Part = { name: "memory", share: 1, run };

async function run(budget: number, _random: Random, report: Report): Promise<void> {
  const part = Math.min(1, budget / LONG);
  for (const [title, measure] of FORMS) {
    const highest = await measure(part);
    const percent = part < 1 ? ` (${Math.round(part * 100)} % of them)` : "";
    report.note(`${title}${percent}: ${Math.round(highest / MB)} MB`);
    if (highest > LIMIT) throw new Error(`${title}${percent} took ${highest} bytes`);
  }
}
