import { setVerbosity, trace } from "./log.ts";
import {
  addBytes,
  addWritten,
  type Claim,
  type Client,
  type Patience,
  type Turn,
} from "./net/turn.ts";
import { writeBytes } from "./protocol/bytes.ts";
import { type Command, forgetBody, forgetKeys } from "./protocol/command.ts";
import type { Key } from "./protocol/key.ts";
import { writeBody, writeLine, writeLineEnd, writeStat, writeValueLine } from "./protocol/reply.ts";
import {
  abortMessage,
  closeMessage,
  deleteQueue,
  flushAll,
  flushQueue,
  hasOpen,
  queueCounts,
  queueDetails,
  setMessage,
  takeMessage,
  wakeWaiters,
} from "./queue/broker.ts";
import type { Taking } from "./queue/consumer.ts";
import { newMessage } from "./queue/message.ts";
import { LARGE_BODY } from "./queue/segment.ts";
import { addWaiter } from "./queue/waiters.ts";
import {
  endTurn,
  failTurn,
  isTracing,
  isTurnLarge,
  reasonOf,
  scheduleEnd,
  type Server,
} from "./server.ts";
import { listStats, resetStats } from "./stats.ts";
import type { Checkpoint } from "./store/store.ts";
import { version } from "./version.ts";

const STORED = Buffer.from("STORED\r\n");
const END = Buffer.from("END\r\n");

/** What `stats queue <name>` tells, in this order. */
const DETAILS = ["messages", "bytes", "open", "waiters", "sets", "gets", "age", "memory"] as const;

/** The message that a `get` took last. */
const message = newMessage();
/** The answer to a `get` that is being written: where its current piece starts, and what that piece claims. */
let pieceStart = 0;
let pieceClaim: Claim = "nothing";

