import { setUserTimeout } from "../os/libc.ts";

/*
 * The end of clients whose machine is gone. While nothing was sent to a client the system asks now and then whether its
 * machine is there (keepalive). As long as something is sent and not acknowledged it does not ask, but repeats that for
 * about 15 minutes, unless there is a limit: see TCP_USER_TIMEOUT in tcp(7). A worker that had waited for a message would
 * keep it open all that time.
 *
 * The system takes a client that reads nothing for one that is gone. So the limit is lifted while so much was sent that
 * it may still lie on the way: a client that is slow to read large messages is left alone.
 */

/** What the limit needs of a client. */
export interface Watched {
  socket: { readonly fd?: number };
  /** Bytes that were sent since the client has sent anything. */
  sent: number;
  /** The limit holds; undefined for a Unix socket, which needs none. */
  watched: boolean | undefined;
}

/** The limit, in milliseconds. */
const SILENCE_MS = 60_000;
/** So many bytes always have room in the client's system: what is sent is acknowledged although the client reads nothing. */
const MAX_SENT = 32 * 1024;

/** Sets the limit of all clients that a listening socket will accept. @returns whether the system has such a limit */
export function limitSilence(listener: object): boolean {
  const { fd } = listener as { fd?: number };
  return fd !== undefined && setUserTimeout(fd, SILENCE_MS);
}

/** The client has sent something. @param isAllSent whether no reply is left to be sent to it */
export function noteReceived(client: Watched, isAllSent: boolean): void {
  client.sent = 0;
  if (client.watched === false && isAllSent) setLimit(client, SILENCE_MS);
}

export function noteSent(client: Watched, bytes: number): void {
  client.sent += bytes;
  if (client.sent > MAX_SENT && client.watched === true) setLimit(client, 0);
}

/** @param milliseconds 0 is no limit */
function setLimit(client: Watched, milliseconds: number): void {
  const { fd } = client.socket;
  if (fd !== undefined && setUserTimeout(fd, milliseconds)) client.watched = milliseconds > 0;
}
