import type { Options } from "../config/options.ts";
import { connectTo, nameOf, type Place } from "../import/peer.ts";
import { REFUSAL } from "../net/listener.ts";
import { reasonIn } from "../util/reason.ts";
import { placeOf } from "./place.ts";

/** The maximum of milliseconds until the answer. */
const MAX_WAIT = 1000;

/**
 * What the server says. One that demands certificates of clients may refuse its own, which often is of another authority;
 * it has proved then that it is there, since the client's side of the handshake was done.
 */
type Answer = string | typeof REFUSED_CERTIFICATE;
const REFUSED_CERTIFICATE = Symbol("the certificate is refused");

/**
 * Asks the server that these options would start for its version.
 * @throws Error when it does not answer in time, or is another program
 */
export async function ping(options: Options): Promise<void> {
  const place = placeOf(options);
  const answer = Promise.withResolvers<Answer>();
  const fail = (error: unknown) => answer.reject(error);
  const timer = setTimeout(fail, MAX_WAIT, new Error(`no answer within ${MAX_WAIT} ms`));
  const isOwn = "tls" in place && options.tlsCert !== undefined;
  const demandsCertificate = isOwn && options.tlsCa !== undefined;
  connect(place, answer, demandsCertificate).catch(fail);
  try {
    const line = await answer.promise;
    if (line === REFUSED_CERTIFICATE) return;
    if (!isAlive(line)) throw new Error(`it is no queue server, it says ${line}`);
  } catch (error) {
    throw new Error(`--ping ${nameOf(place)}: ${reasonIn(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** A server that has no room for another client serves those that it has: to start it anew would only harm them. */
function isAlive(line: string): boolean {
  return line.startsWith("VERSION ") || line === REFUSAL.trimEnd();
}

function connect(
  place: Place,
  answer: PromiseWithResolvers<Answer>,
  demandsCertificate: boolean,
): Promise<unknown> {
  let received = "";
  let isOpen = false;
  const socket: Bun.SocketHandler = {
    open(opened) {
      isOpen = true;
      opened.write("version\r\n");
    },
    data(opened, chunk) {
      received += chunk.toString("latin1");
      const end = received.indexOf("\r\n");
      if (end < 0) return;
      answer.resolve(received.slice(0, end));
      opened.terminate();
    },
    close() {
      if (isOpen && demandsCertificate && received === "") answer.resolve(REFUSED_CERTIFICATE);
      else answer.reject(new Error("the connection was closed"));
    },
  };
  return connectTo(place, socket);
}
