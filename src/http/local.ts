import { execute } from "../engine/handler.ts";
import { scheduleEnd, type Server } from "../engine/server.ts";
import type { Client } from "../engine/turn.ts";
import { nextRequest } from "../protocol/decoder.ts";
import { feed, newInput } from "../protocol/input.ts";
import { refusalLine } from "../protocol/text/encoder.ts";
import { newConsumer } from "../queues/local/consumer.ts";

/**
 * Has the server execute a command of one line, as every client can, and resolves to its answer, without the end of the
 * line, once that is true.
 */
export function ask(server: Server, command: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const client: Client = {
    id: 0,
    consumer: newConsumer(),
    patience: undefined,
    room: () => Infinity,
    fail: (reason) => resolve(refusalLine("failure", reason)),
    deliver(bytes, start, end) {
      answer += bytes.toString("latin1", start, end);
      if (answer.endsWith("\r\n")) resolve(answer.slice(0, -2));
    },
  };
  const input = newInput(server.options.maxBody, false);
  feed(input, Buffer.from(`${command}\r\n`, "latin1"));
  if (nextRequest(input)) execute(server, client, input.request);
  scheduleEnd(server);
  return promise;
}
