import { isCrowded } from "../net/backpressure.ts";
import { writeBytes } from "../protocol/buffer.ts";
import { type Key, packKeys } from "../protocol/key.ts";
import { FEW_KEYS, forgetLater, nextKeys, type Request } from "../protocol/request.ts";
import { abortMessage, closeMessage, hasOpen, takeMessage } from "../queues/local/broker.ts";
import type { Taking } from "../queues/local/consumer.ts";
import { newMessage } from "../queues/local/message.ts";
import { LARGE_BODY } from "../queues/local/segment.ts";
import { addAnswer, pauseAnswer, refuse, TOO_LONG, traceAnswer } from "./answers.ts";
import { endTurn, failTurn, isTracing, isTurnLarge, scheduleEnd, type Server } from "./server.ts";
import { addBytes, addWritten, type Claim, type Client, type Patience, type Turn } from "./turn.ts";
import { addWaiter } from "./waiters.ts";

/** The message that a `get` took last. */
const message = newMessage();
/** The answer to a `get` that is being written: where its current piece starts, and what that piece claims. */
let pieceStart = 0;
let pieceClaim: Claim = "nothing";
/** There is a message in it. */
let found = false;
/** How many bytes of messages are in the answer, or in its part that this turn writes; counted where room is short. */
let answered = 0;

/**
 * Answers a get: the hot path of consumers. As long as it goes on, in parts or waiting, nothing further is read from
 * the client, so that its command stays what it is; but not the list of keys, of which the later ones are packed.
 */
export function executeGet(server: Server, client: Client, command: Request): void {
  const { keys } = command;
  const problem = openProblem(server, client, keys);
  if (problem !== undefined) return refuse(server, client, command, "bad request", problem);
  server.stats.getCommands += keys.length;
  takeKeys(server, client, command, keys);
}

/** Answers these keys, and the later ones, a part at a time when that is much. */
function takeKeys(server: Server, client: Client, command: Request, listed: Key[]): void {
  beginAnswer(server);
  try {
    let keys = listed;
    for (let i = 0; ; i++) {
      if (i === keys.length) {
        if (command.later.length === 0) break;
        keys = nextKeys(command);
        i = 0;
      }
      const key = keys[i] as Key;
      if (isTooMuch(server, client, key)) {
        if (client.patience === undefined) {
          if (pieceClaim === "nothing") return refuse(server, client, command, "failure", TOO_LONG);
          break;
        }
        const first = bodyLength() < LARGE_BODY ? "others" : "room";
        return pause(server, client, client.patience, command, keys, i, first);
      }
      if (!key.plain) settle(server, client, key);
      if (key.action !== "none" && !takeFor(server, client, command, key)) {
        if (key.wait > 0 && waitFor(server, client, command, key)) return;
        server.stats.counters.getsMissed++;
      }
      const isLast = i + 1 === keys.length && command.later.length === 0;
      if (isLast || !isTurnLarge(server)) continue;
      if (client.patience === undefined) break;
      return pause(server, client, client.patience, command, keys, i + 1, "others");
    }
    endAnswer(server, client, command);
  } catch (error) {
    forgetLater(command);
    failAnswer(server, client, command, error);
  }
}

/**
 * Goes on later with the keys from number `from` on. A function of its own, because the loop above would make a scope
 * for each key if a closure were in it.
 */
function pause(
  server: Server,
  client: Client,
  patience: Patience,
  command: Request,
  keys: Key[],
  from: number,
  first: "others" | "room",
): void {
  const few = keys.slice(from, from + FEW_KEYS);
  // A client that doesn't read may stay like this for long.
  if (keys.length > from + FEW_KEYS) command.later = packKeys(keys, from + FEW_KEYS);
  patience.rest = () => takeKeys(server, client, command, few);
  pauseAnswer(server, client, patience, pieceStart, pieceClaim, first);
  if (patience.rest === undefined) forgetLater(command);
}

