import type { Connection } from "./connection.ts";

/** What all connections together make the server hold, beside what is in the queues. */
export interface Load {
  /** Bytes that have arrived and can't be executed yet: the beginnings of requests, and requests that wait. */
  input: number;
  /** Bytes of answers that are not sent yet. */
  output: number;
  /** Somebody was refused for want of memory since that was last looked at. */
  refused: boolean;
  /** Those whose answer is large and must wait until others have taken theirs, in the order in which they came. */
  waiting: Set<Connection>;
  /** Of those, the one who came first goes on next, not the one who came last. */
  firstIsNext: boolean;
}

export type Direction = "incoming" | "outgoing";

/** One connection's part of the load, in one direction. */
export interface Share {
  bytes: number;
  /** When it last moved on, in milliseconds since 1970, and by how many bytes it has moved since. */
  since: number;
  moved: number;
}

const MB = 1024 * 1024;
/** Beyond so many bytes of input, and of the largest body, whoever adds much to it is refused. */
const MOST_INPUT = 64 * MB;
/** Beyond so many bytes of output nobody is sent much more. */
const MOST_OUTPUT = 32 * MB;
/** What is not much, in bytes: a share up to this size is left alone as long as there are larger ones. */
export const FEW_BYTES = 16 * 1024;
/** Who moves on by less than so many bytes in so many milliseconds has stalled. */
const STEP = 64 * 1024;
const STALL = 5000;

export function newLoad(): Load {
  return { input: 0, output: 0, refused: false, waiting: new Set(), firstIsNext: true };
}

export function newShare(): Share {
  return { bytes: 0, since: 0, moved: 0 };
}

/** Whether there is so much input that nobody may add much. @param maxBody the largest body accepted, in bytes */
export function isFull(load: Load, maxBody: number): boolean {
  return load.input > MOST_INPUT + maxBody;
}

/** Whether so many answers are unsent that nobody is sent much more. */
export function isCrowded(load: Load): boolean {
  return load.output > MOST_OUTPUT;
}

/**
 * Who waits and may go on now, if anybody may: the one who came first and the one who came last by turns. So everybody
 * has a turn some time, and who comes and reads does not wait behind hundreds who don't.
 */
export function nextWaiting(load: Load): Connection | undefined {
  // The half that is left over is for those who come only now.
  if (load.output > MOST_OUTPUT / 2) return undefined;
  let next: Connection | undefined;
  for (const connection of load.waiting) {
    // Who has not taken what it was sent last is not sent more.
    if (connection.outgoing.bytes > 0) continue;
    next = connection;
    if (load.firstIsNext) break;
  }
  if (next !== undefined) load.firstIsNext = !load.firstIsNext;
  return next;
}

export function setInput(load: Load, share: Share, bytes: number): void {
  load.input += bytes - share.bytes;
  set(share, bytes);
}

export function setOutput(load: Load, share: Share, bytes: number): void {
  load.output += bytes - share.bytes;
  set(share, bytes);
}

function set(share: Share, bytes: number): void {
  if (share.bytes === 0) noteMoved(share, STEP);
  share.bytes = bytes;
}

/** So many bytes more have come, or gone. */
export function noteMoved(share: Share, bytes: number): void {
  share.moved += bytes;
  if (share.moved < STEP) return;
  share.moved = 0;
  share.since = Date.now();
}

function isStill({ bytes, since }: Share): boolean {
  return bytes > 0 && Date.now() - since > STALL;
}

/** Whether the connection does not move on, and not because of the server. */
function hasStalled(load: Load, connection: Connection, which: Direction): boolean {
  const { outgoing } = connection;
  if (!isStill(connection[which])) return false;
  // Who takes answers, or is to have some when there is room, gets to the rest of its requests later.
  const isServed = load.waiting.has(connection) || (outgoing.bytes > 0 && !isStill(outgoing));
  return which === "outgoing" || !isServed;
}

/**
 * Where memory is short, lets go of those that have stalled until half of it is free: first those that hold much of it,
 * and among them those that have stalled longest. To be called about once a second.
 * @param letGo of the connection, or at least of its share in that direction
 */
export function relieve(
  load: Load,
  connections: Iterable<Connection>,
  letGo: (connection: Connection, which: Direction) => void,
): void {
  if (load.refused) {
    for (const connection of stalled(load, connections, "incoming")) {
      if (load.input <= MOST_INPUT / 2) break;
      letGo(connection, "incoming");
    }
  }
  load.refused = false;
  if (load.waiting.size === 0) return;
  for (const connection of stalled(load, connections, "outgoing")) {
    if (load.output <= MOST_OUTPUT / 2) break;
    letGo(connection, "outgoing");
  }
}

function stalled(load: Load, connections: Iterable<Connection>, which: Direction): Connection[] {
  const found = [...connections].filter((connection) => hasStalled(load, connection, which));
  const isMuch = (connection: Connection) => Number(connection[which].bytes > FEW_BYTES);
  return found.sort((a, b) => isMuch(b) - isMuch(a) || a[which].since - b[which].since);
}
