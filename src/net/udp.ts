import { refuse } from "../answers.ts";
import { execute } from "../handler.ts";
import { verbosity } from "../log.ts";
import { type Bytes, clear, newBytes, writeBytes } from "../protocol/bytes.ts";
import { newCommand } from "../protocol/command.ts";
import { feed, isIncomplete, newInput } from "../protocol/input.ts";
import { nextCommand } from "../protocol/parser.ts";
import { refusalLine, writeLine } from "../protocol/text/reply.ts";
import { newConsumer } from "../queue/consumer.ts";
import { endTurn, isTurnLarge, scheduleEnd, type Server } from "../server.ts";
import type { Client } from "../turn.ts";
import { explain, type Listener, placeName } from "./listen.ts";

/** memcached's frame header: request id, sequence number, number of datagrams, reserved; 16 bits each, big-endian. */
const HEADER = 8;
/** A datagram that is sent has at most this many bytes, its header included. */
const DATAGRAM = 1400;

/** From so many bytes of answers on nothing more of a datagram is executed. */
const MOST_ANSWERS = 1024 * 1024;

/** @throws Error that names the address */
export async function listenUdp(address: string | undefined, port: number): Promise<Listener> {
  const hostname = address ?? "::";
  let server: Server | undefined;
  try {
    const socket = await Bun.udpSocket({
      hostname,
      port,
      socket: {
        data(from, datagram, senderPort, sender) {
          if (server === undefined) return;
          receive(server, datagram, (frames) => {
            for (const frame of frames) from.send(frame, senderPort, sender);
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

/** A datagram holds whole requests; its sender is a client for just as long as they last. */
function receive(server: Server, datagram: Buffer, send: (frames: Buffer[]) => void): void {
  if (datagram.length < HEADER) return;
  server.stats.bytesRead += datagram.length;
  const id = datagram.readUInt16BE(0);
  const answers = newBytes(256);
  const client: Client = {
    id: 0,
    consumer: newConsumer(),
    patience: undefined,
    deliver: (bytes, start, end) => writeBytes(answers, bytes, start, end),
    fail: (reason) => writeLine(answers, refusalLine("failure", reason)),
  };
  if (datagram.readUInt16BE(4) > 1) {
    refuse(server, client, newCommand(), "failure", "multi-packet request not supported");
  } else {
    serve(server, client, Buffer.from(datagram.subarray(HEADER)), answers);
  }
  server.turn.afterwards.push(() => {
    const frames = frame(id, answers.buffer.subarray(0, answers.length));
    for (const { length } of frames) server.stats.bytesWritten += length;
    send(frames);
    clear(answers);
  });
  scheduleEnd(server);
}

function serve(server: Server, client: Client, requests: Buffer, answers: Bytes): void {
  const input = newInput(server.options.maxBody, false);
  input.keepLines = verbosity() >= 2;
  feed(input, requests);
  while (nextCommand(input) && !isIncomplete(input)) {
    if (input.command.kind === "quit") return;
    if (answers.length >= MOST_ANSWERS) {
      return refuse(server, client, newCommand(), "failure", "too much asked for in one datagram");
    }
    execute(server, client, input.command);
    if (isTurnLarge(server)) endTurn(server);
  }
  if (isIncomplete(input))
    refuse(server, client, newCommand(), "bad request", "incomplete request");
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
