import type { Address } from "../config/address.ts";
import { connectPeer, DrainError, nameOf, type Peer } from "./peer.ts";

/** A message on its way from the other server. */
export interface Moved {
  /** Unsigned, 32 bits. */
  flags: number;
  body: Buffer;
}

/** Where messages are drained from. All of it throws a {@link DrainError} when that server fails. */
export interface Source {
  /** What it is called, and says that it is. */
  name: string;
  version: string;
  /** What it gives stays its own until it is confirmed, and goes back there when the connection ends. */
  reliable: boolean;
  /** How many messages it gives at a time at most. */
  most: number;
  /** The names of its queues, and whether there may be more that it doesn't tell. */
  queues(): Promise<{ names: string[]; isCut: boolean }>;
  /** Takes the oldest messages of the queue, up to `count`, and adds each to `messages`, the oldest first. */
  take(queue: string, count: number, messages: Moved[]): Promise<void>;
  /** All that was taken from the queue is stored, and can go there. */
  confirm(queue: string): Promise<void>;
  /** Appends to the queue there. */
  giveBack(queue: string, { flags, body }: Moved): Promise<void>;
  end(): void;
}

/** The largest body that -B can be set to, bytes. */
const MAX_BODY = 64 * 1024 * 1024;
/** A plain get loses what is on its way, so there is little. */
const MOST_PLAIN = 32;
/** One for each connection. */
const MOST_OPEN = 16;
/** MemcacheQ 0.2 ends its list of queues before 2048 bytes, without a word; a line is up to 278 bytes. */
const CUT = 2048 - 278;

/** @throws DrainError when it isn't there, or isn't a queue server as far as can be told */
export async function openSource(address: Address): Promise<Source> {
  const name = nameOf(address);
  const peer = await connectPeer(address);
  const version = await askVersion(peer, name);
  // Who knows options refuses these two together. For all others it is the name of a queue that is not there.
  const answer = await ask(peer, "get drain/open/abort");
  const reliable = answer.startsWith("CLIENT_ERROR ");
  if (!reliable && answer !== "END") throw nonsense(name, "get", answer);
  if (!reliable && (await isCache(peer))) {
    throw new DrainError(`${name} is a cache, not a queue: its get leaves the value where it is`);
  }
  const taker = reliable ? openMany(address, name, peer) : takePlainly(peer, name);
  return {
    name,
    version,
    reliable,
    async queues() {
      const { names, size } = await listQueues(peer, name);
      return { names, isCut: !reliable && size > CUT };
    },
    async giveBack(queue, { flags, body }) {
      const head = Buffer.from(`set ${queue} ${flags} 0 ${body.length}\r\n`, "latin1");
      peer.send(Buffer.concat([head, body, Buffer.from("\r\n")]));
      const stored = await peer.line();
      if (stored !== "STORED") throw nonsense(name, "set", stored);
    },
    ...taker,
  };
}

type Taker = Pick<Source, "most" | "take" | "confirm" | "end">;

/** Reads with a plain `get`, a few sent together: what has been sent by the other server is not there any more. */
function takePlainly(peer: Peer, name: string): Taker {
  return {
    most: MOST_PLAIN,
    async take(queue, count, messages) {
      peer.send(`get ${queue}\r\n`.repeat(count));
      for (let i = 0; i < count; i++) {
        const found = await readMessage(peer, name, queue);
        if (found !== undefined) messages.push(found);
      }
    },
    confirm: () => Promise.resolve(),
    end: peer.end,
  };
}

/** Reads reliably: each connection has one message open, and the messages' numbers tell their order. */
function openMany(address: Address, name: string, first: Peer): Taker {
  const peers = [first];
  let open: Peer[] = [];
  return {
    most: MOST_OPEN,
    async take(queue, count, messages) {
      while (peers.length < count) peers.push(await connectPeer(address));
      const asked = peers.slice(0, count);
      for (const peer of asked) peer.send(`gets ${queue}/open\r\n`);
      const found: (Moved & { number: number })[] = [];
      for (const peer of asked) {
        const message = await readMessage(peer, name, `${queue}/open`);
        if (message === undefined) continue;
        found.push(message);
        open.push(peer);
      }
      messages.push(...found.toSorted((a, b) => a.number - b.number));
    },
    async confirm(queue) {
      for (const peer of open) peer.send(`get ${queue}/close\r\n`);
      for (const peer of open) {
        const answer = await peer.line();
        if (answer !== "END") throw nonsense(name, "get", answer);
      }
      open = [];
    },
    end() {
      for (const peer of peers) peer.end();
    },
  };
}

async function askVersion(peer: Peer, name: string): Promise<string> {
  const answer = await ask(peer, "version");
  const [, version] = /^VERSION (\S+)/.exec(answer) ?? [];
  if (version === undefined) throw nonsense(name, "version", answer);
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

/** Reads the answer to a `get` of one key; `number` is 0 unless the answer has it. */
async function readMessage(
  peer: Peer,
  name: string,
  key: string,
): Promise<(Moved & { number: number }) | undefined> {
  const head = await peer.line();
  if (head === "END") return undefined;
  const [, told, flags, size, number] = /^VALUE (\S+) (-?\d+) (\d+)(?: (\d+))?$/.exec(head) ?? [];
  if (told !== key) throw nonsense(name, "get", head);
  if (Number(size) > MAX_BODY) {
    throw new DrainError(
      `${name} has a message of ${size} bytes in ${key}, ${MAX_BODY} are possible`,
    );
  }
  const body = await peer.bytes(Number(size));
  const end = [await peer.line(), await peer.line()];
  if (end.join() !== ",END") throw nonsense(name, "get", end.find((line) => line !== "") ?? "");
  // MemcacheQ 0.2 tells large flags as a negative number.
  return { flags: Number(flags) >>> 0, body, number: Number(number ?? 0) };
}

async function ask(peer: Peer, command: string): Promise<string> {
  peer.send(`${command}\r\n`);
  return await peer.line();
}

function nonsense(name: string, command: string, answer: string): DrainError {
  return new DrainError(`${name} answers "${shorten(answer)}" to a ${command}`);
}

function shorten(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
