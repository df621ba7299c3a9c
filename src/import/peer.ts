import type { Address } from "../config/address.ts";
import { reasonIn } from "../util/reason.ts";

/** A connection to the other server. A byte of a text is a character from U+0000 to U+00FF. */
export interface Peer {
  send(data: string | Uint8Array): void;
  /** The next line, without its end. @throws DrainError when none comes */
  line(): Promise<string>;
  /** So many bytes, in memory of their own. @throws DrainError when they do not come */
  bytes(count: number): Promise<Buffer>;
  end(): void;
}

/** Why a drain, or another conversation with a server, ends before its time, in words for the user. */
export class DrainError extends Error {}

/** The codes of a TLS handshake that has failed for another reason than the certificate. */
const BROKEN: readonly string[] = ["EPROTO", "ECONNRESET"];
/** How long the other server may be silent. */
const MAX_SILENCE_MS = 30_000;
/** Bytes of a line. */
const MAX_LINE = 65_536;
const LF = 10;

/** Where the other server is: an address, or the path of its Unix socket. */
export type Place = ((Address & { tls?: PeerTls | undefined }) | { unix: string }) & {
  login?: Login | undefined;
};

/** What to authenticate with there. A byte is a character from U+0000 to U+00FF. */
export interface Login {
  name: string;
  secret: string;
}

/** How the other server is spoken to over TLS; files are in PEM. */
export interface PeerTls {
  /** Whether its certificate must be for this host, and of an authority that is trusted. */
  rejectUnauthorized: boolean;
  /** The authority; without it those that everybody trusts. */
  ca?: Buffer;
  /** What is shown to a server that demands a certificate. */
  cert?: Buffer;
  key?: Buffer;
}

export function nameOf(place: Place): string {
  if ("unix" in place) return place.unix;
  const { hostname, port } = place;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/**
 * Connects; over TLS `open` is called, and the socket returned, when the handshake is done.
 * @throws Error when it cannot be reached, or its certificate is not accepted
 */
export async function connectTo(
  place: Place,
  socket: Bun.SocketHandler,
): Promise<Bun.Socket<unknown>> {
  if ("unix" in place) return await Bun.connect({ unix: place.unix, socket });
  const { hostname, port, tls } = place;
  if (tls === undefined) return await Bun.connect({ hostname, port, socket });
  let isOpen = false;
  const done = Promise.withResolvers<Bun.Socket<unknown>>();
  const handlers: Bun.SocketHandler = {
    ...socket,
    open: () => undefined,
    handshake(connected, isDone, cause) {
      const { code = "", message = "it is refused" } = (cause ?? {}) as NodeJS.ErrnoException;
      // Bun also calls it not done when all is but for a certificate that need not be trusted.
      if (!isDone && (tls.rejectUnauthorized || BROKEN.includes(code))) {
        done.reject(new Error(`the TLS handshake failed: ${code || message}`));
        return void connected.terminate();
      }
      isOpen = true;
      done.resolve(connected);
      void socket.open?.(connected);
    },
    close(connected, cause) {
      done.reject(new Error("it has ended the connection in the TLS handshake"));
      if (isOpen) void socket.close?.(connected, cause);
    },
  };
  await Bun.connect({ hostname, port, tls, socket: handlers });
  return await done.promise;
}

/** Connects, and authenticates if the place says so. @throws DrainError when it cannot be reached, or refuses the login */
export async function connectPeer(place: Place): Promise<Peer> {
  const peer = await openPeer(place);
  try {
    if (place.login !== undefined) await logIn(peer, nameOf(place), place.login);
    return peer;
  } catch (error) {
    peer.end();
    throw error;
  }
}

/** The key is no name of a queue, so that a server that needs no login does not store the secret as a message. */
async function logIn(peer: Peer, server: string, { name, secret }: Login): Promise<void> {
  const content = `${name} ${secret}`;
  peer.send(`set / 0 0 ${content.length}\r\n${content}\r\n`);
  const answer = await peer.line();
  if (answer === "STORED") return;
  throw new DrainError(
    answer === "CLIENT_ERROR authentication failure"
      ? `${server} says that the name or the secret of the login is wrong`
      : `${server} takes no login: it answers ${JSON.stringify(answer.slice(0, 80))}`,
  );
}

/** @throws DrainError when it cannot be reached */
async function openPeer(place: Place): Promise<Peer> {
  const name = nameOf(place);
  const arrived: Buffer[] = [];
  let output: Buffer[] = [];
  let over: string | undefined;
  let wake = (): void => {};

  function finish(reason: string): void {
    over ??= reason;
    wake();
  }

  function flush(): void {
    for (let next = output.shift(); next !== undefined; next = output.shift()) {
      const written = Math.max(0, socket.write(next));
      if (written === next.length) continue;
      output = [next.subarray(written), ...output];
      return;
    }
  }

  /** Waits for more, or fails. */
  async function more(): Promise<void> {
    if (over !== undefined) throw new DrainError(`${name} ${over}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = setTimeout(
      () => finish(`has been silent for ${MAX_SILENCE_MS / 1000} s`),
      MAX_SILENCE_MS,
    );
    await promise.finally(() => clearTimeout(timer));
  }

  /** Up to so many bytes of what arrived first. */
  function take(count: number): Buffer {
    const [first = Buffer.alloc(0)] = arrived;
    if (first.length <= count) arrived.shift();
    else arrived[0] = first.subarray(count);
    return first.subarray(0, count);
  }

  const handlers = {
    data(_: unknown, chunk: Buffer) {
      arrived.push(Buffer.from(chunk));
      wake();
    },
    drain: flush,
    end: () => finish("has ended the connection"),
    error: (_: unknown, error: Error) => finish(`cannot be reached: ${reasonIn(error)}`),
    close: () => finish("has ended the connection"),
  };
  const socket = await connectTo(place, handlers).catch((error: unknown) => {
    throw new DrainError(`cannot connect to ${name}: ${reasonIn(error)}`);
  });

  return {
    send(data) {
      output.push(typeof data === "string" ? Buffer.from(data, "latin1") : Buffer.from(data));
      if (output.length === 1) flush();
    },
    async line() {
      for (let text = ""; text.length <= MAX_LINE;) {
        if (arrived.length === 0) await more();
        const end = arrived[0]?.indexOf(LF) ?? -1;
        text += take(end < 0 ? MAX_LINE : end + 1).toString("latin1");
        if (end >= 0) return text.replace(/\r?\n$/, "");
      }
      throw new DrainError(`${name} answers a line without an end`);
    },
    async bytes(count) {
      const found = Buffer.allocUnsafeSlow(count);
      for (let size = 0; size < count;) {
        if (arrived.length === 0) await more();
        size += take(count - size).copy(found, size);
      }
      return found;
    },
    end: () => void socket.end(),
  };
}
