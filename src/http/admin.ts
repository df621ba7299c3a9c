import type { Engine, Session, Sink } from "../engine/engine.ts";
import { newSession, receive, receiveEnd, receiveSingle } from "../engine/session.ts";
import type { SingleKind } from "../protocol/request.ts";

/**
 * Has the engine execute a command as it would for a client.
 * @param command one line of the text protocol, without its end
 * @returns the reply without the end of its last line, once what it says is true
 */
export function runCommand(engine: Engine, command: string): Promise<string> {
  return runAsClient(engine, (session) =>
    receive(session, Buffer.from(`${command}\r\n`, "latin1")),
  );
}

/**
 * Has the engine do something to a single message of a queue, or to all dead letters in it.
 * @param number of the message; "give back": of its delivery; "return all": means nothing
 * @returns the reply, as of {@link runCommand}: OK, NOT_FOUND or an error
 */
export function runSingle(
  engine: Engine,
  kind: SingleKind,
  queue: string,
  number: number,
): Promise<string> {
  return runAsClient(engine, (session) => receiveSingle(session, kind, queue, number));
}

/** @param ask has the session of a client send one request */
function runAsClient(engine: Engine, ask: (session: Session) => void): Promise<string> {
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
  ask(session);
  receiveEnd(session);
  return promise;
}
