import type { Options } from "../config/options.ts";
import { nameOf } from "../import/peer.ts";
import { placeOf } from "./place.ts";

/** The maximum of milliseconds until the answer. */
const MAX_WAIT = 1000;

/**
 * Asks the server that these options would start for its version.
 * @throws Error when it does not answer in time, or is another program
 */
export async function ping(options: Options): Promise<void> {
  const answer = Promise.withResolvers<string>();
  const fail = (error: unknown) => answer.reject(error);
  const timer = setTimeout(fail, MAX_WAIT, new Error(`no answer within ${MAX_WAIT} ms`));
  connect(options, answer).catch(fail);
  try {
    const line = await answer.promise;
    if (!line.startsWith("VERSION ")) throw new Error(`it is no queue server, it says ${line}`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`--ping ${nameOf(placeOf(options))}: ${code ?? message}`);
  } finally {
    clearTimeout(timer);
  }
}

function connect(options: Options, answer: PromiseWithResolvers<string>): Promise<unknown> {
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
  const place = placeOf(options);
  return "unix" in place ? Bun.connect({ ...place, socket }) : Bun.connect({ ...place, socket });
}
