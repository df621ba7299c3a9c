import { isCrowded } from "../net/backpressure.ts";
import type { Request } from "../protocol/request.ts";
import { type QueueCounts, queueCounts } from "../queues/local/details.ts";
import { addAnswer, pauseAnswer, refuseLong, traceAnswer } from "./answers.ts";
import { isTracing, isTurnLarge, type Server } from "./server.ts";
import type { Client } from "./turn.ts";

/** Answers with the counters of all queues, however many there are. */
export function answerList(server: Server, client: Client, command: Request): void {
  writeList(server, client, command, queueCounts(server.broker));
}

/** Writes what is left of the list, a part at a time when that is much. */
function writeList(
  server: Server,
  client: Client,
  command: Request,
  queues: Iterator<QueueCounts>,
): void {
  const { turn, load } = server;
  const { encoder: dialect } = command;
  const start = turn.bytes.length;
  const isTooMuch = () => turn.bytes.length - start > client.room();
  for (let next = queues.next(); next.done !== true; next = queues.next()) {
    const { name, sets, gets } = next.value;
    dialect.row(turn.bytes, command, [name, `${sets}/${gets}`]);
    if (client.patience === undefined) {
      if (isTooMuch()) return refuseLong(server, client, command, start);
      continue;
    }
    const isCramped = isCrowded(load) && isTooMuch();
    if (!isCramped && !isTurnLarge(server)) continue;
    client.patience.rest = () => writeList(server, client, command, queues);
    if (isTracing()) traceAnswer(turn, client, command, start);
    return pauseAnswer(
      server,
      client,
      client.patience,
      start,
      "change",
      isCramped ? "room" : "others",
    );
  }
  dialect.rowsEnd(turn.bytes, command);
  if (client.patience === undefined && isTooMuch()) {
    return refuseLong(server, client, command, start);
  }
  addAnswer(server, client, command, start, "change", true);
}
