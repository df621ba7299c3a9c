import { addLines, answer, confirm } from "./answers.ts";
import { setVerbosity, trace } from "./log.ts";
import { writeBytes } from "./protocol/bytes.ts";
import { type Command, forgetBody, forgetKeys } from "./protocol/command.ts";
import { writeStat } from "./protocol/reply.ts";
import {
  deleteQueue,
  flushAll,
  flushQueue,
  queueCounts,
  queueDetails,
  setMessage,
  wakeWaiters,
} from "./queue/broker.ts";
import { executeGet } from "./retrieval.ts";
import { endTurn, isTracing, reasonOf, type Server } from "./server.ts";
import { countOther, listStats, resetStats } from "./stats.ts";
import type { Checkpoint } from "./store/store.ts";
import { addWritten, type Client } from "./turn.ts";
import { version } from "./version.ts";

const STORED = Buffer.from("STORED\r\n");

/** What `stats queue <name>` tells, in this order. */
const DETAILS = ["messages", "bytes", "open", "waiters", "sets", "gets", "age", "memory"] as const;

/** Does what one request asks for, and adds its answer to the turn. */
export function execute(server: Server, client: Client, command: Command): void {
  // What came back since the last command, such as by a client's end, is for those who wait.
  if (server.broker.ready.length > 0) wakeWaiters(server.broker);
  if (isTracing()) trace(`${client.id} < ${command.line}`);
  switch (command.kind) {
    case "set":
      executeSet(server, client, command);
      break;
    case "get":
    case "gets":
      executeGet(server, client, command.keys, command.kind === "gets");
      forgetKeys(command);
      break;
    default:
      countOther(server.stats, command.kind);
      executeRare(server, client, command);
  }
  if (server.broker.ready.length > 0) wakeWaiters(server.broker);
}

function executeRare(server: Server, client: Client, command: Command): void {
  switch (command.kind) {
    case "delete":
      return executeDelete(server, client, command);
    case "flush":
      // The word that Kestrel's clients expect.
      flushQueue(server.broker, command.name);
      return confirm(server, client, command, "END", "change");
    case "flush_all":
      flushAll(server.broker);
      return confirm(server, client, command, "OK", "change");
    case "stats":
      return answerStats(server, client);
    case "stats queue":
      return answerQueueDetails(server, client, command.name);
    case "stats queues":
      return answerQueueStats(server, client);
    case "stats reset":
      resetStats(server.stats);
      return answer(server, client, "RESET");
    case "version":
      return answer(server, client, `VERSION ${version}`);
    case "verbosity":
      setVerbosity(command.level);
      return confirm(server, client, command, "OK", "nothing");
    case "db_checkpoint":
      return executeCheckpoint(server, client, "full");
    case "db_archive":
      return executeCheckpoint(server, client, "truncate");
    case "refused set":
      server.stats.setCommands++;
      return confirm(server, client, command, command.answer, "nothing");
    case "refused":
      return confirm(server, client, command, command.answer, "nothing");
  }
}

function executeSet(server: Server, client: Client, command: Command): void {
  const { name, flags, body, bodyStart, bodyEnd, bodyAlone, noreply } = command;
  const { turn, broker } = server;
  server.stats.setCommands++;
  try {
    if (!setMessage(broker, name, flags, body, bodyStart, bodyEnd, bodyAlone)) {
      server.stats.counters.setsNotStored++;
      return confirm(server, client, command, "NOT_STORED", "nothing");
    }
  } catch (error) {
    server.stats.counters.setsFailed++;
    return confirm(server, client, command, `SERVER_ERROR ${reasonOf(error)}`, "nothing");
  } finally {
    forgetBody(command);
  }
  server.setHits++;
  if (noreply) return;
  const start = turn.bytes.length;
  writeBytes(turn.bytes, STORED, 0, STORED.length);
  addWritten(turn, client, start, "change");
  if (isTracing()) trace(`${client.id} > STORED`);
}

function executeDelete(server: Server, client: Client, command: Command): void {
  const deleted = deleteQueue(server.broker, command.name);
  if (deleted) server.stats.counters.deleteHits++;
  if (deleted) confirm(server, client, command, "DELETED", "change");
  else confirm(server, client, command, "NOT_FOUND", "nothing");
}

function answerStats(server: Server, client: Client): void {
  const { turn } = server;
  // What came before in the same turn is to be counted.
  endTurn(server);
  const start = turn.bytes.length;
  for (const [name, value] of listStats(server.stats)) writeStat(turn.bytes, name, value);
  addLines(server, client, start, "nothing");
}

function answerQueueStats(server: Server, client: Client): void {
  const { turn } = server;
  const start = turn.bytes.length;
  for (const { name, sets, gets } of queueCounts(server.broker)) {
    writeStat(turn.bytes, name, `${sets}/${gets}`);
  }
  addLines(server, client, start, "change");
}

/** A queue that is not there has no details. */
function answerQueueDetails(server: Server, client: Client, name: string): void {
  const { turn, broker } = server;
  // The store is asked when the oldest message came.
  endTurn(server);
  const start = turn.bytes.length;
  try {
    const details = queueDetails(broker, name);
    if (details !== undefined) {
      for (const row of DETAILS) writeStat(turn.bytes, row, details[row]);
    }
  } catch (error) {
    return answer(server, client, `SERVER_ERROR ${reasonOf(error)}`);
  }
  addLines(server, client, start, "nothing");
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
