/**
 * What all clients together make the server hold, beside the queues: requests that are not complete, and replies that
 * are not sent. Both have a bound, for all clients together:
 *
 *     input    above its bound and one body, the request of a client that adds much to it is refused
 *     output   above its bound, no client is sent much more: a large reply waits for room, and its client with it
 *
 * When clients that do nothing keep it that full, they are disconnected. That is looked at once a second.
 */
export interface BufferUsage<C extends Client = Client> {
  bounds: Bounds;
  /** Bytes that have arrived and can't be executed yet: of incomplete requests, and of requests that wait. */
  input: number;
  /** Bytes of replies that are not sent yet. */
  output: number;
  /** So much output is unsent that no client is sent much more. */
  outputFull: boolean;
  /** A request was refused because of the bound of input since the last look. */
  refused: boolean;
  /** Clients whose reply is large and waits for room, in order of arrival. */
  awaiting: Set<C>;
  /** The client that may go on although output is short, until its reply is made. It is not in `awaiting`. */
  admitted: C | undefined;
  /** Of the awaiting clients the first is admitted next; otherwise the last. */
  firstIsNext: boolean;
}

export type Direction = "incoming" | "outgoing";

/** What a client makes the server hold, in each direction. */
export type Client = Record<Direction, Share>;

export interface Share {
  bytes: number;
  /** When its last STEP bytes had moved, in milliseconds on the monotonic clock, and how many bytes have moved since. */
  since: number;
  moved: number;
}

/** Bytes. */
export interface Bounds {
  input: number;
  output: number;
}

const MB = 1024 * 1024;
const BOUNDS: Bounds = { input: 64 * MB, output: 32 * MB };
/** A share of up to so many bytes is small: only larger ones are refused, and their clients are evicted first. */
export const SMALL_SHARE = 16 * 1024;
/** A client has stalled when less than so many bytes have moved in so many milliseconds. */
const STEP = 64 * 1024;
const STALL_MS = 5000;

export function newBufferUsage<C extends Client>(bounds = BOUNDS): BufferUsage<C> {
  return {
    bounds,
    input: 0,
    output: 0,
    outputFull: false,
    refused: false,
    awaiting: new Set(),
    admitted: undefined,
    firstIsNext: true,
  };
}

export function newShare(): Share {
  return { bytes: 0, since: 0, moved: 0 };
}

/** Whether input is at its bound: no client may add much. @param maxBody the largest body accepted, in bytes */
export function isInputFull(usage: BufferUsage, maxBody: number): boolean {
  return usage.input > usage.bounds.input + maxBody;
}

/**
 * The awaiting client that may go on, if there is room: the first and the last in turn. So each is admitted at some
 * time, and a new client that reads does not wait behind hundreds of clients that don't.
 */
export function nextToAdmit<C extends Client>(usage: BufferUsage<C>): C | undefined {
  // The other half is for clients that arrive later.
  if (usage.output > usage.bounds.output / 2 || usage.admitted !== undefined) return undefined;
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
  usage.outputFull = usage.output > usage.bounds.output;
  setShare(share, bytes, now);
}

function setShare(share: Share, bytes: number, now: number): void {
  if (share.bytes === 0) noteMoved(share, STEP, now);
  share.bytes = bytes;
}

/** So many more bytes have arrived, or were sent. */
export function noteMoved(share: Share, bytes: number, now: number): void {
  share.moved += bytes;
  if (share.moved < STEP) return;
  share.moved = 0;
  share.since = now;
}

function isStill({ bytes, since }: Share, now: number): boolean {
  return bytes > 0 && now - since > STALL_MS;
}

/** Whether nothing moves for the client, and the server is not the reason. */
function hasStalled<C extends Client>(
  usage: BufferUsage<C>,
  client: C,
  which: Direction,
  now: number,
): boolean {
  const { outgoing } = client;
  if (!isStill(client[which], now)) return false;
  // A client that reads replies, or gets some when there is room, sends the rest of its requests later.
  const isServed = usage.awaiting.has(client) || (outgoing.bytes > 0 && !isStill(outgoing, now));
  return which === "outgoing" || !isServed;
}

/**
 * When memory is short, evicts stalled clients until half of it is free: clients with a large share first, and of these
 * the one that stalled first. Call it about once a second.
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
      if (usage.input <= usage.bounds.input / 2) break;
      evict(client, "incoming");
    }
  }
  usage.refused = false;
  if (usage.awaiting.size === 0) return;
  for (const client of stalled(usage, clients, "outgoing", now)) {
    if (usage.output <= usage.bounds.output / 2) break;
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
