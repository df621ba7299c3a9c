import { type Bytes, clear, newBytes } from "../protocol/buffer.ts";
import type { Consumer } from "../queues/local/consumer.ts";
import { logInternal, orLog } from "../util/log.ts";
import type { Waiter } from "./waiters.ts";

/** Somebody who is answered: a connection, or the sender of a datagram. */
export interface Client {
  /** For the log. */
  id: number;
  consumer: Consumer;
  /** What this client can do beyond asking and being answered at once: only a connection can. */
  patience: Patience | undefined;
  /** How many bytes an answer with a message may have, where room is short. */
  room(): number;
  /** Sends bytes, now or as soon as it can. Unless they are `stable`, they change after the call. */
  deliver(bytes: Buffer, start: number, end: number, stable: boolean): void;
  /**
   * Tells why nothing of what a held answer says has happened.
   * @param held the answer's bytes, from `start` on
   */
  fail(reason: string, held: Buffer, start: number): void;
}

/** What a connection can do: wait, and have messages open. */
export interface Patience {
  /** What it waits for; until that has come nothing further is executed for it. */
  waiter: Waiter | undefined;
  /** What is still to be done of a large request, before anything further. */
  rest: (() => void) | undefined;
  /** The client sends nothing more, and may be gone: it is not to be kept waiting. */
  ended: boolean;
  /** The rest is to be done when there is room for it. */
  awaitRoom(): void;
  /** Goes on with what the client has sent since it began to wait. */
  resume(): void;
}

/**
 * The answers that are held back until what they say is committed, in the order in which they were given. Answer `i`
 * (or a piece of one) goes to `clients[i]` and is the bytes from `starts[i]` up to `ends[i]` of `sources[i]`, or of
 * `bytes` where that is undefined.
 */
export interface Turn {
  bytes: Bytes;
  count: number;
  clients: Client[];
  sources: (Buffer | undefined)[];
  starts: number[];
  ends: number[];
  claims: Claim[];
  /** Bytes in all the answers. */
  size: number;
  /** What is to be done once the answers are delivered. */
  afterwards: (() => void)[];
}

/**
 * What a failed commit makes of an answer: one that claims nothing is still true, one that tells of a change becomes
 * an error, and the further pieces of one go away.
 */
export type Claim = "nothing" | "change" | "rest";

/** After a turn of more answers than this the list of clients is let go of, and the closed ones with it. */
const MOST_KEPT = 4096;

export function newTurn(): Turn {
  return {
    bytes: newBytes(64 * 1024),
    count: 0,
    clients: [],
    sources: [],
    starts: [],
    ends: [],
    claims: [],
    size: 0,
    afterwards: [],
  };
}

/** Adds what was written to `turn.bytes` from `start` on as (a piece of) an answer. */
export function addWritten(turn: Turn, client: Client, start: number, claim: Claim): void {
  add(turn, client, undefined, start, turn.bytes.length, claim);
}

/** Adds an answer that was written to `turn.bytes` from `start` on, and is not sent: only its failure would be told. */
export function addUnsent(turn: Turn, client: Client, start: number, claim: Claim): void {
  add(turn, client, undefined, start, start, claim);
}

/** Adds bytes that lie elsewhere, and stay as they are, as a further piece of an answer. */
export function addBytes(
  turn: Turn,
  client: Client,
  source: Buffer,
  start: number,
  end: number,
): void {
  add(turn, client, source, start, end, "rest");
}

function add(
  turn: Turn,
  client: Client,
  source: Buffer | undefined,
  start: number,
  end: number,
  claim: Claim,
): void {
  const i = turn.count++;
  turn.clients[i] = client;
  turn.sources[i] = source;
  turn.starts[i] = start;
  turn.ends[i] = end;
  turn.claims[i] = claim;
  turn.size += end - start;
}

/**
 * Delivers all answers, and forgets them. Neighbours that lie together and go to the same client are one write.
 * @param failure why the commit failed: told instead of everything that tells of a change
 */
export function deliverTurn(turn: Turn, failure: string | undefined): void {
  for (let i = 0; i < turn.count; i++) {
    const first = i;
    while (failure === undefined && i + 1 < turn.count && follows(turn, i)) i++;
    try {
      deliver(turn, first, i, failure);
    } catch (cause) {
      // Nobody else is to miss an answer, or to get one twice.
      logInternal(cause);
    }
  }
  forget(turn);
}

/** Delivers the answers from `first` up to and with `last`, which lie together. */
function deliver(turn: Turn, first: number, last: number, failure: string | undefined): void {
  const { bytes, clients, sources, starts, ends, claims } = turn;
  const client = clients[first] as Client;
  const start = starts[first] as number;
  if (failure !== undefined && claims[first] !== "nothing") {
    if (claims[first] === "change") client.fail(failure, bytes.buffer, start);
    return;
  }
  const source = sources[first];
  const end = ends[last] as number;
  client.deliver(source ?? bytes.buffer, start, end, source !== undefined);
}

/** Whether answer `i + 1` lies right behind answer `i`, for the same client. */
function follows(turn: Turn, i: number): boolean {
  return (
    turn.clients[i + 1] === turn.clients[i] &&
    turn.sources[i] === undefined &&
    turn.sources[i + 1] === undefined &&
    turn.starts[i + 1] === turn.ends[i]
  );
}

function forget(turn: Turn): void {
  for (let i = 0; i < turn.count; i++) turn.sources[i] = undefined;
  if (turn.count > MOST_KEPT) turn.clients.length = 0;
  turn.count = 0;
  turn.size = 0;
  clear(turn.bytes);
  const { afterwards } = turn;
  if (afterwards.length === 0) return;
  turn.afterwards = [];
  for (const work of afterwards) orLog(work);
}
