import { refuse } from "../engine/answers.ts";
import { execute } from "../engine/handler.ts";
import { endTurn, isTurnLarge, scheduleEnd, type Server } from "../engine/server.ts";
import type { Client } from "../engine/turn.ts";
import { clear, newBytes, writeBytes } from "../protocol/buffer.ts";
import { nextRequest } from "../protocol/decoder.ts";
import { feed, isIncomplete, newInput } from "../protocol/input.ts";
import { newRequest } from "../protocol/request.ts";
import { refusalLine, writeLine } from "../protocol/text/encoder.ts";
import { newConsumer } from "../queues/local/consumer.ts";
import { trace, verbosity } from "../util/log.ts";
import { explain, type Listener, placeName } from "./tcp.ts";

/** memcached's frame header: request id, sequence number, number of datagrams, reserved; 16 bits each, big-endian. */
const HEADER = 8;
/** A datagram that is sent has at most this many bytes, its header included. */
const DATAGRAM = 1400;
/**
 * Whoever gets an answer may not be who asked: it has at most so many times the bytes of its request. That is for the
 * datagrams as a whole; a line, which is answered without headers, may have a bit less.
 */
const MOST_TIMES = 10;
const MOST_TIMES_A_LINE = 9;

/** @throws Error that names the address */
export async function listenUdp(address: string | undefined, port: number): Promise<Listener> {
  const hostname = address ?? "::";
  let server: Server | undefined;
  try {
    const socket = await Bun.udpSocket({
      hostname,
      port,
      socket: {
        error: (_socket, error) => trace(`a datagram could not be sent or received: ${error}`),
        data(from, datagram, senderPort, sender) {
          if (server === undefined) return;
          receive(server, datagram, (frames) => {
            for (const frame of frames) sendTo(from, frame, senderPort, sender);
          });
        },
      },
    });
    return {
      place: `udp ${placeName(hostname, socket.port)}`,
      serve: (started) => void (server = started),
      // Answers are still to be sent.
      stop: () => void (server = undefined),
    };
  } catch (error) {
    if (address === undefined) return listenUdp("0.0.0.0", port);
    throw new Error(`cannot listen on udp ${placeName(hostname, port)}: ${explain(error)}`);
  }
}

/**
 * What went wrong with an earlier datagram, such as to somebody who is gone, is told at the next one, whoever gets it:
 * that one is sent all the same.
 */
function sendTo(
  socket: Bun.udp.Socket<"buffer">,
  frame: Buffer,
  port: number,
  address: string,
): void {
  for (let tries = 2; tries > 0; tries--) {
    try {
      socket.send(frame, port, address);
      return;
    } catch (error) {
      trace(`a datagram to ${placeName(address, port)} failed: ${String(error)}`);
    }
  }
}

/** A datagram holds whole requests; its sender is a client for just as long as they last. */
function receive(server: Server, datagram: Buffer, send: (frames: Buffer[]) => void): void {
  if (datagram.length < HEADER) return;
  server.stats.bytesRead += datagram.length;
  const most = datagram.length * MOST_TIMES;
  const id = datagram.readUInt16BE(0);
  const answers = newBytes(256);
  const request = { bytes: 0 };
  const client: Client = {
    id: 0,
    consumer: newConsumer(),
    patience: undefined,
    room: () => request.bytes * MOST_TIMES_A_LINE,
    deliver: (bytes, start, end) => writeBytes(answers, bytes, start, end),
    fail: (reason) => writeLine(answers, refusalLine("failure", reason)),
  };
  if (datagram.readUInt16BE(4) > 1) {
    refuse(server, client, newRequest(), "failure", "multi-packet request not supported");
  } else {
    serve(server, client, Buffer.from(datagram.subarray(HEADER)), request);
  }
  server.turn.afterwards.push(() => {
    const frames = within(most, frame(id, answers.buffer.subarray(0, answers.length)));
    for (const { length } of frames) server.stats.bytesWritten += length;
    send(frames);
    clear(answers);
  });
  scheduleEnd(server);
}

/** @param request takes the size of each request while it is executed, in bytes */
function serve(server: Server, client: Client, requests: Buffer, request: { bytes: number }): void {
  const input = newInput(server.options.maxBody, false);
  input.keepLines = verbosity() >= 2;
  feed(input, requests);
  let done = -HEADER;
  while (nextRequest(input) && !isIncomplete(input)) {
    if (input.request.kind === "quit") return;
    request.bytes = input.at - done;
    done = input.at;
    execute(server, client, input.request);
    if (isTurnLarge(server)) endTurn(server);
  }
  if (isIncomplete(input))
    refuse(server, client, newRequest(), "bad request", "incomplete request");
}

/** As many of the datagrams as have not more than so many bytes together. */
function within(most: number, frames: Buffer[]): Buffer[] {
  let total = 0;
  const beyond = frames.findIndex(({ length }) => (total += length) > most);
  return beyond < 0 ? frames : frames.slice(0, beyond);
}

/** Splits an answer into datagrams, each with its header. */
function frame(id: number, answer: Buffer): Buffer[] {
  const room = DATAGRAM - HEADER;
  const total = Math.ceil(answer.length / room);
  return Array.from({ length: total }, (_, sequence) => {
    const part = answer.subarray(sequence * room, (sequence + 1) * room);
    const datagram = Buffer.allocUnsafe(HEADER + part.length);
    datagram.writeUInt16BE(id, 0);
    datagram.writeUInt16BE(sequence, 2);
    datagram.writeUInt16BE(total, 4);
    datagram.writeUInt16BE(0, 6);
    part.copy(datagram, HEADER);
    return datagram;
  });
}