/** Whether the next message for the key is more than the client can be sent now. */
function isTooMuch(server: Server, client: Client, key: Key): boolean {
  if (client.patience !== undefined && !isCrowded(server.load)) return false;
  const room = client.room();
  if (key.action === "none") return false;
  if (!takeMessage(server.broker, key.queue, "peek", client.consumer, message)) return false;
  const line = `VALUE ${key.text} ${message.flags} ${bodyLength()} ${message.number}\r\n`;
  answered += line.length + bodyLength() + "\r\n".length;
  return answered + "END\r\n".length > room;
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
function takeFor(server: Server, client: Client, command: Request, key: Key): boolean {
  const taking = key.action as Taking;
  if (!takeMessage(server.broker, key.queue, taking, client.consumer, message)) return false;
  server.getHits++;
  writeMessage(server.turn, client, command, key);
  return true;
}

/** Lets the client wait for a message: false when it can't. */
function waitFor(server: Server, client: Client, command: Request, key: Key): boolean {
  const { patience } = client;
  if (patience === undefined || patience.ended) return false;
  if (pieceClaim === "change") {
    // What the same request closed is committed first: when that fails, the client is to know it.
    const failure = endTurn(server);
    if (failure !== undefined) {
      refuse(server, client, command, "failure", failure);
      return true;
    }
    // Meanwhile a message may have come back, when nobody waited for it yet.
    beginAnswer(server);
    if (takeFor(server, client, command, key)) return false;
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
          takeKeys(server, client, command, [late]);
        };
        return patience.awaitRoom();
      }
      take();
      endAnswer(server, client, command);
    } catch (error) {
      failAnswer(server, client, command, error);
    }
    // Not within the end of the turn: somebody may be in the middle of an answer, who ended the turn for it.
    server.turn.afterwards.push(() => queueMicrotask(() => patience.resume()));
    scheduleEnd(server);
  };
  patience.waiter = addWaiter(server.broker.waiters, key.wait, {
    name: key.queue,
    wake: () => stopWaiting(() => takeFor(server, client, command, key)),
    giveUp: () => stopWaiting(() => void server.stats.counters.getsMissed++),
  });
  return true;
}

function beginAnswer(server: Server): void {
  pieceStart = server.turn.bytes.length;
  pieceClaim = "nothing";
  found = false;
  answered = 0;
}

/** Writes `message`: as one piece with what is before it, unless its body is large and is sent from where it lies. */
function writeMessage(turn: Turn, client: Client, command: Request, key: Key): void {
  const { bytes } = turn;
  const { encoder: dialect } = command;
  if (pieceClaim === "nothing") pieceClaim = "change";
  found = true;
  const start = bytes.length;
  dialect.head(bytes, command, key, message);
  if (isTracing()) traceAnswer(turn, client, command, start);
  if (!command.withBody) return;
  if (bodyLength() >= LARGE_BODY) {
    addWritten(turn, client, pieceStart, pieceClaim);
    addBytes(turn, client, message.bytes, message.start, message.end);
    pieceStart = bytes.length;
    pieceClaim = "rest";
  } else {
    writeBytes(bytes, message.bytes, message.start, message.end);
  }
  dialect.tail(bytes);
}

function endAnswer(server: Server, client: Client, command: Request): void {
  const { turn } = server;
  const start = turn.bytes.length;
  command.encoder.end(turn.bytes, command, found);
  if (found || command.wanted === "all") {
    addWritten(turn, client, pieceStart, pieceClaim);
    if (isTracing()) traceAnswer(turn, client, command, start);
  } else {
    addAnswer(server, client, command, pieceStart, pieceClaim, false);
  }
}

/** A message could not be read: nothing of the whole turn happened, and this client is answered once. */
function failAnswer(server: Server, client: Client, command: Request, error: unknown): void {
  const isTold = pieceClaim === "rest";
  const reason = failTurn(server, error);
  if (!isTold) refuse(server, client, command, "failure", reason);
}

function bodyLength(): number {
  return message.end - message.start;
}
