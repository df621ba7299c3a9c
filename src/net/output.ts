/** Bytes of replies that the system has not taken yet. */
export interface Unsent {
  bytes: Buffer;
  start: number;
  end: number;
  /** The buffer belongs to the sender, and does not change: nothing may be appended to it. */
  shared: boolean;
}

/** The output of one client. */
export interface Outbox {
  unsent: Unsent[];
  /** Told of each change: so many more bytes are held; fewer when negative. */
  count(bytes: number): void;
  /** @returns how many bytes the system took; -1 when the client is gone */
  write(bytes: Buffer, start: number, end: number): number;
}

/** Bytes of a buffer in which unsent replies are gathered, and of a body from which on it is kept without a copy. */
const PIECE = 16 * 1024;
const SHARED_BODY = 64 * 1024;

/** Sends what the system takes, and keeps the rest: false when the client is gone. */
export function sendOrKeep(
  outbox: Outbox,
  bytes: Buffer,
  start: number,
  end: number,
  stable: boolean,
): boolean {
  const sent = outbox.unsent.length === 0 ? outbox.write(bytes, start, end) : 0;
  if (sent < 0) return false;
  if (start + sent < end) keep(outbox, bytes, start + sent, end, stable);
  return true;
}

function keep(outbox: Outbox, bytes: Buffer, start: number, end: number, stable: boolean): void {
  const { unsent } = outbox;
  if (stable && end - start >= SHARED_BODY) {
    unsent.push({ bytes, start, end, shared: true });
    outbox.count(end - start);
    return;
  }
  let at = start;
  while (at < end) {
    const last = unsent.at(-1);
    const room = last === undefined || last.shared ? 0 : last.bytes.length - last.end;
    if (last === undefined || room === 0) {
      const piece = Buffer.allocUnsafeSlow(Math.max(PIECE, end - at));
      unsent.push({ bytes: piece, start: 0, end: 0, shared: false });
      // All that was allocated for a piece counts until all of it is sent.
      outbox.count(piece.length);
    } else {
      const copied = bytes.copy(last.bytes, last.end, at, Math.min(end, at + room));
      last.end += copied;
      at += copied;
    }
  }
}

/** Sends what was kept, as far as the system takes it. @returns how many bytes that was */
export function sendUnsent(outbox: Outbox): number {
  const { unsent } = outbox;
  let total = 0;
  while (unsent.length > 0) {
    const piece = unsent[0] as Unsent;
    const sent = outbox.write(piece.bytes, piece.start, piece.end);
    if (sent <= 0) return total;
    total += sent;
    piece.start += sent;
    const isSent = piece.start === piece.end;
    if (isSent) unsent.shift();
    if (piece.shared) outbox.count(-sent);
    else if (isSent) outbox.count(-piece.bytes.length);
    if (!isSent) return total;
  }
  return total;
}
