import { setVerbosity, trace } from "./log.ts";
import { addBytes, addWritten, type Client } from "./net/turn.ts";
import { writeBytes } from "./protocol/bytes.ts";
import { type Command, forgetBody } from "./protocol/command.ts";
import { writeBody, writeLine, writeLineEnd, writeStat, writeValueLine } from "./protocol/reply.ts";
import { deleteQueue, queueCounts, setMessage, takeMessage } from "./queue/broker.ts";
import { newMessage } from "./queue/message.ts";
import { LARGE_BODY } from "./queue/segment.ts";
import { endTurn, failTurn, isTracing, reasonOf, type Server } from "./server.ts";
import { listStats, resetStats } from "./stats.ts";
import type { Checkpoint } from "./store/store.ts";
import { version } from "./version.ts";

const STORED = Buffer.from("STORED\r\n");
const END = Buffer.from("END\r\n");

/** The message that a `get` took last. */
const message = newMessage();

/** Does what one request asks for, and adds its answer to the turn. */
export function execute(server: Server, client: Client, command: Command): void {
  if (isTracing()) trace(`${client.id} < ${command.line}`);
  switch (command.kind) {
    case "set":
      return executeSet(server, client, command);
    case "get":
      return executeGet(server, client, command.names, false);
    case "gets":
      return executeGet(server, client, command.names, true);
    case "delete":
      return executeDelete(server, client, command);
    case "stats":
      return answerStats(server, client);
    case "stats queue":
      return answerQueueStats(server, client);
    case "stats reset":
      resetStats(server.stats);
      return answer(server, client, "RESET");
    case "version":
      return answer(server, client, `VERSION ${version}`);
    case "verbosity":
      setVerbosity(command.level);
      return command.noreply ? undefined : answer(server, client, "OK");
    case "db_checkpoint":
      return executeCheckpoint(server, client, "full");
    case "db_archive":
      return executeCheckpoint(server, client, "truncate");
    case "refused":
      return command.noreply ? undefined : answer(server, client, command.answer);
    case "quit":
      return;
  }
}

function executeSet(server: Server, client: Client, command: Command): void {
  const { name, flags, body, bodyStart, bodyEnd, bodyAlone, noreply } = command;
  server.stats.setCommands++;
  try {
    setMessage(server.broker, name, flags, body, bodyStart, bodyEnd, bodyAlone);
  } catch (error) {
    const reason = reasonOf(error);
    return noreply ? undefined : answer(server, client, `SERVER_ERROR ${reason}`);
  } finally {
    forgetBody(command);
  }
  server.setHits++;
  if (noreply) return;
  const { turn } = server;
  const start = turn.bytes.length;
  writeBytes(turn.bytes, STORED, 0, STORED.length);
  addWritten(turn, client, start, "change");
  if (isTracing()) trace(`${client.id} > STORED`);
}

/** The hot path of consumers: one piece of an answer, unless a body is large enough to be sent from where it lies. */
function executeGet(server: Server, client: Client, names: string[], numbered: boolean): void {
  const { turn, broker, stats } = server;
  let start = turn.bytes.length;
  let piece: "nothing" | "change" | "rest" = "nothing";
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    stats.getCommands++;
    try {
      if (!takeMessage(broker, name, message)) continue;
    } catch (error) {
      return answer(server, client, `SERVER_ERROR ${failTurn(server, error)}`);
    }
    server.getHits++;
    if (piece === "nothing") piece = "change";
    writeValueLine(turn.bytes, name, message, numbered);
    if (isTracing()) trace(`${client.id} > VALUE ${name} ${message.flags} ${bodyLength()}`);
    if (bodyLength() >= LARGE_BODY) {
      addWritten(turn, client, start, piece);
      addBytes(turn, client, message.bytes, message.start, message.end);
      start = turn.bytes.length;
      piece = "rest";
    } else {
      writeBody(turn.bytes, message);
    }
    writeLineEnd(turn.bytes);
  }
  writeBytes(turn.bytes, END, 0, END.length);
  addWritten(turn, client, start, piece);
  if (isTracing()) trace(`${client.id} > END`);
}

function bodyLength(): number {
  return message.end - message.start;
}

function executeDelete(server: Server, client: Client, command: Command): void {
  const deleted = deleteQueue(server.broker, command.name);
  if (command.noreply) return;
  answer(server, client, deleted ? "DELETED" : "NOT_FOUND", deleted ? "change" : "nothing");
}

function answerStats(server: Server, client: Client): void {
  const { turn } = server;
  // What came before in the same turn is to be counted.
  endTurn(server);
  const start = turn.bytes.length;
  for (const [name, value] of listStats(server.stats)) writeStat(turn.bytes, name, value);
  writeLine(turn.bytes, "END");
  addWritten(turn, client, start, "nothing");
}

function answerQueueStats(server: Server, client: Client): void {
  const { turn } = server;
  const start = turn.bytes.length;
  for (const { name, sets, gets } of queueCounts(server.broker)) {
    writeStat(turn.bytes, name, `${sets}/${gets}`);
  }
  writeLine(turn.bytes, "END");
  addWritten(turn, client, start, "change");
}

function executeCheckpoint(server: Server, client: Client, how: Checkpoint): void {
  endTurn(server);
  try {
    server.store.checkpoint(how);
  } catch (error) {
    return answer(server, client, `SERVER_ERROR ${reasonOf(error)}`);
  }
  answer(server, client, "OK");
}

function answer(
  server: Server,
  client: Client,
  line: string,
  claim: "nothing" | "change" = "nothing",
): void {
  const { turn } = server;
  const start = turn.bytes.length;
  writeLine(turn.bytes, line);
  addWritten(turn, client, start, claim);
  if (isTracing()) trace(`${client.id} > ${line}`);
}
