/**
 * What all clients together make the server hold, beside what is in the queues: the beginnings of requests, and replies
 * that are not sent. Both are bounded, over all clients:
 *
 *     input    above MAX_INPUT and one body, a client that adds much to it is refused
 *     output   above MAX_OUTPUT no client is sent much more; the next message waits for room, and its client with it
 *
 * What stays that full because clients do nothing is freed by disconnecting them, once a second.
 */
export interface BufferUsage<C extends Client = Client> {
  /** Bytes that have arrived and can't be executed yet: the beginnings of requests, and requests that wait. */
  input: number;
  /** Bytes of replies that are not sent yet. */
  output: number;
  /** A client was refused for want of memory since that was last looked at. */
  refused: boolean;
  /** Clients whose reply is large and waits for room, in the order in which they came. */
  awaiting: Set<C>;
  /** The one of them that was let go on, until its reply is made. */
  admitted: C | undefined;
  /** Of those, the one that came first goes on next, not the one that came last. */
  firstIsNext: boolean;
}

export type Direction = "incoming" | "outgoing";

/** What a client makes the server hold, in each direction. */
export type Client = Record<Direction, Share>;

export interface Share {
  bytes: number;
  /** When it last moved on, in milliseconds on the monotonic clock, and by how many bytes it has moved since. */
  since: number;
  moved: number;
}

const MB = 1024 * 1024;
const MAX_INPUT = 64 * MB;
const MAX_OUTPUT = 32 * MB;
/** A share up to this size, in bytes, is left alone as long as there are larger ones. */
export const SMALL_SHARE = 16 * 1024;
/** A client that moves on by less than so many bytes in so many milliseconds has stalled. */
const STEP = 64 * 1024;
const STALL_MS = 5000;

export function newBufferUsage<C extends Client>(): BufferUsage<C> {
  return {
    input: 0,
    output: 0,
    refused: false,
    awaiting: new Set(),
    admitted: undefined,
    firstIsNext: true,
  };
}

export function newShare(): Share {
  return { bytes: 0, since: 0, moved: 0 };
}

/** Whether there is so much input that no client may add much. @param maxBody the largest body accepted, in bytes */
export function isInputFull(usage: BufferUsage, maxBody: number): boolean {
  return usage.input > MAX_INPUT + maxBody;
}

/** Whether so many replies are unsent that no client is sent much more. */
export function isOutputFull(usage: BufferUsage): boolean {
  return usage.output > MAX_OUTPUT;
}

/**
 * The client that may go on, if there is room: the first and the last one of those that wait by turns. So each has its
 * turn some time, and one that comes and reads does not wait behind hundreds that don't read.
 */
export function nextToAdmit<C extends Client>(usage: BufferUsage<C>): C | undefined {
  // The half that is left over is for clients that come only now.
  if (usage.output > MAX_OUTPUT / 2 || usage.admitted !== undefined) return undefined;
  let next: C | undefined;
  for (const client of usage.awaiting) {
    // A client that has not taken what it was sent last is not sent more.
    if (client.outgoing.bytes > 0) continue;
    next = client;
    if (usage.firstIsNext) break;
  }
  if (next !== undefined) usage.firstIsNext = !usage.firstIsNext;
  return next;
}

export function setInput(usage: BufferUsage, share: Share, bytes: number, now: number): void {
  usage.input += bytes - share.bytes;
  setShare(share, bytes, now);
}

export function setOutput(usage: BufferUsage, share: Share, bytes: number, now: number): void {
  usage.output += bytes - share.bytes;
  setShare(share, bytes, now);
}

function setShare(share: Share, bytes: number, now: number): void {
  if (share.bytes === 0) noteMoved(share, STEP, now);
  share.bytes = bytes;
}

/** So many bytes more have come, or gone. */
export function noteMoved(share: Share, bytes: number, now: number): void {
  share.moved += bytes;
  if (share.moved < STEP) return;
  share.moved = 0;
  share.since = now;
}

function isStill({ bytes, since }: Share, now: number): boolean {
  return bytes > 0 && now - since > STALL_MS;
}

/** Whether the client does not move on, and not because of the server. */
function hasStalled<C extends Client>(
  usage: BufferUsage<C>,
  client: C,
  which: Direction,
  now: number,
): boolean {
  const { outgoing } = client;
  if (!isStill(client[which], now)) return false;
  // A client that takes replies, or gets some when there is room, comes to the rest of its requests later.
  const isServed = usage.awaiting.has(client) || (outgoing.bytes > 0 && !isStill(outgoing, now));
  return which === "outgoing" || !isServed;
}

/**
 * Where memory is short, evicts clients that have stalled until half of it is free: first those that hold much of it, and
 * among them those that have stalled longest. To be called about once a second.
 * @param evict the client, or at least its share in that direction
 * @param now milliseconds on the monotonic clock
 */
export function evictStalledClients<C extends Client>(
  usage: BufferUsage<C>,
  clients: Iterable<C>,
  now: number,
  evict: (client: C, which: Direction) => void,
): void {
  if (usage.refused) {
    for (const client of stalled(usage, clients, "incoming", now)) {
      if (usage.input <= MAX_INPUT / 2) break;
      evict(client, "incoming");
    }
  }
  usage.refused = false;
  if (usage.awaiting.size === 0) return;
  for (const client of stalled(usage, clients, "outgoing", now)) {
    if (usage.output <= MAX_OUTPUT / 2) break;
    evict(client, "outgoing");
  }
}

function stalled<C extends Client>(
  usage: BufferUsage<C>,
  clients: Iterable<C>,
  which: Direction,
  now: number,
): C[] {
  const found = [...clients].filter((client) => hasStalled(usage, client, which, now));
  const isMuch = (client: C) => Number(client[which].bytes > SMALL_SHARE);
  return found.sort((a, b) => isMuch(b) - isMuch(a) || a[which].since - b[which].since);
}
