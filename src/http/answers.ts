import type { Account } from "../engine/access/account.ts";
import { CONTENT_TYPE } from "./exposition.ts";
import { metrics } from "./metrics.ts";
import type { Monitor } from "./monitor.ts";
import type { Work } from "./work.ts";

/*
 * Answers that may be long. They are sent in pieces, each when the client has taken the one before. A client that takes
 * nothing for some seconds is disconnected; until the answer begins, and between two pieces, it is the client that waits.
 */

/** The client of an answer. */
export interface Reader {
  /** Decides which queues it may see; undefined: all. */
  account: Account | undefined;
  /** Aborted when it has left. */
  signal: AbortSignal;
  /** Disconnects it when nothing moves for so many seconds from now on; 0 is never. */
  disconnectAfter(seconds: number): void;
}

/** Seconds that a client has to take something of its answer. */
const UNREAD_SECONDS = 10;

/** Bytes that are sent together. */
const PIECE = 16 * 1024;
/** Bytes of answers that clients have not taken yet. */
const MAX_UNSENT = 8 * 1024 * 1024;

/** A piece is made when it is sent: a client that does not read takes no memory. */
export function metricsAnswer(monitor: Monitor, reader: Reader): Response {
  const pieces = metrics(monitor, reader.account, reader.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      reader.disconnectAfter(0);
      const piece = await nextPiece(pieces, reader.signal);
      reader.disconnectAfter(UNREAD_SECONDS);
      if (piece === undefined) controller.close();
      else controller.enqueue(encoder.encode(piece));
    },
    cancel: () => void pieces.return(undefined),
  });
  return new Response(body, { headers: { "content-type": CONTENT_TYPE } });
}

/** @returns undefined when there is no more, or the client has left */
async function nextPiece(
  pieces: AsyncGenerator<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { value, done } = await pieces.next();
    return done ? undefined : value;
  } catch (error) {
    if (!signal.aborted) throw error;
    return undefined;
  }
}

/** A value as JSON; undefined when too much is on its way to clients that do not read. */
function jsonAnswer(work: Work, value: object, { disconnectAfter }: Reader): Response | undefined {
  disconnectAfter(UNREAD_SECONDS);
  const bytes = Buffer.from(JSON.stringify(value));
  if (work.unsent + bytes.length > MAX_UNSENT) return undefined;
  return new Response(counted(work, bytes), {
    headers: {
      "content-type": "application/json;charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
}

export function json(work: Work, value: object, reader: Reader): Response {
  return jsonAnswer(work, value, reader) ?? refuse(503, "too many do not read their answers");
}

export function refuse(status: number, reason: string): Response {
  return new Response(`${reason}\n`, { status });
}

/** The bytes count as unsent until the client has taken all, or has left. */
function counted(work: Work, bytes: Buffer): ReadableStream<Uint8Array> {
  let at = 0;
  let unsent = bytes.length;
  const end = (): void => {
    work.unsent -= unsent;
    unsent = 0;
  };
  work.unsent += unsent;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, (at += PIECE)));
      if (at < bytes.length) return;
      end();
      controller.close();
    },
    cancel: end,
  });
}
