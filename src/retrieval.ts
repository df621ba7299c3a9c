import { answer, TOO_LONG } from "./answers.ts";
import { trace } from "./log.ts";
import { isCrowded } from "./net/load.ts";
import { writeBytes } from "./protocol/bytes.ts";
import type { Key } from "./protocol/key.ts";
import { writeBody, writeLineEnd, writeValueLine } from "./protocol/reply.ts";
import { abortMessage, closeMessage, hasOpen, takeMessage } from "./queue/broker.ts";
import type { Taking } from "./queue/consumer.ts";
import { newMessage } from "./queue/message.ts";
import { LARGE_BODY } from "./queue/segment.ts";
import { addWaiter } from "./queue/waiters.ts";
import { endTurn, failTurn, isTracing, isTurnLarge, scheduleEnd, type Server } from "./server.ts";
import { addBytes, addWritten, type Claim, type Client, type Patience, type Turn } from "./turn.ts";

const END = Buffer.from("END\r\n");

/** The message that a `get` took last. */
const message = newMessage();
/** The answer to a `get` that is being written: where its current piece starts, and what that piece claims. */
let pieceStart = 0;
let pieceClaim: Claim = "nothing";
/** How many bytes of messages are in the answer, or in its part that this turn writes; counted where room is short. */
let answered = 0;

/** Answers a `get` or, `numbered`, a `gets`: the hot path of consumers. */
export function executeGet(server: Server, client: Client, keys: Key[], numbered: boolean): void {
  const problem = openProblem(server, client, keys);
  if (problem !== undefined) return answer(server, client, `CLIENT_ERROR ${problem}`);
  server.stats.getCommands += keys.length;
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
      if (isTooMuch(server, client, key)) {
        if (client.patience === undefined) {
          if (pieceClaim === "nothing") return answer(server, client, TOO_LONG);
          break;
        }
        client.patience.rest = restOf(server, client, keys, i, numbered);
        const first = bodyLength() < LARGE_BODY ? "others" : "room";
        return pauseAnswer(server, client, client.patience, first);
      }
      if (!key.plain) settle(server, client, key);
      if (key.action !== "none" && !takeFor(server, client, key, numbered)) {
        if (key.wait > 0 && waitFor(server, client, key, numbered)) return;
      }
      if (i + 1 === keys.length || !isTurnLarge(server)) continue;
      if (client.patience === undefined) break;
      client.patience.rest = restOf(server, client, keys, i + 1, numbered);
      return pauseAnswer(server, client, client.patience, "others");
    }
    endAnswer(server, client);
  } catch (error) {
    failAnswer(server, client, error);
  }
}

/** A function of its own, because the loop above would make a scope for each key if a closure were in it. */
function restOf(
  server: Server,
  client: Client,
  keys: Key[],
  from: number,
  numbered: boolean,
): () => void {
  return () => takeKeys(server, client, keys, from, numbered);
}

/** Whether the next message for the key is more than the client can be sent now. */
function isTooMuch(server: Server, client: Client, key: Key): boolean {
  if (client.patience !== undefined && !isCrowded(server.load)) return false;
  const room = client.room();
  if (key.action === "none") return false;
  if (!takeMessage(server.broker, key.queue, "peek", client.consumer, message)) return false;
  const line = `VALUE ${key.text} ${message.flags} ${bodyLength()} ${message.number}\r\n`;
  answered += line.length + bodyLength() + "\r\n".length;
  return answered + END.length > room;
}

/**
 * Sends what there is of an answer, and goes on when others were served or there is room, unless the client is told
 * that it failed.
 */
function pauseAnswer(
  server: Server,
  client: Client,
  patience: Patience,
  first: "others" | "room",
): void {
  // A close writes nothing, but when it fails the client is told.
  const isTold = pieceClaim !== "nothing";
  if (isTold) addWritten(server.turn, client, pieceStart, pieceClaim);
  if ((isTold || first === "others") && endTurn(server) !== undefined && isTold) {
    patience.rest = undefined;
  }
  if (first === "room" && patience.rest !== undefined) patience.awaitRoom();
  else setImmediate(() => patience.resume());
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
  const until = Date.now() + key.wait;
  const stopWaiting = (take: () => void) => {
    patience.waiter = undefined;
    beginAnswer(server);
    try {
      if (isTooMuch(server, client, key)) {
        // Others may be faster then, and it waits again for what is left of its time.
        patience.rest = () => {
          const late = { ...key, wait: Math.max(0, until - Date.now()) };
          takeKeys(server, client, [late], 0, numbered);
        };
        return patience.awaitRoom();
      }
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
  answered = 0;
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
