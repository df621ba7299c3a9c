import { isCrowded, noteMoved, setOutput } from "./backpressure.ts";
import type { Connection } from "./connection.ts";

/** Bytes that the system had no room for yet. */
export interface Unsent {
  bytes: Buffer;
  start: number;
  end: number;
  /** The bytes lie elsewhere, and stay there as they are: nothing may be written behind them. */
  shared: boolean;
}

/** A client with more than so many bytes of answers unsent is not served further before it reads them. */
const MOST_UNSENT = 256 * 1024;
/** Small answers that must wait are gathered in pieces of this size; large bodies are sent from where they lie. */
const UNSENT_PIECE = 16 * 1024;
const SHARED_BODY = 64 * 1024;

/** Whether so much is unsent that the client is to read before it is served further. */
export function isBehind({ server, outgoing }: Connection): boolean {
  return outgoing.bytes > (isCrowded(server.load) ? 0 : MOST_UNSENT);
}

/** Sends what the system takes, and keeps the rest: true when there is none. */
export function sendOrKeep(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): boolean {
  const sent = connection.outgoing.bytes === 0 ? send(connection, bytes, start, end) : 0;
  if (start + sent === end) return true;
  keepUnsent(connection, bytes, start + sent, end, stable);
  return false;
}

function keepUnsent(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): void {
  if (stable && end - start >= SHARED_BODY) {
    connection.unsent.push({ bytes, start, end, shared: true });
    count(connection, end - start);
    return;
  }
  let at = start;
  while (at < end) {
    const last = connection.unsent.at(-1);
    const room = last === undefined || last.shared ? 0 : last.bytes.length - last.end;
    if (last === undefined || room === 0) {
      const piece = Buffer.allocUnsafeSlow(Math.max(UNSENT_PIECE, end - at));
      connection.unsent.push({ bytes: piece, start: 0, end: 0, shared: false });
      count(connection, piece.length);
    } else {
      const copied = bytes.copy(last.bytes, last.end, at, Math.min(end, at + room));
      last.end += copied;
      at += copied;
    }
  }
}

/** Counts so many bytes more as held: of a piece of our own all that was allocated, until all of it is sent. */
function count({ server, outgoing }: Connection, bytes: number): void {
  setOutput(server.load, outgoing, outgoing.bytes + bytes);
}

/** @returns how many of the bytes the system took */
function send(connection: Connection, bytes: Buffer, start: number, end: number): number {
  const sent = connection.socket.write(bytes, start, end - start);
  if (sent < 0) {
    // The client is gone, and who has learned that by writing may never be told it again.
    setImmediate(() => connection.socket.terminate());
    return 0;
  }
  connection.server.stats.bytesWritten += sent;
  return sent;
}

/** Sends what was kept, as far as the system takes it. */
export function sendUnsent(connection: Connection): void {
  while (connection.unsent.length > 0) {
    const piece = connection.unsent[0] as Unsent;
    const sent = send(connection, piece.bytes, piece.start, piece.end);
    if (sent === 0) return;
    noteMoved(connection.outgoing, sent);
    piece.start += sent;
    const isSent = piece.start === piece.end;
    if (isSent) connection.unsent.shift();
    if (piece.shared) count(connection, -sent);
    else if (isSent) count(connection, -piece.bytes.length);
    if (!isSent) return;
  }
}
