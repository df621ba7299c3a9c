import type { Engine, Session } from "../engine/engine.ts";
import { newSession, receive, receiveEnd } from "../engine/session.ts";
import { newBytes, writeBytes } from "../protocol/buffer.ts";
import { beginsWithCommand } from "../protocol/text/commands.ts";
import { trace } from "../util/log.ts";
import type { Clients } from "./clients.ts";
import type { Listener } from "./listener.ts";
import { placeName } from "./place.ts";
import { openUdp, type UdpSocket } from "./udp_sockets.ts";

/** memcached's frame header: request id, sequence number, number of datagrams, reserved; 16 bits each, big-endian. */
const HEADER = 8;
/** A datagram that is sent has at most this many bytes, its header included. */
const DATAGRAM = 1400;
/**
 * The sender's address may be forged, so a reply has at most so many times the bytes of its request. This counts whole
 * datagrams; a line is counted without headers, and may have a little less.
 */
const MAX_TIMES = 10;
const MAX_TIMES_A_LINE = 9;

/**
 * Listens for datagrams on these addresses, or on all of this machine.
 * @throws Error that names the address
 */
export async function listenUdp(
  hostnames: readonly string[] | undefined,
  port: number,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const hostname of hostnames ?? ["::"]) listeners.push(await listen(hostname, port));
  return listeners;
}

async function listen(hostname: string, port: number): Promise<Listener> {
  let engine: Engine | undefined;
  const endLooking = await openUdp(hostname, port, {
    error: (_socket, error) => trace(`a datagram could not be sent or received: ${error}`),
    data(from, datagram, senderPort, sender) {
      if (engine === undefined) return;
      receiveDatagram(engine, datagram, {
        client: () => placeName(sender, senderPort),
        send(frames) {
          for (const frame of frames) sendTo(from, frame, senderPort, sender);
        },
      });
    },
  });
  return {
    place: `udp ${placeName(hostname, port)}`,
    serve: (clients: Clients) => void (engine = clients.engine),
    // The sockets stay open: replies are still sent.
    stop() {
      engine = undefined;
      endLooking();
    },
  };
}

/**
 * The system reports the failure of a datagram, such as one to a client that is gone, when the next one is sent, to
 * whatever client: so a failed send is tried once more.
 */
function sendTo(socket: UdpSocket, frame: Buffer, port: number, address: string): void {
  for (let tries = 2; tries > 0; tries--) {
    try {
      socket.send(frame, port, address);
      return;
    } catch (error) {
      trace(`a datagram to ${placeName(address, port)} failed: ${String(error)}`);
    }
  }
}

/**
 * Whether a datagram can be a request. Nothing that this server sends can be one, nor what most others send. The sender's
 * address may be forged: if replies were replied to, two servers, or one with itself, would go on for ever.
 */
function isRequest(datagram: Buffer): boolean {
  if (datagram.length <= HEADER) return false;
  const total = datagram.readUInt16BE(4);
  return total <= 1 && beginsWithCommand(datagram, HEADER);
}

/** Where a datagram came from. */
interface Sender {
  client: () => string;
  send: (frames: Buffer[]) => void;
}

/** Executes the requests of a datagram, all of them complete. Its session ends with them. */
function receiveDatagram(engine: Engine, datagram: Buffer, { client, send }: Sender): void {
  if (!isRequest(datagram)) {
    engine.stats.bytesRead += datagram.length;
    return trace("a datagram was dropped: it is no request");
  }
  const most = datagram.length * MAX_TIMES;
  const id = datagram.readUInt16BE(0);
  const replies = newBytes(256);
  const finish = (): void => {
    const frames = within(most, frame(id, replies.buffer.subarray(0, replies.length)));
    for (const { length } of frames) engine.stats.bytesWritten += length;
    send(frames);
  };
  const session: Session = newSession(
    engine,
    {
      client,
      send(bytes, start, end) {
        writeBytes(replies, bytes, start, end);
        return true;
      },
      room: () => session.requestBytes * MAX_TIMES_A_LINE,
      blocked: false,
      pressure: { outputFull: true },
      awaitRoom: () => undefined,
      gathered: () => undefined,
      end: finish,
    },
    { id: 0, hasConnection: false, binary: false, headerBytes: HEADER },
  );
  engine.stats.bytesRead += HEADER;
  receive(session, Buffer.from(datagram.subarray(HEADER)));
  receiveEnd(session);
}

/** The first datagrams, as many as have `most` bytes together. */
function within(most: number, frames: Buffer[]): Buffer[] {
  let total = 0;
  const beyond = frames.findIndex(({ length }) => (total += length) > most);
  return beyond < 0 ? frames : frames.slice(0, beyond);
}

/** Splits a reply into datagrams, each with its header. */
function frame(id: number, reply: Buffer): Buffer[] {
  const room = DATAGRAM - HEADER;
  const total = Math.ceil(reply.length / room);
  return Array.from({ length: total }, (_, sequence) => {
    const part = reply.subarray(sequence * room, (sequence + 1) * room);
    const datagram = Buffer.allocUnsafe(HEADER + part.length);
    datagram.writeUInt16BE(id, 0);
    datagram.writeUInt16BE(sequence, 2);
    datagram.writeUInt16BE(total, 4);
    datagram.writeUInt16BE(0, 6);
    part.copy(datagram, HEADER);
    return datagram;
  });
}
