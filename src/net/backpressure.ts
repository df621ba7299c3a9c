/**
 * What all clients together make the server hold, beside the queues: requests that are not complete, and replies that
 * are not sent. Both have a bound, for all clients together:
 *
 *     input    above its bound and one body, the request of a client that adds to it is refused
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
  /** A request was refused because of the bound of input, and since then not enough of it has become free. */
  refused: boolean;
  /** Clients whose reply is large and waits for room, in order of arrival. */
  awaiting: Set<C>;
  /** The client that may go on although output is short, until its reply is made. It is not in `awaiting`. */
  admitted: C | undefined;
  /** Of the awaiting clients the first is admitted next; otherwise the last. */
  firstIsNext: boolean;
  /** When stalled clients were last looked for, on the monotonic clock. */
  lookedAt: number;
  /** Until then no client counts as stalled: the server itself was kept from its work. */
  mercyUntil: number;
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
/** A share of up to so many bytes is small: clients with larger ones are evicted first. */
const SMALL_SHARE = 16 * 1024;
/** The beginning of a request of up to so many bytes is never refused. */
const TINY_SHARE = 1024;
/** A client has stalled when less than so many bytes have moved in so many milliseconds. */
const STEP = 64 * 1024;
const STALL_MS = 5000;
/** A look that comes so many milliseconds after the one before is late: the server had no time for its clients. */
const LATE_MS = 3000;

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
    lookedAt: Infinity,
    mercyUntil: 0,
  };
}

export function newShare(): Share {
  return { bytes: 0, since: 0, moved: 0 };
}

/**
 * Whether a client may not add to its share of the input, because there is too much of it.
 * @param bytes its share
 * @param maxBody the largest body accepted, in bytes
 */
export function isInputFull(usage: BufferUsage, bytes: number, maxBody: number): boolean {
  const { input, bounds } = usage;
  return bytes > TINY_SHARE && input > bounds.input + maxBody;
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
  { now, isServersTurn }: Look<C>,
): boolean {
  const { outgoing } = client;
  if (!isStill(client[which], now)) return false;
  if (which === "outgoing") return true;
  // A client that reads replies, or gets some when there is room, sends the rest of its requests later.
  const isServed = usage.awaiting.has(client) || (outgoing.bytes > 0 && !isStill(outgoing, now));
  return !isServed && !isServersTurn(client);
}

/** A look at which clients have stalled. */
export interface Look<C extends Client> {
  /** Milliseconds on the monotonic clock. */
  now: number;
  /** Whether the client waits for the server to do something that it has asked for. */
  isServersTurn: (client: C) => boolean;
  /** Evicts the client, or at least its share in that direction. */
  evict: (client: C, which: Direction) => void;
}

/**
 * When memory is short, evicts stalled clients until half of it is free: clients with a large share first, and of these
 * the one that stalled first. Call it about once a second. After a call that comes late no client counts as stalled for
 * a while: the server has not read from any of them.
 */
export function evictStalledClients<C extends Client>(
  usage: BufferUsage<C>,
  clients: Iterable<C>,
  look: Look<C>,
): void {
  const { now, evict } = look;
  if (now - usage.lookedAt > LATE_MS) usage.mercyUntil = now + STALL_MS;
  usage.lookedAt = now;
  if (now < usage.mercyUntil) return;
  if (usage.refused) {
    // The share of a client that waits for a message is free only once it has its reply.
    let left = usage.input;
    for (const client of stalled(usage, clients, "incoming", look)) {
      if (left <= usage.bounds.input / 2) break;
      left -= client.incoming.bytes;
      evict(client, "incoming");
    }
    usage.refused = left > usage.bounds.input;
  }
  if (usage.awaiting.size === 0) return;
  for (const client of stalled(usage, clients, "outgoing", look)) {
    if (usage.output <= usage.bounds.output / 2) break;
    evict(client, "outgoing");
  }
}

function stalled<C extends Client>(
  usage: BufferUsage<C>,
  clients: Iterable<C>,
  which: Direction,
  look: Look<C>,
): C[] {
  const found = [...clients].filter((client) => hasStalled(usage, client, which, look));
  const isMuch = (client: C) => Number(client[which].bytes > SMALL_SHARE);
  return found.sort((a, b) => isMuch(b) - isMuch(a) || a[which].since - b[which].since);
}
