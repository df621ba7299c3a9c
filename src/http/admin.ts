import type { Engine, Sink } from "../engine/engine.ts";
import { newSession, receive, receiveEnd } from "../engine/session.ts";

/**
 * Has the engine execute a command as it would for a client.
 * @param command one line of the text protocol, without its end
 * @returns the reply without the end of its last line, once what it says is true
 */
export function runCommand(engine: Engine, command: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let reply = "";
  const sink: Sink = {
    client: () => "the page",
    send(bytes, start, end) {
      reply += bytes.toString("latin1", start, end);
      return true;
    },
    room: () => Infinity,
    blocked: false,
    pressure: { outputFull: true },
    awaitRoom: () => undefined,
    gathered: () => undefined,
    end: () => resolve(reply.replace(/\r\n$/, "")),
  };
  const session = newSession(engine, sink, { id: 0, hasConnection: false, binary: false });
  receive(session, Buffer.from(`${command}\r\n`, "latin1"));
  receiveEnd(session);
  return promise;
}
