import { ask, type NumberedMessage, readMessage, readOpened, unexpected } from "./answers.ts";
import { connectPeer, DrainError, type Peer, type Place } from "./peer.ts";
import { readItems } from "./queue_list.ts";
import type { Source } from "./source.ts";

/** Milliseconds between two looks at a lease. */
const LEASE_POLL_MS = 100;
/** It is back, or the lease was over. */
const TOUCHED: readonly string[] = ["TOUCHED", "NOT_FOUND"];

/** How messages are read from a kind of server. */
export type Reader = Pick<
  Source,
  "reliable" | "maxBatch" | "take" | "confirm" | "end" | "endLeases"
>;

/** Messages that are asked for together with plain gets: they are lost when the connection breaks, so there are few. */
const MAX_PLAIN = 32;
/** Messages that are open together. Each needs a connection of its own. */
const MAX_OPEN = 16;

/** Reads with plain gets, a few sent together: what the other server has sent is not there any more. */
export function readPlainly(peer: Peer, name: string): Reader {
  return {
    reliable: false,
    maxBatch: MAX_PLAIN,
    async take(queue, count, messages) {
      peer.send(`get ${queue}\r\n`.repeat(count));
      for (let i = 0; i < count; i++) {
        const found = await readMessage(peer, name, queue);
        if (found !== undefined) messages.push(found);
      }
    },
    confirm: async () => undefined,
    endLeases: async () => undefined,
    end: peer.end,
  };
}

/**
 * Reads reliably: each connection has one message open, and the messages' numbers tell their order.
 * @param knowsEarly it gives messages before their time, with what is known of them, and tells its leases
 */
export function readNumbered(place: Place, name: string, first: Peer, knowsEarly: boolean): Reader {
  const peers = [first];
  /** Those with an open message, in the order of the messages. */
  const open: Peer[] = [];
  return {
    reliable: true,
    maxBatch: MAX_OPEN,
    async take(queue, count, messages) {
      while (peers.length < count) peers.push(await connectPeer(place));
      const asked = peers.slice(0, count);
      const command = knowsEarly ? `mg ${queue}/open/early v f c h d` : `gets ${queue}/open`;
      for (const peer of asked) peer.send(`${command}\r\n`);
      const found: { peer: Peer; message: NumberedMessage }[] = [];
      for (const peer of asked) {
        const message = knowsEarly
          ? await readOpened(peer, name)
          : await readMessage(peer, name, `${queue}/open`);
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
      for (const peer of closing) await readClosed(peer, name);
    },
    endLeases: async (queue, milliseconds) => {
      if (knowsEarly) await endLeases(first, name, queue, milliseconds);
    },
    end() {
      for (const peer of peers) peer.end();
    },
  };
}

/** See {@link Source.endLeases}. */
async function endLeases(
  peer: Peer,
  name: string,
  queue: string,
  milliseconds: number,
): Promise<void> {
  const until = performance.now() + milliseconds;
  for (;;) {
    const answer = await ask(peer, `mg ${queue}/peek/leased c d`);
    if (answer === "EN") return;
    const [, number, endsIn] = /^HD c(\d+) d(\d+)$/.exec(answer) ?? [];
    if (number === undefined) throw unexpected(name, "mg", answer);
    const left = until - performance.now();
    if (left > 0) await Bun.sleep(Math.min(left, Number(endsIn) + 1, LEASE_POLL_MS));
    else if (!TOUCHED.includes(await ask(peer, `touch ${queue}/${number} 0`))) {
      throw unexpected(name, "touch", answer);
    }
  }
}

/**
 * Reads reliably where messages have no numbers: one at a time. Of several, the order in which they go back when the
 * connections break would be that in which the other server notices it.
 */
export function readSingly(peer: Peer, name: string): Reader {
  return {
    reliable: true,
    maxBatch: 1,
    async take(queue, _count, messages) {
      const found = await open(peer, name, queue);
      if (found !== undefined) messages.push(found);
    },
    confirm: (queue, count) => close(peer, name, queue, count),
    endLeases: async () => undefined,
    end: peer.end,
  };
}

/**
 * The same for Siberite, where an empty message looks like an empty queue, and is gone then: `stats` tells whether there
 * was one. It comes over as an empty message.
 */
export function readSiberite(peer: Peer, name: string): Reader {
  /** How many messages the queue has there; undefined when that has to be asked. */
  const known = new Map<string, number>();

  async function count(queue: string): Promise<number> {
    return (await readItems(peer, name)).get(queue) ?? 0;
  }

  return {
    ...readSingly(peer, name),
    async take(queue, _count, messages) {
      // What was known is not true any more when producers go on.
      const before = known.get(queue) || (await count(queue));
      const found = await open(peer, name, queue);
      if (found !== undefined) {
        known.set(queue, Math.max(0, before - 1));
        messages.push(found);
        return;
      }
      const after = await count(queue);
      known.set(queue, after);
      if (after < before)
        messages.push({ flags: 0, body: Buffer.alloc(0), deliveries: 0, delay: 0 });
      else if (after > 0) throw notGiven(name, queue, after);
    },
  };
}

function notGiven(name: string, queue: string, messages: number): DrainError {
  return new DrainError(
    `${name} tells of ${messages} messages in ${queue}, and does not give them: ` +
      "end the clients that have them open, and run it again",
  );
}

async function open(peer: Peer, name: string, queue: string): Promise<NumberedMessage | undefined> {
  peer.send(`get ${queue}/open\r\n`);
  return await readMessage(peer, name, `${queue}/open`);
}

async function close(peer: Peer, name: string, queue: string, count: number): Promise<void> {
  if (count === 0) return;
  peer.send(`get ${queue}/close\r\n`);
  await readClosed(peer, name);
}

async function readClosed(peer: Peer, name: string): Promise<void> {
  const answer = await peer.line();
  if (answer !== "END") throw unexpected(name, "get", answer);
}
