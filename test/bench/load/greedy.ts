import type { Socket } from "bun";

import { type Address, dial } from "../address.ts";
import type { Encoder } from "./dialect/dialect.ts";

const CHUNK_BYTES = 256 * 1024;

/** A client that sends sets and gets for as long as its socket takes them, and never waits for an answer. */
export type Greedy = {
  /** Operations that the socket took. */
  ops: () => number;
  close: () => void;
};

/** Connects and begins. Rejects when nothing listens there. */
export async function openGreedy(address: Address, { set, get }: Encoder): Promise<Greedy> {
  const pair = Buffer.concat([set, get]);
  const chunk = Buffer.concat(Array<Buffer>(Math.ceil(CHUNK_BYTES / pair.length)).fill(pair));
  let from = 0;
  let bytes = 0;
  const send = (socket: Socket): void => {
    const taken = Math.max(0, socket.write(chunk, from, chunk.length - from));
    from += taken;
    bytes += taken;
    if (from < chunk.length) return;
    from = 0;
    // The connections beside it have their turn before the next chunk.
    setImmediate(send, socket);
  };
  const socket = await dial(address, { data() {}, drain: send });
  send(socket);
  return { ops: () => (bytes / pair.length) * 2, close: () => socket.terminate() };
}
