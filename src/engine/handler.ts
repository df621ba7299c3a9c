import { forgetBody, forgetKeys, type Request } from "../protocol/request.ts";
import {
  deleteQueue,
  flushAll,
  flushQueue,
  setMessage,
  wakeWaiters,
} from "../queues/local/broker.ts";
import { queueDetails } from "../queues/local/details.ts";
import type { Checkpoint } from "../store/store.ts";
import { setVerbosity, trace } from "../util/log.ts";
import { version } from "../util/version.ts";
import { addAnswer, answer, answerStatistics, refuse } from "./answers.ts";
import { answerList } from "./list.ts";
import { executeGet } from "./retrieval.ts";
import { endTurn, isTracing, reasonOf, type Server } from "./server.ts";
import { countOther, listStats, resetStats } from "./stats.ts";
import type { Client } from "./turn.ts";

/** What `stats queue <name>` tells, in this order. */
const DETAILS = ["messages", "bytes", "open", "waiters", "sets", "gets", "age", "memory"] as const;

/** Does what one request asks for, and adds its answer to the turn. */
export function execute(server: Server, client: Client, command: Request): void {
  // What came back since the last command, such as by a client's end, is for those who wait.
  if (server.broker.ready.length > 0) wakeWaiters(server.broker);
  if (isTracing()) trace(`${client.id} < ${command.line}`);
  command.line = "";
  switch (command.kind) {
    case "set":
      executeSet(server, client, command);
      break;
    case "get":
      executeGet(server, client, command);
      forgetKeys(command);
      break;
    default:
      countOther(server.stats, command.kind);
      executeRare(server, client, command);
  }
  if (server.broker.ready.length > 0) wakeWaiters(server.broker);
}

function executeRare(server: Server, client: Client, command: Request): void {
  switch (command.kind) {
    case "delete":
      return executeDelete(server, client, command);
    case "flush":
      flushQueue(server.broker, command.name);
      return answer(server, client, command, "flushed", "change");
    case "flush_all":
      flushAll(server.broker);
      return answer(server, client, command, "done", "change");
    case "stats":
      return answerStats(server, client, command);
    case "stats queue":
      return answerQueueDetails(server, client, command);
    case "stats queues":
      return answerList(server, client, command);
    case "stats reset":
      resetStats(server.stats);
      return answer(server, client, command, "reset");
    case "version":
      return answerVersion(server, client, command);
    case "verbosity":
      setVerbosity(command.level);
      return answer(server, client, command, "done");
    case "noop":
      return answer(server, client, command, "alive");
    case "quit":
      return answer(server, client, command, "done");
    case "db_checkpoint":
      return executeCheckpoint(server, client, command, "full");
    case "db_archive":
      return executeCheckpoint(server, client, command, "truncate");
    case "refused set":
      server.stats.setCommands++;
      return refuse(server, client, command, command.refusal, command.reason);
    case "refused":
      return refuse(server, client, command, command.refusal, command.reason);
  }
}

function executeSet(server: Server, client: Client, command: Request): void {
  const { name, flags, body, bodyStart, bodyEnd, bodyAlone } = command;
  server.stats.setCommands++;
  try {
    if (!setMessage(server.broker, name, flags, body, bodyStart, bodyEnd, bodyAlone)) {
      server.stats.counters.setsNotStored++;
      return answer(server, client, command, "not stored");
    }
  } catch (error) {
    server.stats.counters.setsFailed++;
    return refuse(server, client, command, "failure", reasonOf(error));
  } finally {
    forgetBody(command);
  }
  server.setHits++;
  const number = command.numbered ? lastNumber(server, name) : 0;
  answer(server, client, command, "stored", "change", number);
}

/** The number of the message that was set last. */
function lastNumber({ broker }: Server, name: string): number {
  return (broker.queues.get(name)?.tail ?? 1) - 1;
}

function executeDelete(server: Server, client: Client, command: Request): void {
  const deleted = deleteQueue(server.broker, command.name);
  if (deleted) server.stats.counters.deleteHits++;
  if (deleted) answer(server, client, command, "deleted", "change");
  else answer(server, client, command, "not found");
}

function answerVersion(server: Server, client: Client, command: Request): void {
  const { bytes } = server.turn;
  const start = bytes.length;
  command.encoder.version(bytes, command, version);
  addAnswer(server, client, command, start, "nothing", true);
}

function answerStats(server: Server, client: Client, command: Request): void {
  // What came before in the same turn is to be counted.
  endTurn(server);
  answerStatistics(server, client, command, listStats(server.stats));
}

/** A queue that is not there has no details. */
function answerQueueDetails(server: Server, client: Client, command: Request): void {
  // The store is asked when the oldest message came.
  endTurn(server);
  try {
    const details = queueDetails(server.broker, command.name);
    const rows = details === undefined ? [] : DETAILS.map((row) => [row, details[row]] as const);
    answerStatistics(server, client, command, rows);
  } catch (error) {
    refuse(server, client, command, "failure", reasonOf(error));
  }
}

function executeCheckpoint(
  server: Server,
  client: Client,
  command: Request,
  how: Checkpoint,
): void {
  endTurn(server);
  try {
    server.store.checkpoint(how);
  } catch (error) {
    return refuse(server, client, command, "failure", reasonOf(error));
  }
  answer(server, client, command, "done");
}
