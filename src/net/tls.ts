import { createSecureContext } from "node:tls";

import { trace } from "../util/log.ts";
import { type CertificateFiles, checkCertificate, type Subject } from "./certificate.ts";

/**
 * TLS on listening sockets. A socket is accepted without it, and then made a TLS socket with the certificate of that
 * moment, because Bun cannot give a listening socket another one:
 *
 *     accepted --> waiting --a few in each turn of the loop--> begun --handshake done--> served
 *
 * A handshake that is not done after ten seconds is given up. So is the oldest one when there are very many.
 */
export interface ServerTls {
  /** With the certificate that new clients are shown; one for many clients, so that they can resume their sessions. */
  context: unknown;
  subject: Subject;
  /** Clients need a certificate, too. */
  demandsCertificate: boolean;
  waiting: Set<Handshake>;
  begun: Set<Handshake>;
  /** Some of the waiting ones begin soon. */
  isScheduled: boolean;
  /** Handshakes that have failed. */
  failures: number;
}

interface Handshake {
  raw: Bun.Socket<unknown>;
  /** The one to end: `raw`, and once the handshake has begun the TLS socket over it. */
  socket: { terminate(): void };
  cancelTimer: () => void;
}

/** What becomes of a socket whose handshake is done, and of the bytes on it. */
export type TlsHandlers<T> = Bun.SocketHandler<T> & { open: (socket: Bun.Socket<T>) => void };

/** Handshakes that wait or are under way, of all clients. */
export const MAX_HANDSHAKES = 1024;
const MAX_HANDSHAKE_MS = 10_000;
/** So many begin in one turn of the loop: each takes about half a millisecond, during which no client is served. */
const MAX_BEGUN_AT_ONCE = 4;

/** @throws Error that names the file and what is wrong with it, in words for the user */
export function newServerTls(files: CertificateFiles): ServerTls {
  return {
    ...newContext(files),
    demandsCertificate: files.ca !== undefined,
    waiting: new Set(),
    begun: new Set(),
    isScheduled: false,
    failures: 0,
  };
}

/** From now on new clients are shown this certificate. @throws Error when it cannot be: then they are shown the old one */
export function changeCertificate(tls: ServerTls, files: CertificateFiles): void {
  Object.assign(tls, newContext(files));
}

function newContext(files: CertificateFiles): Pick<ServerTls, "context" | "subject"> {
  const subject = checkCertificate(files);
  const { cert, key, ca } = files;
  const demand = { ca: ca?.content, requestCert: true, rejectUnauthorized: true };
  try {
    const { context }: { context: unknown } = createSecureContext({
      cert: cert.content,
      key: key.content,
      minVersion: "TLSv1.2",
      ...(ca === undefined ? {} : demand),
    });
    return { context, subject };
  } catch (cause) {
    throw new Error(`${cert.name}: TLS does not accept it: ${(cause as Error).message}`);
  }
}

/** Begins the handshake of an accepted socket, soon; `handlers.open` is called when it is done. */
export function beginTls<T>(
  tls: ServerTls,
  raw: Bun.Socket<unknown>,
  handlers: TlsHandlers<T>,
): void {
  // Nothing may be read before: it would not be taken for a part of the handshake.
  raw.pause();
  const timer = setTimeout(() => giveUp(tls, handshake), MAX_HANDSHAKE_MS);
  const handshake: Handshake = { raw, socket: raw, cancelTimer: () => clearTimeout(timer) };
  tls.waiting.add(handshake);
  limitHandshakes(tls);
  scheduleTls(tls, handlers);
}

function limitHandshakes(tls: ServerTls): void {
  const { waiting, begun } = tls;
  if (waiting.size + begun.size <= MAX_HANDSHAKES) return;
  const [oldest] = begun.size > 0 ? begun : waiting;
  if (oldest !== undefined) giveUp(tls, oldest);
}

function giveUp(tls: ServerTls, handshake: Handshake): void {
  trace("a client's TLS handshake was given up");
  tls.failures++;
  forget(tls, handshake);
  handshake.socket.terminate();
}

function forget({ waiting, begun }: ServerTls, handshake: Handshake): void {
  handshake.cancelTimer();
  waiting.delete(handshake);
  begun.delete(handshake);
}

function scheduleTls<T>(tls: ServerTls, handlers: TlsHandlers<T>): void {
  if (tls.isScheduled) return;
  tls.isScheduled = true;
  setImmediate(() => {
    tls.isScheduled = false;
    let left = MAX_BEGUN_AT_ONCE;
    for (const handshake of tls.waiting) {
      if (left-- === 0) return scheduleTls(tls, handlers);
      upgrade(tls, handshake, handlers);
    }
  });
}

function upgrade<T>(tls: ServerTls, handshake: Handshake, handlers: TlsHandlers<T>): void {
  const { context, demandsCertificate } = tls;
  tls.waiting.delete(handshake);
  tls.begun.add(handshake);
  const options = {
    isServer: true,
    tls: {
      secureContext: context,
      requestCert: demandsCertificate,
      rejectUnauthorized: demandsCertificate,
    },
    data: undefined,
    socket: {
      ...handlers,
      open: () => undefined,
      handshake(socket: Bun.Socket<T>, isDone: boolean, cause: Error | null) {
        forget(tls, handshake);
        if (isDone && (!demandsCertificate || socket.authorized)) return handlers.open(socket);
        tls.failures++;
        trace(
          `a client's TLS handshake failed: ${cause?.message ?? "its certificate is not accepted"}`,
        );
        socket.terminate();
      },
      close(socket: Bun.Socket<T>, cause?: Error) {
        forget(tls, handshake);
        void handlers.close?.(socket, cause);
      },
    },
  };
  try {
    // Bun's declarations know neither the side of a server, nor a context that many sockets share.
    const [, socket] = handshake.raw.upgradeTLS(options as unknown as Bun.TLSUpgradeOptions<T>);
    handshake.socket = socket;
    socket.resume();
  } catch (cause) {
    // The client is gone.
    trace(`a TLS handshake cannot begin: ${(cause as Error).message}`);
    giveUp(tls, handshake);
  }
}
