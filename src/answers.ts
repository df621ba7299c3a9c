import { trace } from "./log.ts";
import type { Command } from "./protocol/command.ts";
import { writeLine } from "./protocol/reply.ts";
import { isTracing, type Server } from "./server.ts";
import { addWritten, type Claim, type Client } from "./turn.ts";

/** What a datagram is answered that would cause a much longer answer. */
export const TOO_LONG = "SERVER_ERROR answer too long for UDP, pad the line";

/** Answers in a line, unless the client wants no answer. */
export function confirm(
  server: Server,
  client: Client,
  command: Command,
  line: string,
  claim: Claim,
): void {
  if (!command.noreply) answer(server, client, line, claim);
}

/** Answers in a line. */
export function answer(
  server: Server,
  client: Client,
  line: string,
  claim: Claim = "nothing",
): void {
  const { turn } = server;
  const start = turn.bytes.length;
  writeLine(turn.bytes, line);
  addWritten(turn, client, start, claim);
  if (isTracing()) trace(`${client.id} > ${line}`);
}

/** Ends an answer of several lines, the first of which starts at `start`. */
export function addLines(server: Server, client: Client, start: number, claim: Claim): void {
  const { turn } = server;
  writeLine(turn.bytes, "END");
  if (client.patience === undefined && turn.bytes.length - start > client.room()) {
    turn.bytes.length = start;
    return answer(server, client, TOO_LONG);
  }
  addWritten(turn, client, start, claim);
  if (!isTracing()) return;
  const lines = turn.bytes.buffer.toString("latin1", start, turn.bytes.length).split("\r\n");
  for (const line of lines.slice(0, -1)) trace(`${client.id} > ${line}`);
}
