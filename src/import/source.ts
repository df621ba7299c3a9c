import type { Address } from "../config/address.ts";
import { connectPeer, DrainError, nameOf, type Peer } from "./peer.ts";

/** A message on its way from the other server. */
export interface MovedMessage {
  /** Unsigned, 32 bits. */
  flags: number;
  body: Buffer;
}

interface NumberedMessage extends MovedMessage {
  /** Its place in the queue there; 0 when the answer does not have it. */
  number: number;
}

/** Where messages are drained from. All of it throws a {@link DrainError} when that server fails. */
export interface Source {
  /** Its address; and its version, as it says itself. */
  name: string;
  version: string;
  /** A message that it gives stays in its queue until it is confirmed, and is free again there when the connection ends. */
  reliable: boolean;
  /** The largest number of messages that can be taken at a time. */
  maxBatch: number;
  /** The names of its queues, and whether there may be more that it does not tell. */
  queues(): Promise<{ names: string[]; isCut: boolean }>;
  /** Takes the oldest messages of the queue, up to `count`, and adds each to `messages`, the oldest first. */
  take(queue: string, count: number, messages: MovedMessage[]): Promise<void>;
  /** The first `count` messages that were taken from the queue and not confirmed are stored, and can go there. */
  confirm(queue: string, count: number): Promise<void>;
  /** Appends to the queue there. */
  giveBack(queue: string, { flags, body }: MovedMessage): Promise<void>;
  end(): void;
}

/** The largest body that -B can be set to, bytes. */
const MAX_BODY = 64 * 1024 * 1024;
/** Messages that are asked for together with plain gets: they are lost when the connection breaks, so there are few. */
const MAX_PLAIN = 32;
/** Messages that are open together. Each needs a connection of its own. */
const MAX_OPEN = 16;
/** MemcacheQ 0.2 ends its list of queues before 2048 bytes, without a word; a line is up to 278 bytes. */
const MAX_COMPLETE_LIST = 2048 - 278;

/** @throws DrainError when it cannot be reached, or is not a queue server as far as can be told */
export async function openSource(address: Address): Promise<Source> {
  const name = nameOf(address);
  const peer = await connectPeer(address);
  const version = await askVersion(peer, name);
  // A server that knows options refuses these two together. For any other it is the name of a queue that is not there.
  const answer = await ask(peer, "get drain/open/abort");
  const reliable = answer.startsWith("CLIENT_ERROR ");
  if (!reliable && answer !== "END") throw unexpected(name, "get", answer);
  if (!reliable && (await isCache(peer))) {
    throw new DrainError(`${name} is a cache, not a queue: its get leaves the value where it is`);
  }
  const reader = reliable ? readReliably(address, name, peer) : readPlainly(peer, name);
  return {
    name,
    version,
    reliable,
    async queues() {
      const { names, size } = await listQueues(peer, name);
      return { names, isCut: !reliable && size > MAX_COMPLETE_LIST };
    },
    async giveBack(queue, { flags, body }) {
      const head = Buffer.from(`set ${queue} ${flags} 0 ${body.length}\r\n`, "latin1");
      peer.send(Buffer.concat([head, body, Buffer.from("\r\n")]));
      const stored = await peer.line();
      if (stored !== "STORED") throw unexpected(name, "set", stored);
    },
    ...reader,
  };
}

type Reader = Pick<Source, "maxBatch" | "take" | "confirm" | "end">;

/** Reads with plain gets, a few sent together: what the other server has sent is not there any more. */
function readPlainly(peer: Peer, name: string): Reader {
  return {
    maxBatch: MAX_PLAIN,
    async take(queue, count, messages) {
      peer.send(`get ${queue}\r\n`.repeat(count));
      for (let i = 0; i < count; i++) {
        const found = await readMessage(peer, name, queue);
        if (found !== undefined) messages.push(found);
      }
    },
    confirm: async () => undefined,
    end: peer.end,
  };
}

/** Reads reliably: each connection has one message open, and the messages' numbers tell their order. */
function readReliably(address: Address, name: string, first: Peer): Reader {
  const peers = [first];
  /** Those with an open message, in the order of the messages. */
  const open: Peer[] = [];
  return {
    maxBatch: MAX_OPEN,
    async take(queue, count, messages) {
      while (peers.length < count) peers.push(await connectPeer(address));
      const asked = peers.slice(0, count);
      for (const peer of asked) peer.send(`gets ${queue}/open\r\n`);
      const found: { peer: Peer; message: NumberedMessage }[] = [];
      for (const peer of asked) {
        const message = await readMessage(peer, name, `${queue}/open`);
        if (message !== undefined) found.push({ peer, message });
      }
      found.sort((a, b) => a.message.number - b.message.number);
      for (const { peer, message } of found) {
        open.push(peer);
        messages.push(message);
      }
    },
    async confirm(queue, count) {
      const closing = open.splice(0, count);
      for (const peer of closing) peer.send(`get ${queue}/close\r\n`);
      for (const peer of closing) {
        const answer = await peer.line();
        if (answer !== "END") throw unexpected(name, "get", answer);
      }
    },
    end() {
      for (const peer of peers) peer.end();
    },
  };
}

async function askVersion(peer: Peer, name: string): Promise<string> {
  const answer = await ask(peer, "version");
  const [, version] = /^VERSION (\S+)/.exec(answer) ?? [];
  if (version === undefined) throw unexpected(name, "version", answer);
  return version;
}

/** Whether it says, as memcached does, how many items it has thrown away. */
async function isCache(peer: Peer): Promise<boolean> {
  let found = false;
  peer.send("stats\r\n");
  for (let line = await peer.line(); line.startsWith("STAT "); line = await peer.line()) {
    found ||= line.startsWith("STAT evictions ");
  }
  return found;
}

async function listQueues(peer: Peer, name: string): Promise<{ names: string[]; size: number }> {
  const names: string[] = [];
  let size = 0;
  peer.send("stats queue\r\n");
  for (let line = await peer.line(); line !== "END"; line = await peer.line()) {
    const [, queue] = /^STAT (\S+) \d+\/\d+$/.exec(line) ?? [];
    if (queue === undefined) {
      throw new DrainError(
        `${name} does not tell its queues, it answers "${shorten(line)}" to "stats queue": ` +
          "name them, with --queues",
      );
    }
    names.push(queue);
    size += line.length + 2;
  }
  return { names, size };
}

/** Reads the answer to a `get` of one key. */
async function readMessage(
  peer: Peer,
  name: string,
  key: string,
): Promise<NumberedMessage | undefined> {
  const head = await peer.line();
  if (head === "END") return undefined;
  const [, told, flags, size, number] = /^VALUE (\S+) (-?\d+) (\d+)(?: (\d+))?$/.exec(head) ?? [];
  if (told !== key) throw unexpected(name, "get", head);
  if (Number(size) > MAX_BODY) {
    throw new DrainError(
      `${name} has a message of ${size} bytes in ${key}, ${MAX_BODY} are possible`,
    );
  }
  const body = await peer.bytes(Number(size));
  const end = [await peer.line(), await peer.line()];
  if (end.join() !== ",END") throw unexpected(name, "get", end.find((line) => line !== "") ?? "");
  // MemcacheQ 0.2 tells large flags as a negative number.
  return { flags: Number(flags) >>> 0, body, number: Number(number ?? 0) };
}

async function ask(peer: Peer, command: string): Promise<string> {
  peer.send(`${command}\r\n`);
  return await peer.line();
}

function unexpected(name: string, command: string, answer: string): DrainError {
  return new DrainError(`${name} answers "${shorten(answer)}" to a ${command}`);
}

function shorten(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