/** Does what one request asks for, and adds its answer to the turn. */
export function execute(server: Server, client: Client, command: Command): void {
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
      return confirm(server, client, command, "NOT_STORED", "nothing");
    }
  } catch (error) {
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

/** The hot path of consumers. */
function executeGet(server: Server, client: Client, keys: Key[], numbered: boolean): void {
  const problem = openProblem(server, client, keys);
  if (problem !== undefined) return answer(server, client, `CLIENT_ERROR ${problem}`);
  takeKeys(server, client, keys, 0, numbered);
}

/** Answers the keys from number `from` on, a part at a time when that is much. */
function takeKeys(
  server: Server,
  client: Client,
  keys: Key[],
  from: number,
  numbered: boolean,
): void {
  beginAnswer(server);
  try {
    for (let i = from; i < keys.length; i++) {
      const key = keys[i] as Key;
      server.stats.getCommands++;
      if (!key.plain) settle(server, client, key);
      if (key.action !== "none" && !takeFor(server, client, key, numbered)) {
        if (key.wait > 0 && waitFor(server, client, key, numbered)) return;
      }
      if (i + 1 === keys.length || !isTurnLarge(server)) continue;
      if (client.patience === undefined) break;
      client.patience.rest = () => takeKeys(server, client, keys, i + 1, numbered);
      return pauseAnswer(server, client, client.patience);
    }
    endAnswer(server, client);
  } catch (error) {
    failAnswer(server, client, error);
  }
}

/** Sends what there is of an answer, and goes on in the next turn. */
function pauseAnswer(server: Server, client: Client, patience: Patience): void {
  const { turn } = server;
  if (turn.bytes.length > pieceStart) addWritten(turn, client, pieceStart, pieceClaim);
  endTurn(server);
  setImmediate(() => patience.resume());
}

/** What speaks against the keys, in words for the client, before anything is done for any of them. */
function openProblem(server: Server, client: Client, keys: Key[]): string | undefined {
  if (keys.length === 1 && keys[0]?.plain === true) return undefined;
  let opened: Map<string, boolean> | undefined;
  for (const { plain, action, before, queue, wait } of keys) {
    if (plain) continue;
    if (client.patience === undefined && (action !== "peek" || wait >= 0)) {
      return "options other than peek need a connection";
    }
    if (action === "peek" || action === "take") continue;
    opened ??= new Map();
    const isOpen = opened.get(queue) ?? hasOpen(server.broker, queue, client.consumer);
    if (action === "open" && isOpen && before === undefined) {
      return `a message of ${queue} is open already`;
    }
    opened.set(queue, action === "open" || (isOpen && before === undefined));
  }
  return undefined;
}

/** Does what a key asks for the open message. */
function settle(server: Server, client: Client, { queue, before }: Key): void {
  const { broker } = server;
  if (before === "close" && closeMessage(broker, queue, client.consumer)) pieceClaim = "change";
  if (before === "abort") abortMessage(broker, queue, client.consumer);
}

/** Takes a message as the key says, and writes it into the answer: false when there is none. */
function takeFor(server: Server, client: Client, key: Key, numbered: boolean): boolean {
  const taking = key.action as Taking;
  if (!takeMessage(server.broker, key.queue, taking, client.consumer, message)) return false;
  server.getHits++;
  writeMessage(server.turn, client, key.text, numbered);
  return true;
}

/** Lets the client wait for a message: false when it can't. */
function waitFor(server: Server, client: Client, key: Key, numbered: boolean): boolean {
  const { patience } = client;
  if (patience === undefined || patience.ended) return false;
  if (pieceClaim === "change") {
    // What the same request closed is committed first: when that fails, the client is to know it.
    const failure = endTurn(server);
    if (failure !== undefined) {
      answer(server, client, `SERVER_ERROR ${failure}`);
      return true;
    }
  }
  const stopWaiting = (take: () => void) => {
    patience.waiter = undefined;
    beginAnswer(server);
    try {
      take();
      endAnswer(server, client);
    } catch (error) {
      failAnswer(server, client, error);
    }
    // Not within the end of the turn: somebody may be in the middle of an answer, who ended the turn for it.
    server.turn.afterwards.push(() => queueMicrotask(() => patience.resume()));
    scheduleEnd(server);
  };
  patience.waiter = addWaiter(server.broker.waiters, key.wait, {
    name: key.queue,
    wake: () => stopWaiting(() => takeFor(server, client, key, numbered)),
    giveUp: () => stopWaiting(() => {}),
  });
  return true;
}

function beginAnswer(server: Server): void {
  pieceStart = server.turn.bytes.length;
  pieceClaim = "nothing";
}

/** Writes `message`: as one piece with what is before it, unless its body is large and is sent from where it lies. */
function writeMessage(turn: Turn, client: Client, key: string, numbered: boolean): void {
  if (pieceClaim === "nothing") pieceClaim = "change";
  writeValueLine(turn.bytes, key, message, numbered);
  if (isTracing()) traceMessage(client, key, numbered);
  if (bodyLength() >= LARGE_BODY) {
    addWritten(turn, client, pieceStart, pieceClaim);
    addBytes(turn, client, message.bytes, message.start, message.end);
    pieceStart = turn.bytes.length;
    pieceClaim = "rest";
  } else {
    writeBody(turn.bytes, message);
  }
  writeLineEnd(turn.bytes);
}

function traceMessage(client: Client, key: string, numbered: boolean): void {
  const number = numbered ? ` ${message.number}` : "";
  trace(`${client.id} > VALUE ${key} ${message.flags} ${bodyLength()}${number}`);
}

function endAnswer(server: Server, client: Client): void {
  const { turn } = server;
  writeBytes(turn.bytes, END, 0, END.length);
  addWritten(turn, client, pieceStart, pieceClaim);
  if (isTracing()) trace(`${client.id} > END`);
}

/** A message could not be read: nothing of the whole turn happened, and this client is answered once. */
function failAnswer(server: Server, client: Client, error: unknown): void {
  const isTold = pieceClaim === "rest";
  const reason = failTurn(server, error);
  if (!isTold) answer(server, client, `SERVER_ERROR ${reason}`);
}

function bodyLength(): number {
  return message.end - message.start;
}

function executeDelete(server: Server, client: Client, command: Command): void {
  const deleted = deleteQueue(server.broker, command.name);
  if (deleted) confirm(server, client, command, "DELETED", "change");
  else confirm(server, client, command, "NOT_FOUND", "nothing");
}

function answerStats(server: Server, client: Client): void {
  const { turn } = server;
  // What came before in the same turn is to be counted.
  endTurn(server);
  const start = turn.bytes.length;
  for (const [name, value] of listStats(server.stats)) writeStat(turn.bytes, name, value);
  addLines(turn, client, start, "nothing");
}

function answerQueueStats(server: Server, client: Client): void {
  const { turn } = server;
  const start = turn.bytes.length;
  for (const { name, sets, gets } of queueCounts(server.broker)) {
    writeStat(turn.bytes, name, `${sets}/${gets}`);
  }
  addLines(turn, client, start, "change");
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
  addLines(turn, client, start, "nothing");
}

/** Ends an answer of several lines, the first of which starts at `start`. */
function addLines(turn: Turn, client: Client, start: number, claim: Claim): void {
  writeLine(turn.bytes, "END");
  addWritten(turn, client, start, claim);
  if (!isTracing()) return;
  const lines = turn.bytes.buffer.toString("latin1", start, turn.bytes.length).split("\r\n");
  for (const line of lines.slice(0, -1)) trace(`${client.id} > ${line}`);
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

/** Answers in a line, unless the client wants no answer. */
function confirm(
  server: Server,
  client: Client,
  command: Command,
  line: string,
  claim: Claim,
): void {
  if (!command.noreply) answer(server, client, line, claim);
}

function answer(server: Server, client: Client, line: string, claim: Claim = "nothing"): void {
  const { turn } = server;
  const start = turn.bytes.length;
  writeLine(turn.bytes, line);
  addWritten(turn, client, start, claim);
  if (isTracing()) trace(`${client.id} > ${line}`);
}
