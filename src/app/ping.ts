import type { Options } from "../config/options.ts";
import { connectTo, nameOf, type Place } from "../import/peer.ts";
import { REFUSAL } from "../net/listener.ts";
import { reasonIn } from "../util/reason.ts";
import { placeOf } from "./place.ts";

/** The maximum of milliseconds until the answer. */
const MAX_WAIT = 1000;

/**
 * Asks the server that these options would start for its version.
 * @throws Error when it does not answer in time, or is another program
 */
export async function ping(options: Options): Promise<void> {
  const place = placeOf(options);
  const answer = Promise.withResolvers<string>();
  const fail = (error: unknown) => answer.reject(error);
  const timer = setTimeout(fail, MAX_WAIT, new Error(`no answer within ${MAX_WAIT} ms`));
  connect(place, answer).catch(fail);
  try {
    const line = await answer.promise;
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

function connect(place: Place, answer: PromiseWithResolvers<string>): Promise<unknown> {
  let received = "";
  const socket: Bun.SocketHandler = {
    open: (opened) => void opened.write("version\r\n"),
    data(opened, chunk) {
      received += chunk.toString("latin1");
      const end = received.indexOf("\r\n");
      if (end < 0) return;
      answer.resolve(received.slice(0, end));
      opened.terminate();
    },
    close: () => answer.reject(new Error("the connection was closed")),
  };
  return connectTo(place, socket);
}
